/* SPDX-License-Identifier: Apache-2.0 */
/* Who asked and got nothing is told why: beside the answer, which stays the peer's.
 *
 * A pattern that matched no name gets the nearest names: those with the largest part of its trigrams (three characters in
 * a row, in lower case, without the characters of regular expressions). */
#include "report/head.h"

#include <ctype.h>
#include <stdio.h>

enum {
    LONGEST = 120, /* characters of a pattern that count */
    NEAREST = 3,   /* names that are told */
    ENOUGH = 40,   /* percent of the pattern's trigrams that a name must have */
    CELLS = 512,   /* of the table of trigrams, a power of two */
};

/* ---- nearest names -------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t code[CELLS]; /* three characters; 0 = free */
    uint32_t seen[CELLS]; /* by which name, last */
    uint32_t n, round;
} trigrams;

static size_t cell_of(const trigrams *t, uint32_t code)
{
    size_t at = (size_t)osp_hash_mix(code, 0) & (CELLS - 1);
    while (t->code[at] && t->code[at] != code)
        at = (at + 1) & (CELLS - 1);
    return at;
}

static uint32_t lower(char c) { return (uint32_t)tolower((unsigned char)c); }

static void learn(trigrams *t, osp_str pattern)
{
    char text[LONGEST];
    size_t n = 0;
    for (size_t i = 0; i < pattern.n && n < sizeof text; i++)
        if (!memchr("^$*+?()[]{}|\\", pattern.p[i], 13))
            text[n++] = pattern.p[i];
    for (size_t i = 2; i < n; i++) {
        const uint32_t code = lower(text[i - 2]) << 16 | lower(text[i - 1]) << 8 | lower(text[i]);
        size_t at = cell_of(t, code);
        t->n += code && !t->code[at];
        t->code[at] = code;
    }
}

/* How many of the trigrams are in the name, in percent. */
static uint32_t likeness(trigrams *t, osp_str name)
{
    uint32_t common = 0, code = 0;
    t->round++;
    for (size_t i = 0; i < name.n; i++) {
        code = (code << 8 | lower(name.p[i])) & 0xffffff;
        size_t at = i < 2 || !code ? CELLS : cell_of(t, code);
        if (at == CELLS || !t->code[at] || t->seen[at] == t->round)
            continue;
        t->seen[at] = t->round;
        common++;
    }
    return common * 100 / t->n;
}

typedef struct {
    osp_str name;
    uint32_t likeness;
} candidate;

/* The more alike first; of equally alike ones the shorter. */
static bool before(const candidate *a, const candidate *b)
{
    return a->likeness != b->likeness ? a->likeness > b->likeness : a->name.n < b->name.n;
}

static void consider(trigrams *t, candidate *best, uint32_t *n, osp_str name)
{
    candidate c = {name, name.n ? likeness(t, name) : 0};
    for (uint32_t i = 0; i < *n; i++)
        if (osp_str_eq(best[i].name, name))
            return;
    if (c.likeness < ENOUGH)
        return;
    if (*n < NEAREST)
        best[(*n)++] = c;
    else if (before(&c, &best[NEAREST - 1]))
        best[NEAREST - 1] = c;
    for (uint32_t i = *n - 1; i > 0 && before(&best[i], &best[i - 1]); i--) {
        candidate other = best[i];
        best[i] = best[i - 1];
        best[i - 1] = other;
    }
}

static void tell(const char *what, osp_str pattern, const candidate *best, uint32_t n, osp_buf *notes)
{
    if (n == 0)
        return;
    osp_buf_fmt(notes, "nearest to %s%.*s here: ", what, STRF(osp_str_head(pattern, 80)));
    for (uint32_t i = 0; i < n; i++)
        osp_buf_fmt(notes, "%s%.*s", i ? ", " : "", STRF(osp_str_head(best[i].name, 200)));
    osp_buf_byte(notes, '\n');
}

static void nearest_functions(const osp_profile *p, const char *what, osp_str pattern, osp_buf *notes)
{
    trigrams t = {.n = 0};
    candidate best[NEAREST];
    uint32_t n = 0;
    learn(&t, pattern);
    for (uint32_t i = 1; t.n && i < p->functions.n; i++)
        consider(&t, best, &n, osp_text(p, p->functions.row[i].name));
    tell(what, pattern, best, n, notes);
}

/* "key=text" of a key that is there: the texts that are alike, or else the first ones. False if there is no such key. */
static bool nearest_texts_of(const osp_profile *p, const char *what, osp_str pattern, osp_buf *notes)
{
    trigrams t = {.n = 0};
    candidate best[NEAREST], first[NEAREST];
    uint32_t n = 0, nfirst = 0;
    osp_str text = pattern, key = osp_str_cut(&text, '=');
    const uint32_t nlabel = p->labelsets.n ? p->labelsets.first[p->labelsets.n] : 0;
    if (key.n == pattern.n)
        return false;
    learn(&t, text);
    for (uint32_t i = 0; i < nlabel; i++) {
        const osp_label *l = &p->labelsets.label[i];
        const osp_str here = osp_text(p, l->str);
        if (here.n == 0 || !osp_str_eq(osp_text(p, l->key), key))
            continue;
        if (t.n)
            consider(&t, best, &n, here);
        bool known = false;
        for (uint32_t k = 0; k < nfirst; k++)
            known = known || osp_str_eq(first[k].name, here);
        if (!known && nfirst < NEAREST)
            first[nfirst++].name = here;
    }
    tell(what, pattern, n ? best : first, n ? n : nfirst, notes);
    return nfirst > 0;
}

/* Of labels: the keys, and the texts. */
static void nearest_labels(const osp_profile *p, const char *what, osp_str pattern, bool texts, osp_buf *notes)
{
    trigrams t = {.n = 0};
    candidate best[NEAREST];
    uint32_t n = 0;
    learn(&t, pattern);
    const uint32_t nlabel = p->labelsets.n ? p->labelsets.first[p->labelsets.n] : 0;
    for (uint32_t i = 0; t.n && i < nlabel; i++) {
        consider(&t, best, &n, osp_text(p, p->labelsets.label[i].key));
        if (texts)
            consider(&t, best, &n, osp_text(p, p->labelsets.label[i].str));
    }
    tell(what, pattern, best, n, notes);
}

static void explain_filters(const osp_profile *p, const osp_report_opts *o, osp_answer *out)
{
    osp_filter filter[OSP_FILTERS];
    osp_filters_of(&o->query, filter);
    for (uint32_t i = 0; i < OSP_FILTERS; i++) {
        const bool texts = 1u << i & (OSP_TAG_FOCUS | OSP_TAG_IGNORE);
        char what[24];
        snprintf(what, sizeof what, "%s=", filter[i].name);
        if (!(out->unmatched & 1u << i))
            continue;
        if (i < OSP_FILTERS_OF_NAMES)
            nearest_functions(p, what, filter[i].pattern, &out->notes);
        else if (!texts || !nearest_texts_of(p, what, filter[i].pattern, &out->notes)) {
            osp_str text = filter[i].pattern, key = osp_str_cut(&text, '=');
            nearest_labels(p, what, texts ? key : filter[i].pattern, texts, &out->notes);
        }
    }
}

/* ---- empty profiles ------------------------------------------------------------------------------------------- */

static bool has_values(const osp_profile *p, uint32_t type)
{
    for (uint32_t i = 0; i < p->samples.n; i++)
        if (p->samples.value[type][i])
            return true;
    return false;
}

/* What to do about an empty profile, by the type of its values. */
static const char *cure(osp_str type)
{
    static const struct {
        const char *type, *cure;
    } known[] = {
        {"cpu",
         "nothing ran on a CPU while it was taken: was there load, was it taken long enough (?seconds=30)? Where a "
         "program waits, look at its block and mutex profiles, or ask  osprey why PID"},
        {"contentions", "no waiting was recorded: the program must call runtime.SetMutexProfileFraction or "
                        "runtime.SetBlockProfileRate before"},
        {"inuse_space",
         "no allocation was sampled: is runtime.MemProfileRate 0, or was the heap not collected yet (?gc=1)?"},
    };
    static const char *const same[][2] = {
        {"samples", "cpu"},
        {"delay", "contentions"},
        {"inuse_objects", "inuse_space"},
        {"alloc_space", "inuse_space"},
        {"alloc_objects", "inuse_space"},
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (osp_str_eq(type, osp_str_from(same[i][0])))
            type = osp_str_from(same[i][1]);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (osp_str_eq(type, osp_str_from(known[i].type)))
            return known[i].cure;
    return "whoever wrote it had nothing to write";
}

static void explain_emptiness(const osp_profile *p, uint32_t type, osp_buf *notes)
{
    const osp_str name = osp_text(p, p->values.type[type].type);
    for (uint32_t t = 0; t < p->values.n; t++)
        if (t != type && has_values(p, t)) {
            osp_buf_fmt(notes, "all values of %.*s are 0; those of %.*s are not: add  -sample_index=%.*s\n",
                        STRF(osp_str_head(name, 80)), STRF(osp_str_head(osp_text(p, p->values.type[t].type), 80)),
                        STRF(osp_str_head(osp_text(p, p->values.type[t].type), 80)));
            return;
        }
    osp_buf_fmt(notes, "the profile is empty: %s\n", cure(name));
}

/* Does the pattern match a function of the profile, though not for this report? Then it is not misspelt. */
static bool is_known(const osp_profile *p, const osp_report_opts *o)
{
    osp_err ignored; /* it was compiled before */
    osp_regex *re = osp_argument_regex(o, &ignored);
    bool known = false;
    for (uint32_t i = 1; re && !known && i < p->functions.n; i++) {
        osp_str name = osp_text(p, p->functions.row[i].name);
        known = osp_regex_match(re, name.p ? name.p : "", name.n);
    }
    osp_regex_drop(re);
    return known;
}

void osp_explain_nothing(const osp_report *r, const osp_profile *p, const osp_report_opts *o, bool ok,
                         const osp_err *err, osp_answer *out)
{
    if (!ok) {
        if (r->takes_argument && osp_str_starts(osp_str_from(err->msg), S("no matches found")) && !is_known(p, o))
            nearest_functions(p, "", o->argument, &out->notes);
        return;
    }
    explain_filters(p, o, out);
    if (!r->ending && !o->difference && o->query.value < p->values.n && !has_values(p, o->query.value))
        explain_emptiness(p, o->query.value, &out->notes);
}
