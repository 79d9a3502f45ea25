/* SPDX-License-Identifier: Apache-2.0 */
/* Filters on labels: each is asked once per distinct label, and judged once per label set. */
#include "model/view_internal.h"

#include <ctype.h>
#include <stdlib.h>

/* ---- units ---------------------------------------------------------------------------------------------------- */

bool osp_rewriting_label_units(osp_rewriting *r)
{
    const osp_query *q = r->q;
    const bool needed = q->tag_focus.n || q->tag_ignore.n || q->tag_root.n || q->tag_leaf.n;
    return !needed || osp_label_units_make(r->p, &r->units, r->err);
}

/* ---- ranges of numbers ---------------------------------------------------------------------------------------- */

/* "32kb", ":64kb", "4mb:", "12kb:64mb": both ends count. */
typedef struct {
    bool has_from, has_to;
    double from, to;
    osp_str unit; /* of both; values that cannot be given in it are outside */
} range;

typedef struct {
    osp_str text, digits, unit;
} number;

/* The next [+-]?[0-9]+[A-Za-z]* in *rest, which then starts behind it. */
static bool next_number(osp_str *rest, number *out)
{
    const char *p = rest->p, *end = rest->p + rest->n;
    for (; p < end; p++) {
        const char *from = p, *digits = p + (*p == '+' || *p == '-'), *unit = digits;
        while (unit < end && isdigit((unsigned char)*unit))
            unit++;
        if (unit == digits)
            continue;
        for (p = unit; p < end && isalpha((unsigned char)*p);)
            p++;
        *out = (number){{from, (size_t)(p - from)}, {from, (size_t)(unit - from)}, {unit, (size_t)(p - unit)}};
        *rest = (osp_str){p, (size_t)(end - p)};
        return true;
    }
    return false;
}

static bool value_of(osp_rewriting *r, const number *n, int64_t *out)
{
    const bool minus = n->digits.p[0] == '-', sign = minus || n->digits.p[0] == '+';
    uint64_t v;
    if (!osp_str_u64(osp_str_skip(n->digits, sign), 10, &v) || v > (uint64_t)INT64_MAX + minus)
        return osp_fail(r->err, OSP_EUSAGE, "failed to parse int %.*s: value out of range", STRF(n->digits));
    *out = minus ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

/* Is text what stands before a number, the number and what stands behind it, and nothing else? */
static bool is_just(osp_str text, const char *before, const number *n, const char *behind)
{
    const size_t b = strlen(before), e = strlen(behind);
    return text.n == b + n->text.n + e && n->text.p == text.p + b && memcmp(text.p, before, b) == 0 &&
           memcmp(text.p + text.n - e, behind, e) == 0;
}

/* *is: text is a range, and not regular expressions. */
static bool parse_range(osp_rewriting *r, osp_str text, range *out, bool *is)
{
    number a, b;
    int64_t v;
    osp_str rest = text, unit;
    *is = false;
    *out = (range){0};
    if (!next_number(&rest, &a))
        return true;
    if (!value_of(r, &a, &v))
        return false;
    out->from = osp_scale(v, a.unit, a.unit, &out->unit);
    if (!next_number(&rest, &b)) {
        out->to = out->from;
        out->has_from = is_just(text, "", &a, "") || is_just(text, "", &a, ":");
        out->has_to = is_just(text, "", &a, "") || is_just(text, ":", &a, "");
        *is = out->has_from || out->has_to;
        return true;
    }
    if (a.text.n + 1 + b.text.n != text.n || a.text.p != text.p || a.text.p[a.text.n] != ':')
        return true;
    if (!value_of(r, &b, &v))
        return false;
    out->to = osp_scale(v, b.unit, out->unit, &unit);
    out->has_from = out->has_to = true;
    *is = osp_str_eq(unit, out->unit);
    return true;
}

static bool in_range(const osp_rewriting *r, const range *g, const osp_label *l)
{
    osp_str unit;
    const double v = osp_scale(l->num, osp_label_unit(&r->units, osp_text(r->p, l->key)), g->unit, &unit);
    return osp_str_eq(unit, g->unit) && (!g->has_from || v >= g->from) && (!g->has_to || v <= g->to);
}

static void judge_by_range(osp_rewriting *r, const range *g, const osp_str *key, uint8_t *verdict, uint8_t bit)
{
    const osp_profile *p = r->p;
    for (uint32_t set = 0; set < p->labelsets.n; set++)
        for (uint32_t i = p->labelsets.first[set]; i < p->labelsets.first[set + 1]; i++) {
            const osp_label *l = &p->labelsets.label[i];
            if (osp_label_is_number(l) && (!key || osp_str_eq(osp_text(p, l->key), *key)) && in_range(r, g, l)) {
                verdict[set] |= bit;
                break;
            }
        }
}

/* ---- regular expressions on texts ----------------------------------------------------------------------------- */

/* Distinct labels of text (pairs of a key and a text), and which of them each label is. */
typedef struct {
    uint32_t n;
    uint32_t *of;    /* per label; UINT32_MAX for numbers */
    osp_str *text;   /* what is matched: "key:text", or the text */
    uint8_t *answer; /* to the regular expression at hand */
} texts;

static osp_str matched_text(osp_rewriting *r, const osp_label *l, bool with_key)
{
    const osp_str key = osp_text(r->p, l->key), text = osp_text(r->p, l->str);
    if (!with_key)
        return text;
    char *joined = osp_new(r->a, char, key.n + 1 + text.n);
    if (!joined)
        return (osp_str){0};
    if (key.n)
        memcpy(joined, key.p, key.n);
    joined[key.n] = ':';
    if (text.n)
        memcpy(joined + key.n + 1, text.p, text.n);
    return (osp_str){joined, key.n + 1 + text.n};
}

/* With a key given, only its labels. */
static bool number_texts(osp_rewriting *r, const osp_str *key, texts *out)
{
    const osp_profile *p = r->p;
    const uint32_t nlabel = p->labelsets.n ? p->labelsets.first[p->labelsets.n] : 0;
    osp_intern seen = {0};
    out->of = osp_new(r->a, uint32_t, nlabel);
    uint64_t *pair = osp_new(r->a, uint64_t, nlabel);
    bool ok = out->of && pair;
    for (uint32_t i = 0; ok && i < nlabel; i++) {
        const osp_label *l = &p->labelsets.label[i];
        out->of[i] = UINT32_MAX;
        if (!l->str.i || (key && !osp_str_eq(osp_text(p, l->key), *key)))
            continue;
        pair[i] = (uint64_t)l->key.i << 32 | l->str.i;
        out->of[i] = osp_intern_put(&seen, (osp_str){(const char *)&pair[i], sizeof *pair}, NULL);
        ok = out->of[i] != UINT32_MAX;
    }
    out->n = seen.n;
    osp_intern_drop(&seen);
    out->text = osp_new(r->a, osp_str, out->n);
    out->answer = osp_new(r->a, uint8_t, out->n);
    ok = ok && out->text && out->answer;
    for (uint32_t i = 0; ok && i < nlabel; i++) {
        if (out->of[i] == UINT32_MAX || out->text[out->of[i]].p)
            continue;
        osp_str text = matched_text(r, &p->labelsets.label[i], !key);
        out->text[out->of[i]] = text;
        ok = text.p != NULL;
    }
    return ok || osp_rewriting_no_memory(r);
}

static bool set_has(const osp_profile *p, const texts *t, uint32_t set)
{
    for (uint32_t i = p->labelsets.first[set]; i < p->labelsets.first[set + 1]; i++)
        if (t->of[i] != UINT32_MAX && t->answer[t->of[i]])
            return true;
    return false;
}

/* Without a key, each of the patterns must match one of a set's labels; of a key's texts one must match one pattern. */
static bool judge_by_texts(osp_rewriting *r, const char *what, osp_str patterns, const osp_str *key, uint8_t *verdict,
                           uint8_t bit)
{
    const osp_profile *p = r->p;
    texts t;
    uint8_t *failed = osp_new(r->a, uint8_t, p->labelsets.n);
    if (!failed || !number_texts(r, key, &t))
        return osp_rewriting_no_memory(r);
    for (bool more = true; more;) {
        more = memchr(patterns.p, ',', patterns.n) != NULL;
        osp_regex *re;
        if (!osp_rewriting_regex(r, what, osp_str_cut(&patterns, ','), &re))
            return false;
        for (uint32_t i = 0; i < t.n; i++)
            t.answer[i] = osp_regex_match(re, t.text[i].p, t.text[i].n);
        osp_regex_drop(re);
        for (uint32_t set = 0; set < p->labelsets.n; set++) {
            const bool has = set_has(p, &t, set);
            failed[set] |= !has;
            verdict[set] |= key && has ? bit : 0;
        }
    }
    for (uint32_t set = 0; !key && set < p->labelsets.n; set++)
        verdict[set] |= failed[set] ? 0 : bit;
    return true;
}

/* Set the bit of every label set that the filter matches. */
static bool judge_by(osp_rewriting *r, const char *what, osp_str filter, uint8_t *verdict, uint8_t bit)
{
    osp_str text = filter, key = S("");
    const bool keyed = memchr(filter.p, '=', filter.n) != NULL;
    if (keyed)
        key = osp_str_cut(&text, '=');
    range g;
    bool is_range;
    if (!parse_range(r, text, &g, &is_range))
        return false;
    if (!is_range)
        return judge_by_texts(r, what, text, keyed ? &key : NULL, verdict, bit);
    osp_buf_fmt(&r->v->notes, "%s:Interpreted '%.*s' as range, not regexp\n", what, STRF(text));
    judge_by_range(r, &g, keyed ? &key : NULL, verdict, bit);
    return true;
}

/* ---- keys ----------------------------------------------------------------------------------------------------- */

enum { KEY_JUDGED = 128 };

typedef struct {
    osp_regex *show, *hide;
    uint8_t *judged; /* per string: KEY_JUDGED | OSP_LABEL_SHOWN | OSP_LABEL_HIDDEN */
} key_filter;

static uint8_t judge_key(const osp_rewriting *r, const key_filter *f, osp_string_id key)
{
    const osp_str s = osp_text(r->p, key);
    if (!f->judged[key.i])
        f->judged[key.i] =
            (uint8_t)(KEY_JUDGED | (!f->show || osp_regex_match(f->show, s.p, s.n) ? OSP_LABEL_SHOWN : 0) |
                      (f->hide && osp_regex_match(f->hide, s.p, s.n) ? OSP_LABEL_HIDDEN : 0));
    return f->judged[key.i] & (OSP_LABEL_SHOWN | OSP_LABEL_HIDDEN);
}

static bool keep_labels(osp_rewriting *r, const key_filter *f, uint8_t *verdict)
{
    osp_view *v = r->v;
    const osp_profile *p = r->p;
    const uint32_t n = p->labelsets.n;
    uint32_t *first = osp_new(r->a, uint32_t, (size_t)n + 1), at = 0;
    osp_label *label = osp_new(r->a, osp_label, n ? p->labelsets.first[n] : 0);
    if (!first || !label)
        return osp_rewriting_no_memory(r);
    for (uint32_t set = 0; set < n; set++) {
        for (uint32_t i = p->labelsets.first[set]; i < p->labelsets.first[set + 1]; i++) {
            const uint8_t key = judge_key(r, f, p->labelsets.label[i].key);
            verdict[set] |= key;
            if (key == OSP_LABEL_SHOWN)
                label[at++] = p->labelsets.label[i];
        }
        first[set + 1] = at;
    }
    v->first_label = first;
    v->label = label;
    return true;
}

static bool by_key(osp_rewriting *r, uint8_t *verdict)
{
    const osp_query *q = r->q;
    if (q->tag_show.n == 0 && q->tag_hide.n == 0)
        return true;
    key_filter f = {.judged = osp_new(r->a, uint8_t, r->p->strings.n)};
    bool ok = f.judged || osp_rewriting_no_memory(r);
    ok = ok && (q->tag_show.n == 0 || osp_rewriting_regex(r, "tagshow", q->tag_show, &f.show));
    ok = ok && (q->tag_hide.n == 0 || osp_rewriting_regex(r, "taghide", q->tag_hide, &f.hide));
    ok = ok && keep_labels(r, &f, verdict);
    osp_regex_drop(f.show);
    osp_regex_drop(f.hide);
    return ok;
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

/* The base of a difference, after tag_show and tag_hide if the total is. */
static void find_base(const osp_rewriting *r, uint8_t *verdict)
{
    const osp_view *v = r->v;
    const osp_profile *p = r->p;
    const uint32_t *first = r->q->relative ? v->first_label : p->labelsets.first;
    const osp_label *label = r->q->relative ? v->label : p->labelsets.label;
    for (uint32_t set = 0; set < p->labelsets.n; set++)
        for (uint32_t i = first[set]; i < first[set + 1]; i++)
            if (label[i].str.i && osp_str_eq(osp_text(p, label[i].key), S("pprof::base")) &&
                osp_str_eq(osp_text(p, label[i].str), S("true")))
                verdict[set] |= OSP_LABEL_BASE;
}

bool osp_rewriting_judge_labels(osp_rewriting *r)
{
    const osp_profile *p = r->p;
    const osp_query *q = r->q;
    r->v->first_label = p->labelsets.first;
    r->v->label = p->labelsets.label;
    const bool asked = q->tag_focus.n || q->tag_ignore.n || q->tag_show.n || q->tag_hide.n;
    if (!asked && p->labelsets.n <= 1)
        return true;
    uint8_t *verdict = osp_new(r->a, uint8_t, p->labelsets.n);
    if (!verdict)
        return osp_rewriting_no_memory(r);
    if (q->tag_focus.n == 0)
        memset(verdict, OSP_LABEL_FOCUSED, p->labelsets.n);
    else if (!judge_by(r, "tagfocus", q->tag_focus, verdict, OSP_LABEL_FOCUSED))
        return false;
    if (q->tag_ignore.n && !judge_by(r, "tagignore", q->tag_ignore, verdict, OSP_LABEL_IGNORED))
        return false;
    if (!by_key(r, verdict))
        return false;
    find_base(r, verdict);
    r->label_verdict = verdict;
    return true;
}
