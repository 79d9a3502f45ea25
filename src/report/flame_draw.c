/* SPDX-License-Identifier: Apache-2.0 */
/* A flame graph's picture. Root at the top, width = share, hue = whose code it is. It is made twice:
 *
 *   - as plain SVG, for viewers without scripts: frames of three pixels and more, and a grey "N more" for thinner neighbours;
 *   - as data in its script, all frames that are kept, of which flame.js draws what a zoom makes visible:
 *
 *     data = {names: […], shades: "0132…",     by number of the name
 *             values: […], texts: […],         each distinct number once, and as people read it
 *             compared, base,                  is there a base, and its total
 *             nodes: [pops, name, value, own, colour(, base), …]}    in preorder, siblings by name; pops: how many
 *                                                                    of the frames that are open end before this one
 *
 * Elements cost a browser much and a file 200 bytes; a frame in the data costs 12. */
#include "report/flame.h"

#include <stdio.h>
#include <stdlib.h>

enum { WIDTH = 1200, MARGIN = 12, ROW = 18, HEAD = 82, FOOT = 12, THIN = 3 /* pixels */ };
enum {
    STEPS = 4,
    SAME = OSP_FLAME_ORIGINS + STEPS,
    SHADES = 4
}; /* colours of a change: SAME - STEPS … SAME + STEPS */

typedef osp_flame flame;
typedef osp_flame_node node;

static const char *const origin_names[OSP_FLAME_ORIGINS] = {"Go", "Go std", "Go runtime", "cgo",
                                                            "C",  "vDSO",   "kernel",     "no name"};

/* The number of a frame's colour. */
static unsigned colour_of(const flame *f, const node *n)
{
    if (!f->compared)
        return n->origin;
    double step = f->most > 0 ? STEPS * osp_flame_change(f, n) / f->most : 0;
    return (unsigned)(SAME + (int)(step < 0 ? step - 0.5 : step + 0.5));
}

/* ---- text ----------------------------------------------------------------------------------------------------- */

/* How many bytes the character takes that s begins with; 0 if XML must not have it. */
static size_t character(osp_str s)
{
    size_t n = osp_str_utf8(s);
    bool none = n == 3 && (uint8_t)s.p[0] == 0xef && (uint8_t)s.p[1] == 0xbf && (uint8_t)s.p[2] >= 0xbe;
    return none || (n == 1 && ((uint8_t)s.p[0] < ' ' || s.p[0] == 0x7f)) ? 0 : n;
}

static void add_xml(osp_buf *out, osp_str s)
{
    for (size_t i = 0; i < s.n;) {
        size_t n = character(osp_str_skip(s, i));
        unsigned char c = (unsigned char)s.p[i];
        if (n == 0)
            osp_buf_byte(out, '?');
        else if (c == '&' || c == '<' || c == '>' || c == '"')
            osp_buf_fmt(out, "&#%d;", c);
        else
            osp_buf_add(out, (osp_str){s.p + i, n});
        i += n ? n : 1;
    }
}

/* A string of the script, which stands in XML or HTML: what could end either is written in numbers. */
static void add_js(osp_buf *out, osp_str s)
{
    osp_buf_byte(out, '"');
    for (size_t i = 0; i < s.n;) {
        size_t n = character(osp_str_skip(s, i));
        unsigned char c = (unsigned char)s.p[i];
        bool separator = n == 3 && c == 0xe2 && (uint8_t)s.p[i + 1] == 0x80 && ((uint8_t)s.p[i + 2] & 0xfe) == 0xa8;
        if (n == 0 || separator)
            osp_buf_byte(out, '?');
        else if (strchr("&<>]\"\\", c))
            osp_buf_fmt(out, "\\x%02x", c);
        else
            osp_buf_add(out, (osp_str){s.p + i, n});
        i += n ? n : 1;
    }
    osp_buf_byte(out, '"');
}

/* Slashes of type parameters and signatures are not the path's. */
static osp_str without_path(osp_str name)
{
    size_t n = 0, base = 0;
    for (; n < name.n && !strchr("([<", name.p[n]); n++)
        base = name.p[n] == '/' ? n + 1 : base;
    return osp_str_skip(name, base);
}

/* "(*T).name" without the type, "std::x<y>::name(z)" without what stands around the name. */
static osp_str own_name(osp_str name)
{
    osp_str s = name, rest = name;
    if (s.n > 1 && s.p[0] == '(' && osp_str_cut(&rest, ')').n < s.n && osp_str_starts(rest, S(".")))
        return osp_str_skip(rest, 1);
    s = osp_str_cut(&rest, '(');
    rest = s;
    s = osp_str_cut(&rest, '<').n ? s : name;
    for (size_t i = s.n; i > 2; i--)
        if (s.p[i - 1] == ':' && s.p[i - 2] == ':')
            return osp_str_skip(s, i);
    return s.n ? s : name;
}

/* As much of a name as fits, by steps: without its path, without its package, without its type, its beginning. */
static void add_fitting(osp_buf *out, osp_str name, double px)
{
    const size_t most = px < 20 ? 0 : (size_t)((px - 8) / 6.5);
    if (name.n > most)
        name = without_path(name);
    osp_str rest = name;
    if (name.n > most && osp_str_cut(&rest, '.').n < name.n && !memchr(name.p, '(', name.n - rest.n))
        name = rest;
    if (name.n > most)
        name = own_name(name);
    if (name.n <= most) {
        add_xml(out, name);
    } else if (most >= 4) {
        size_t n = most - 1;
        while (n && ((uint8_t)name.p[n] & 0xc0) == 0x80)
            n--;
        add_xml(out, osp_str_head(name, n));
        osp_buf_add(out, S("\xe2\x80\xa6"));
    }
}

/* Functions of one package look alike, and a little different from those of others of their colour. */
static unsigned shade_of(osp_str name)
{
    uint32_t hash = 2166136261u;
    osp_str base = osp_str_base(name), rest = base;
    size_t n = name.n - base.n + osp_str_cut(&rest, '.').n;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (uint8_t)name.p[i]) * 16777619u;
    return (hash ^ hash >> 15) % SHADES;
}

/* ---- as data -------------------------------------------------------------------------------------------------- */

typedef struct {
    const flame *f;
    uint32_t *name; /* by number in the tree: number in the data + 1 */
    osp_str *used;  /* by number in the data */
    uint32_t nused;
    int64_t *value; /* sorted, each once */
    size_t nvalue;
} tables;

static int by_value(const void *a, const void *b)
{
    int64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static bool tables_of(tables *t, const flame *f)
{
    *t = (tables){.f = f};
    t->name = calloc((size_t)f->names.n + 1, sizeof *t->name);
    t->used = calloc((size_t)f->kept + 1, sizeof *t->used);
    t->value = calloc((size_t)f->kept * 3 + 1, sizeof *t->value);
    if (!t->name || !t->used || !t->value)
        return false;
    size_t n = 0, distinct = 0;
    for (uint32_t i = 0; i < f->kept; i++) {
        uint32_t id = f->order[i], *name = &t->name[id ? f->node[id].name : f->names.n];
        if (!*name) {
            t->used[t->nused++] = osp_flame_name(f, id);
            *name = t->nused;
        }
        t->value[n++] = f->node[id].value;
        t->value[n++] = f->node[id].own;
        t->value[n++] = f->node[id].base;
    }
    if (n)
        qsort(t->value, n, sizeof *t->value, by_value);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || t->value[i] != t->value[i - 1])
            t->value[distinct++] = t->value[i];
    t->nvalue = distinct;
    return true;
}

static void tables_drop(tables *t)
{
    free(t->name);
    free(t->used);
    free(t->value);
}

static size_t value_at(const tables *t, int64_t value)
{
    const int64_t *at = bsearch(&value, t->value, t->nvalue, sizeof value, by_value);
    return at ? (size_t)(at - t->value) : 0;
}

static void add_nodes(const tables *t, osp_buf *out)
{
    const flame *f = t->f;
    uint32_t open = 0; /* frames that are */
    for (uint32_t i = 0; i < f->kept; i++) {
        const uint32_t id = f->order[i];
        const node *n = &f->node[id];
        if (n->depth > open) /* its parent is not before it: sums that do not fit 64 bits */
            continue;
        osp_buf_fmt(out, "%s%u,%u,%zu,%zu,%u", i ? "," : "", open - n->depth, t->name[id ? n->name : f->names.n] - 1,
                    value_at(t, n->value), value_at(t, n->own), colour_of(f, n));
        if (f->compared)
            osp_buf_fmt(out, ",%zu", value_at(t, n->base));
        if (i % 16 == 15)
            osp_buf_byte(out, '\n');
        open = n->depth + 1;
    }
}

static void add_data(const tables *t, osp_buf *out)
{
    char text[OSP_SHOWN_MAX];
    osp_buf_add(out, S("var data={names:["));
    for (uint32_t i = 0; i < t->nused; i++) {
        osp_buf_add(out, i ? S(",\n") : S(""));
        add_js(out, t->used[i]);
    }
    osp_buf_add(out, S("],\nshades:\""));
    for (uint32_t i = 0; i < t->nused; i++)
        osp_buf_byte(out, (uint8_t)('0' + shade_of(t->used[i])));
    osp_buf_add(out, S("\",\nvalues:["));
    for (size_t i = 0; i < t->nvalue; i++)
        osp_buf_fmt(out, "%s%lld", i ? "," : "", (long long)t->value[i]);
    osp_buf_add(out, S("],\ntexts:["));
    for (size_t i = 0; i < t->nvalue; i++) {
        osp_buf_add(out, i ? S(",") : S(""));
        add_js(out, osp_str_from(osp_shown_text(t->f->shown, t->value[i], text, sizeof text)));
    }
    osp_buf_fmt(out, "],\ncompared:%s,base:%lld,\nnodes:[", t->f->compared ? "true" : "false",
                (long long)t->f->base_total);
    add_nodes(t, out);
    osp_buf_add(out, S("]};\n"));
}

/* ---- as a picture --------------------------------------------------------------------------------------------- */

static double pixels(const flame *f, int64_t value)
{
    return (double)value / (double)f->total * (WIDTH - 2 * MARGIN);
}

static void add_rect(flame *f, int64_t at, int64_t value, uint32_t depth)
{
    double px = pixels(f, value);
    osp_buf_fmt(f->out, "<rect x=\"%.1f\" y=\"%u\" width=\"%.1f\" height=\"%d\"%s class=\"", MARGIN + pixels(f, at),
                HEAD + depth * (ROW + 1), px - 1, ROW, px > 5 ? " rx=\"2.5\"" : "");
}

static void add_frame(flame *f, uint32_t id)
{
    const node *n = &f->node[id];
    char text[OSP_SHOWN_MAX], percent[32];
    osp_str name = osp_flame_name(f, id);
    double px = pixels(f, n->value);
    const unsigned colour = colour_of(f, n);
    osp_buf_add(f->out, S("<g><title>"));
    add_xml(f->out, name);
    osp_buf_fmt(f->out, "\n%s, %s of all", osp_shown_text(f->shown, n->value, text, sizeof text),
                osp_percent(n->value, f->total, percent, sizeof percent));
    if (n->own)
        osp_buf_fmt(f->out, "; own %s", osp_shown_text(f->shown, n->own, text, sizeof text));
    if (f->compared)
        osp_buf_fmt(f->out, "; %s before, %+.2f points", osp_percent(n->base, f->base_total, percent, sizeof percent),
                    100 * osp_flame_change(f, n));
    osp_buf_add(f->out, S("</title>"));
    add_rect(f, n->at, n->value, n->depth);
    osp_buf_fmt(f->out, "c%u", colour);
    if (id && !f->compared && shade_of(name))
        osp_buf_fmt(f->out, " s%u", shade_of(name));
    osp_buf_add(f->out, S("\"/>"));
    if (px >= 20) {
        osp_buf_fmt(f->out, "<text x=\"%.1f\" y=\"%u\" class=\"t%u\">", MARGIN + pixels(f, n->at) + 4,
                    HEAD + n->depth * (ROW + 1) + 13, colour);
        add_fitting(f->out, name, px);
        osp_buf_add(f->out, S("</text>"));
    }
    osp_buf_add(f->out, S("</g>\n"));
}

/* Neighbours under one frame that are too thin. */
typedef struct {
    uint32_t parent, depth, n;
    int64_t at, value;
} run;

static void add_run(flame *f, run *r)
{
    char percent[32];
    if (r->n && pixels(f, r->value) >= THIN) {
        osp_buf_fmt(f->out, "<g><title>%u more\n%s of all</title>", r->n,
                    osp_percent(r->value, f->total, percent, sizeof percent));
        add_rect(f, r->at, r->value, r->depth);
        osp_buf_add(f->out, S("m\"/></g>\n"));
    }
    r->n = 0;
}

/* Of each frame that is wide enough itself, or in a run that is. The depth of the deepest. */
static uint32_t add_frames(flame *f, run *at_depth)
{
    uint32_t deepest = 0, thin = UINT32_MAX; /* depth of a thin frame: what stands on it is thin, too */
    for (uint32_t i = 0; i < f->kept; i++) {
        const node *n = &f->node[f->order[i]];
        run *r = &at_depth[n->depth];
        if (n->depth > thin)
            continue;
        const bool wide = pixels(f, n->value) >= THIN;
        thin = wide ? UINT32_MAX : n->depth;
        if (wide || r->parent != n->parent)
            add_run(f, r);
        if (wide)
            add_frame(f, f->order[i]);
        else if (r->n == 0)
            *r = (run){n->parent, n->depth, 1, n->at, n->value};
        else {
            r->n++;
            osp_add(&r->value, n->value);
        }
        deepest = n->depth > deepest ? n->depth : deepest;
    }
    for (uint32_t d = 0; f->kept && d <= deepest; d++)
        add_run(f, &at_depth[d]);
    return deepest;
}

static void add_change_legend(const flame *f, int y)
{
    int x = MARGIN;
    for (int i = -STEPS; i <= STEPS; i++, x += 14)
        osp_buf_fmt(f->out, "<rect x=\"%d\" y=\"%d\" width=\"14\" height=\"10\" style=\"fill:var(--f%d)\"/>\n", x,
                    y - 9, SAME + i);
    osp_buf_fmt(
        f->out,
        "<text class=\"s\" x=\"%d\" y=\"%d\">blue: a smaller share of all than before; red: a greater one; the "
        "greatest change: %.2f points</text>\n",
        x + 6, y, 100 * f->most);
}

/* Whose code the time was in: each origin with its share of own weight. */
static void add_legend(const flame *f, int y)
{
    int64_t own[OSP_FLAME_ORIGINS] = {0};
    char percent[32];
    int x = MARGIN;
    for (uint32_t i = 0; i < f->keys.n; i++)
        osp_add(&own[f->node[i].origin], f->node[i].own);
    for (unsigned o = 0; o < OSP_FLAME_ORIGINS; o++) {
        if (own[o] == 0)
            continue;
        osp_buf_fmt(f->out,
                    "<rect x=\"%d\" y=\"%d\" width=\"10\" height=\"10\" rx=\"2\" style=\"fill:var(--f%u)\"/><text "
                    "class=\"s\" x=\"%d\" y=\"%d\">%s %s</text>\n",
                    x, y - 9, o, x + 15, y, origin_names[o], osp_percent(own[o], f->total, percent, sizeof percent));
        x += 34 + (int)(6.2 * (double)(strlen(origin_names[o]) + strlen(percent)));
    }
}

static void add_head(flame *f, osp_str title)
{
    osp_buf_fmt(f->out, "<text class=\"h\" x=\"%d\" y=\"28\">", MARGIN);
    add_xml(f->out, title);
    osp_buf_fmt(f->out,
                "</text>\n<foreignObject x=\"%d\" y=\"10\" width=\"260\" height=\"28\"><input "
                "xmlns=\"http://www.w3.org/1999/xhtml\" placeholder=\"search: a regular expression   ( / "
                ")\"/></foreignObject>\n",
                WIDTH - MARGIN - 260);
    if (f->compared)
        add_change_legend(f, 50);
    else
        add_legend(f, 50);
}

/* What is told while the pointer is on no frame. */
static void add_detail(flame *f)
{
    char text[OSP_SHOWN_MAX], percent[32], least[32];
    osp_buf_fmt(f->out, "<text id=\"detail\" class=\"d\" x=\"%d\" y=\"71\">", MARGIN);
    add_xml(f->out, osp_str_from(osp_shown_text(f->shown, f->total, text, sizeof text)));
    osp_buf_add(f->out, S(" in all"));
    if (f->left_out)
        osp_buf_fmt(f->out, "; %u frames below %s are left out, %s stands in them", f->left_out,
                    osp_percent(f->floor, f->total, least, sizeof least),
                    osp_percent(f->left_out_value, f->total, percent, sizeof percent));
    osp_buf_add(f->out, S("</text>\n"));
}

bool osp_flame_draw(flame *f, osp_str title, osp_err *err)
{
    tables t;
    uint32_t depth = 0;
    for (uint32_t i = 0; i < f->kept; i++)
        depth = f->node[f->order[i]].depth > depth ? f->node[f->order[i]].depth : depth;
    run *at_depth = calloc((size_t)depth + 1, sizeof *at_depth);
    osp_buf frames = osp_buf_of(f->out->max), *out = f->out;
    bool ok = tables_of(&t, f) && at_depth;
    if (ok) {
        f->out = &frames; /* how high all is turns out with them */
        depth = add_frames(f, at_depth);
        f->out = out;
        const unsigned height = HEAD + (depth + 1) * (ROW + 1) + FOOT;
        osp_buf_fmt(out,
                    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %u\" width=\"%d\" height=\"%u\">\n",
                    WIDTH, height, WIDTH, height);
        osp_buf_fmt(out, "<style>\n%s", osp_flame_css);
        for (unsigned c = 0; c <= SAME + STEPS; c++)
            osp_buf_fmt(out, ".c%u{fill:var(--f%u)}.t%u{fill:var(--t%u)}", c, c, c, c);
        osp_buf_add(out,
                    S("\n</style>\n<pattern id=\"thin\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\" "
                      "patternTransform=\"rotate(45)\"><rect width=\"4\" height=\"4\" style=\"fill:var(--more)\"/>"
                      "<rect width=\"1.4\" height=\"4\" style=\"fill:var(--line)\"/></pattern>\n"));
        add_head(f, title);
        osp_buf_add(out, S("<g id=\"frames\">\n"));
        osp_buf_add(out, osp_buf_str(&frames));
        osp_buf_add(out, S("</g>\n"));
        add_detail(f);
        osp_buf_add(out, S("<script><![CDATA[\n"));
        add_data(&t, out);
        osp_buf_add(out, osp_str_from(osp_flame_js));
        osp_buf_add(out, S("]]></script>\n</svg>\n"));
        ok = !frames.failed && !out->failed;
    }
    osp_buf_drop(&frames);
    free(at_depth);
    tables_drop(&t);
    return ok || osp_fail_memory(err, "drawing a flame graph");
}
