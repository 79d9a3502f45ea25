/* SPDX-License-Identifier: Apache-2.0 */
/* What can stand at the end of a half-typed line of pprof's shell: commands and options by their beginning, functions
 * and labels by any part of their names. */
#include "cli/pprof_cli.h"

#include <ctype.h>

typedef struct {
    osp_completion_list *list;
    osp_arena *a;
    osp_str typed;  /* without backslashes where patterns are typed */
    osp_str common; /* what all candidates begin with */
    bool anywhere;  /* candidates match by any part, and are put in as patterns */
} search;

static size_t common_head(osp_str a, osp_str b)
{
    size_t n = 0;
    while (n < a.n && n < b.n && a.p[n] == b.p[n])
        n++;
    return n;
}

static void offer(search *s, osp_str candidate)
{
    osp_completion_list *l = s->list;
    bool fits =
        s->anywhere ? s->typed.n == 0 || osp_str_has(candidate, s->typed) : osp_str_starts(candidate, s->typed);
    if (!fits || candidate.n == 0)
        return;
    enum { MOST = sizeof l->few / sizeof *l->few };
    for (uint32_t i = 0; i < l->n && i < MOST; i++)
        if (osp_str_eq(l->few[i], candidate))
            return;
    s->common = l->n ? osp_str_head(s->common, common_head(s->common, candidate)) : candidate;
    if (l->n < MOST)
        l->few[l->n] = candidate;
    l->n++;
}

static void offer_z(search *s, const char *word) { offer(s, osp_str_from(word)); }

/* ---- candidates ----------------------------------------------------------------------------------------------- */

static void offer_options(search *s, const char *behind)
{
    for (const osp_field *f = osp_fields; f->name; f++) {
        osp_str name = osp_arena_fmt(s->a, "%s%s", f->name, behind);
        if (name.p)
            offer(s, name);
    }
}

static void offer_choices(search *s)
{
    for (const osp_field *f = osp_fields; f->name; f++)
        for (const osp_choice *c = f->choices; c && c->name; c++)
            offer_z(s, c->name);
}

static void offer_commands(search *s)
{
    for (const osp_pprof_command *c = osp_pprof_commands(); c->name; c++)
        offer_z(s, c->name);
}

static void offer_types(search *s, const osp_profile *p, bool with_heads)
{
    static const char *const heads[] = {"", "total_", "mean_"};
    for (uint32_t i = 0; i < p->values.n; i++)
        for (size_t h = 0; h < (with_heads ? 3 : 1); h++) {
            osp_str name = osp_arena_fmt(s->a, "%s%.*s", heads[h], STRF(osp_text(p, p->values.type[i].type)));
            if (name.p)
                offer(s, name);
        }
}

static void offer_functions(search *s, const osp_profile *p)
{
    for (uint32_t i = 1; i < p->functions.n; i++)
        offer(s, osp_text(p, p->functions.row[i].name));
}

/* Keys, or with a key its texts. */
static void offer_labels(search *s, const osp_profile *p, osp_str key)
{
    uint32_t n = p->labelsets.n ? p->labelsets.first[p->labelsets.n] : 0;
    for (uint32_t i = 0; i < n; i++) {
        const osp_label *l = &p->labelsets.label[i];
        if (!key.n)
            offer(s, osp_text(p, l->key));
        else if (l->str.i && osp_str_eq(osp_text(p, l->key), key))
            offer(s, osp_text(p, l->str));
    }
}

/* ---- the line ------------------------------------------------------------------------------------------------- */

static void first_word(search *s, const osp_profile *p)
{
    static const char *const words[] = {"help", "options", "quit", "exit"};
    offer_commands(s);
    offer_options(s, "=");
    offer_choices(s);
    offer_types(s, p, true);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        offer_z(s, words[i]);
}

/* The value of an option. */
static void value_word(search *s, const osp_profile *p, const osp_field *f)
{
    osp_str value = s->typed;
    if (f->choices) {
        for (const osp_choice *c = f->choices; c->name; c++)
            offer_z(s, c->name);
    } else if (f->kind == OSP_FIELD_BOOL) {
        offer_z(s, "true");
        offer_z(s, "false");
    } else if (strcmp(f->name, "sample_index") == 0) {
        offer_types(s, p, false);
    } else if (strcmp(f->name, "unit") == 0) {
        static const char *const units[] = {"minimum", "auto", "ns", "us", "ms", "s", "hrs", "B", "kB", "MB", "GB"};
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            offer_z(s, units[i]);
    } else if (strncmp(f->name, "tag", 3) == 0) {
        size_t equals = osp_str_find(value, S("="));
        s->anywhere = true;
        if (equals < value.n) {
            s->typed = osp_str_skip(value, equals + 1);
            s->list->typed = s->typed.n;
        }
        offer_labels(s, p, equals < value.n ? osp_str_head(value, equals) : S(""));
    } else if (f->kind == OSP_FIELD_TEXT && f->url) { /* the other texts of a URL are patterns */
        s->anywhere = true;
        offer_functions(s, p);
    }
}

static void find(search *s, const osp_profile *p, osp_str line)
{
    osp_str rest = line, word = osp_go_cut_field(&rest), last = S("");
    const osp_choice *choice;
    if (rest.n == 0) {
        osp_str value = word, name = osp_str_cut(&value, '=');
        const osp_field *f = name.n < word.n ? osp_field_named(name, &choice) : NULL;
        s->typed = f ? value : word;
        s->list->typed = s->typed.n;
        if (f && !choice)
            value_word(s, p, f);
        else if (!f)
            first_word(s, p);
        return;
    }
    for (osp_str tail = rest; tail.n;)
        last = osp_go_cut_field(&tail);
    s->typed = last.p + last.n == line.p + line.n ? last : S("");
    const osp_pprof_command *c = osp_pprof_command_named(word);
    if (osp_str_eq(word, S("help"))) {
        offer_commands(s);
        offer_options(s, "");
        offer_choices(s);
    } else if (c) {
        if (osp_str_starts(s->typed, S("-")))
            s->typed = osp_str_skip(s->typed, 1);
        s->anywhere = true;
        if (strcmp(c->name, "tags") == 0)
            offer_labels(s, p, S(""));
        else
            offer_functions(s, p);
    }
    s->list->typed = s->typed.n;
}

/* ---- patterns ------------------------------------------------------------------------------------------------- */

static osp_str without_backslashes(osp_arena *a, osp_str s)
{
    char *out = osp_new(a, char, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < s.n; i++)
        if (s.p[i] != '\\')
            out[n++] = s.p[i];
    return (osp_str){out, n};
}

/* A name as a pattern that is one word: a dot means itself closely enough, and stands for a blank. */
static osp_str as_pattern(osp_arena *a, osp_str s)
{
    char *out = osp_new(a, char, 2 * s.n + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < s.n; i++) {
        if (s.p[i] && strchr("\\+*?()|[]{}^$", s.p[i]))
            out[n++] = '\\';
        out[n++] = isspace((unsigned char)s.p[i]) ? '.' : s.p[i];
    }
    return (osp_str){out, n};
}

bool osp_pprof_complete(const osp_profile *p, osp_str line, osp_arena *a, osp_completion_list *out)
{
    *out = (osp_completion_list){0};
    search s = {.list = out, .a = a};
    osp_str clean = without_backslashes(a, line);
    if (!clean.p)
        return false;
    find(&s, p, clean);
    if (out->n == 0)
        return false;
    bool longer = osp_str_starts(s.common, s.typed);
    out->insert = out->n == 1 || longer ? s.common : s.typed;
    out->whole = out->n == 1 && !osp_str_ends(out->insert, S("="));
    /* what was typed, backslashes and all, ends where the line ends */
    size_t typed = 0;
    for (size_t left = s.typed.n; left; typed++)
        left -= line.p[line.n - 1 - typed] != '\\';
    while (typed < line.n && line.p[line.n - 1 - typed] == '\\')
        typed++;
    out->typed = typed;
    if (s.anywhere)
        out->insert = as_pattern(a, out->insert);
    return out->insert.p != NULL;
}
