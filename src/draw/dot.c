/* SPDX-License-Identifier: Apache-2.0 */
/* Reads DOT, as far as reports write it:
 *
 *   graph      = ["strict"] ("digraph" | "graph") [ID] "{" statement* "}"
 *   statement  = ("node" | "edge" | "graph") attributes | "subgraph" [ID] "{" statement* "}"
 *              | ID "=" ID | ID ["->" ID]* [attributes]          each with ";" after it or not
 *   attributes = ("[" (ID "=" ID [","|";"])* "]")+
 *   ID         = a word of letters, digits, "_", "." and bytes past 127 | "..." with \" for a quote
 *
 * Of attributes: label, tooltip, id, fontsize, shape, color, fillcolor, weight, penwidth, minlen, style; the rest is
 * passed over. Defaults ("node [...]") are passed over too, ports and HTML are refused. */
#include "base/hash.h"
#include "draw/draw_internal.h"

#include <math.h>
#include <stdlib.h>

enum { DEEPEST = 8, MOST_LINES = 10000 };

typedef struct {
    osp_str in, all;
    osp_drawing *d;
    osp_err *err;
    osp_intern names;
    size_t box_cap, arrow_cap;
    unsigned depth;
} reading;

/* The attributes of a statement, as they stand there. */
typedef struct {
    osp_str label, tooltip, id, fontsize, shape, colour, fill, weight, width, least, style;
    bool has_label;
} attributes;

static bool bad(reading *r, const char *what)
{
    return osp_fail(r->err, OSP_EFORMAT, "DOT+0x%zx: %s", r->all.n - r->in.n, what);
}

/* ---- words ---------------------------------------------------------------------------------------------------- */

static void pass_blanks(reading *r)
{
    for (;;) {
        while (r->in.n && (unsigned char)r->in.p[0] <= ' ')
            r->in = osp_str_skip(r->in, 1);
        if (osp_str_starts(r->in, S("/*")))
            r->in = osp_str_skip(r->in, 2 + osp_str_find(osp_str_skip(r->in, 2), S("*/")) + 2);
        else if (osp_str_starts(r->in, S("//")) || osp_str_starts(r->in, S("#")))
            osp_str_cut(&r->in, '\n');
        else
            return;
    }
}

/* True after the token, which is passed. */
static bool next_is(reading *r, osp_str token)
{
    pass_blanks(r);
    if (!osp_str_starts(r->in, token))
        return false;
    r->in = osp_str_skip(r->in, token.n);
    return true;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || osp_is_digit(c) || c == '_' || c == '.' ||
           (unsigned char)c > 127;
}

/* A word, or the inside of a quoted text with its backslashes. */
static bool read_id(reading *r, osp_str *out)
{
    size_t n = 0;
    pass_blanks(r);
    if (!osp_str_starts(r->in, S("\""))) {
        n = osp_str_starts(r->in, S("-"));
        while (n < r->in.n && is_word(r->in.p[n]))
            n++;
        *out = osp_str_head(r->in, n);
        r->in = osp_str_skip(r->in, n);
        return n > 0 || bad(r, "a name wanted");
    }
    for (n = 1; n < r->in.n && r->in.p[n] != '"'; n++)
        n += r->in.p[n] == '\\';
    if (n >= r->in.n)
        return bad(r, "the quote is never closed");
    *out = osp_str_skip(osp_str_head(r->in, n), 1);
    r->in = osp_str_skip(r->in, n + 1);
    return true;
}

/* ---- text ----------------------------------------------------------------------------------------------------- */

/* The character that an entity at the begin of s stands for, and its length; 0 if it is none. */
static size_t entity(osp_str s, char *out)
{
    static const struct {
        osp_str name;
        char c;
    } known[] = {
        {{"&amp;", 5}, '&'}, {{"&lt;", 4}, '<'}, {{"&gt;", 4}, '>'}, {{"&quot;", 6}, '"'}, {{"&#39;", 5}, '\''}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (osp_str_starts(s, known[i].name)) {
            *out = known[i].c;
            return known[i].name.n;
        }
    return 0;
}

/* Up to the next line break: puts the text at p without its backslashes, *n how much. Returns how the line is aligned, 0 at
 * the end of s. */
static char read_line(osp_str *s, char *p, size_t *n)
{
    for (*n = 0; s->n;) {
        char c = s->p[0], align = 0;
        size_t passed = c == '&' ? entity(*s, &c) : 0;
        if (!passed && c == '\\' && s->n > 1) {
            c = s->p[1];
            passed = 2;
            align = c == 'n' ? 'c' : c == 'l' || c == 'r' ? c : 0;
        } else if (c == '\n') {
            align = 'c';
        }
        *s = osp_str_skip(*s, passed ? passed : 1);
        if (align)
            return align;
        p[(*n)++] = c;
    }
    return 0;
}

static osp_str plain(reading *r, osp_str escaped)
{
    char *p = osp_new(&r->d->arena, char, escaped.n + 1);
    size_t n = 0;
    while (p && escaped.n) {
        size_t more;
        const char align = read_line(&escaped, p + n, &more);
        n += more;
        if (align)
            p[n++] = '\n';
    }
    return (osp_str){p, p ? n : 0};
}

static bool read_words(reading *r, osp_str text, double font, osp_words *out)
{
    uint32_t n = 1;
    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\\' || text.p[i] == '\n';
    if (n > MOST_LINES)
        return bad(r, "a label of too many lines");
    char *p = osp_new(&r->d->arena, char, text.n + 1);
    *out = (osp_words){.line = osp_new(&r->d->arena, osp_line_of_text, n), .font = font};
    if (!out->line || !p)
        return osp_fail_memory(r->err, "reading a graph");
    while (text.n) {
        osp_line_of_text *line = &out->line[out->n++];
        const char align = read_line(&text, p, &line->text.n);
        line->text.p = p;
        line->align = align ? align : 'c';
        p += line->text.n;
        out->w = fmax(out->w, osp_text_width(line->text, font));
    }
    out->h = out->n * font * OSP_LINE_PERCENT / 100;
    return true;
}

static double number(osp_str s, double least, double most, double otherwise)
{
    char z[32], *end;
    double v = strtod(osp_str_z(s, z, sizeof z), &end);
    return s.n && !*end && v >= least ? fmin(v, most) : otherwise;
}

static uint32_t colour(osp_str s, uint32_t otherwise)
{
    uint64_t v;
    return s.n == 7 && s.p[0] == '#' && osp_str_u64(osp_str_skip(s, 1), 16, &v) ? (uint32_t)v : otherwise;
}

/* ---- statements ----------------------------------------------------------------------------------------------- */

static bool read_attributes(reading *r, attributes *a)
{
    const struct {
        osp_str name;
        osp_str *to;
    } known[] = {
        {S("label"), &a->label},       {S("tooltip"), &a->tooltip}, {S("id"), &a->id},
        {S("fontsize"), &a->fontsize}, {S("shape"), &a->shape},     {S("color"), &a->colour},
        {S("fillcolor"), &a->fill},    {S("weight"), &a->weight},   {S("penwidth"), &a->width},
        {S("minlen"), &a->least},      {S("style"), &a->style},
    };
    while (next_is(r, S("[")))
        while (!next_is(r, S("]"))) {
            osp_str name, value;
            if (!read_id(r, &name))
                return false;
            if (!next_is(r, S("=")))
                return bad(r, "\"=\" wanted");
            if (!read_id(r, &value))
                return false;
            for (size_t i = 0; i < sizeof known / sizeof *known; i++)
                if (osp_str_eq(name, known[i].name))
                    *known[i].to = value;
            a->has_label |= osp_str_eq(name, S("label"));
            if (!next_is(r, S(",")))
                next_is(r, S(";"));
        }
    return true;
}

static uint32_t box_named(reading *r, osp_str name)
{
    bool fresh;
    uint32_t id = osp_intern_put(&r->names, name, &fresh);
    if (id == UINT32_MAX || !fresh)
        return id;
    void *boxes = r->d->box;
    bool ok = osp_grow(&boxes, &r->box_cap, (size_t)id + 1, sizeof *r->d->box);
    r->d->box = boxes;
    if (!ok)
        return UINT32_MAX;
    r->d->box[id] = (osp_box){.name = name, .fill = 0xf8f8f8, .apart = r->depth > 1};
    r->d->nbox = id + 1;
    return id;
}

static bool describe_box(reading *r, osp_str name, const attributes *a)
{
    uint32_t id = box_named(r, name);
    if (id == UINT32_MAX)
        return osp_fail_memory(r->err, "reading a graph");
    osp_box *b = &r->d->box[id];
    b->apart = r->depth > 1;
    b->colour = colour(a->colour, 0);
    b->fill = colour(a->fill, 0xf8f8f8);
    b->raised = osp_str_eq(a->shape, S("box3d"));
    b->id = plain(r, a->id);
    b->tooltip = plain(r, a->tooltip);
    return read_words(r, a->has_label ? a->label : name, number(a->fontsize, 1, 100, 14), &b->label);
}

static bool add_arrow(reading *r, uint32_t from, uint32_t to, const attributes *a)
{
    void *arrows = r->d->arrow;
    bool ok = r->d->narrow < UINT32_MAX / 2 &&
              osp_grow(&arrows, &r->arrow_cap, (size_t)r->d->narrow + 1, sizeof *r->d->arrow);
    r->d->arrow = arrows;
    if (!ok)
        return osp_fail_memory(r->err, "reading a graph");
    osp_arrow *e = &r->d->arrow[r->d->narrow++];
    *e = (osp_arrow){
        .from = from,
        .to = to,
        .colour = colour(a->colour, 0),
        .weight = number(a->weight, 0, 1000, 1),
        .width = number(a->width, 0.1, 20, 1),
        .least = (uint32_t)number(a->least, 1, 10, 1),
        .dotted = osp_str_eq(a->style, S("dotted")),
        .tooltip = plain(r, a->tooltip),
    };
    return read_words(r, a->label, 11, &e->label);
}

/* name, or name -> name -> …; with attributes or not. */
static bool read_box_or_arrows(reading *r, osp_str name)
{
    attributes a = {0};
    if (next_is(r, S("=")))
        return read_id(r, &name);
    const osp_str before = r->in;
    bool is_arrow = false;
    while (next_is(r, S("->")) || next_is(r, S("--"))) {
        osp_str other;
        is_arrow = true;
        if (!read_id(r, &other))
            return false;
    }
    if (!read_attributes(r, &a))
        return false;
    if (!is_arrow)
        return describe_box(r, name, &a);
    const osp_str after = r->in;
    uint32_t from = box_named(r, name);
    r->in = before;
    while (next_is(r, S("->")) || next_is(r, S("--"))) {
        osp_str other;
        uint32_t to = read_id(r, &other) ? box_named(r, other) : UINT32_MAX;
        if (from == UINT32_MAX || to == UINT32_MAX)
            return osp_fail_memory(r->err, "reading a graph");
        if (!add_arrow(r, from, to, &a))
            return false;
        from = to;
    }
    r->in = after;
    return true;
}

static bool open_brace(reading *r)
{
    if (!next_is(r, S("{")))
        return bad(r, "\"{\" wanted");
    return ++r->depth <= DEEPEST || bad(r, "subgraphs too deep");
}

static bool read_statement(reading *r)
{
    osp_str name;
    attributes ignored = {0};
    const bool quoted = r->in.p[0] == '"';
    if (!read_id(r, &name))
        return false;
    if (!quoted && osp_str_eq(name, S("subgraph"))) {
        pass_blanks(r);
        return (osp_str_starts(r->in, S("{")) || read_id(r, &name)) && open_brace(r);
    }
    const bool defaults =
        !quoted && (osp_str_eq(name, S("node")) || osp_str_eq(name, S("edge")) || osp_str_eq(name, S("graph")));
    return defaults ? read_attributes(r, &ignored) : read_box_or_arrows(r, name);
}

static bool read_graph(reading *r)
{
    osp_str word;
    if (!read_id(r, &word))
        return false;
    if (osp_str_eq(word, S("strict")) && !read_id(r, &word))
        return false;
    if (!osp_str_eq(word, S("digraph")) && !osp_str_eq(word, S("graph")))
        return bad(r, "\"digraph\" wanted");
    pass_blanks(r);
    if (!osp_str_starts(r->in, S("{"))) {
        if (!read_id(r, &word))
            return false;
        r->d->name = plain(r, word);
    }
    if (!open_brace(r))
        return false;
    while (r->depth) {
        pass_blanks(r);
        if (r->in.n == 0)
            return bad(r, "the graph is never closed");
        if (next_is(r, S("}")))
            r->depth--;
        else if (!next_is(r, S(";")) && !read_statement(r))
            return false;
    }
    return true;
}

/* What grew moves into the arena. */
static bool keep(reading *r)
{
    osp_drawing *d = r->d;
    osp_box *box = osp_new(&d->arena, osp_box, d->nbox);
    osp_arrow *arrow = osp_new(&d->arena, osp_arrow, d->narrow);
    if (box && d->nbox)
        memcpy(box, d->box, d->nbox * sizeof *box);
    if (arrow && d->narrow)
        memcpy(arrow, d->arrow, d->narrow * sizeof *arrow);
    free(d->box);
    free(d->arrow);
    d->box = box;
    d->arrow = arrow;
    return box && arrow;
}

bool osp_dot_read(osp_str dot, osp_drawing *out, osp_err *err)
{
    reading r = {.in = dot, .all = dot, .d = out, .err = err};
    out->box = NULL;
    out->arrow = NULL;
    out->nbox = out->narrow = 0;
    out->name = S("");
    bool ok = read_graph(&r);
    if (!keep(&r) && ok)
        ok = osp_fail_memory(err, "reading a graph");
    osp_intern_drop(&r.names);
    return ok;
}
