/* SPDX-License-Identifier: Apache-2.0 */
/* flame: a flame graph as one SVG file that needs nothing else. Root at the top, width = share, hue = whose code it is. It reads
 * without a script (titles); with one, a click zooms, the field searches, the line above it tells what is under the
 * pointer. Frames below 0.1 % are left out, and the head says how many and how much of the whole stands in them. */
#include "base/hash.h"
#include "report/head.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    WIDTH = 1200,
    MARGIN = 12,
    ROW = 18,
    HEAD = 82,
    FOOT = 12,
    DEEPEST = 400,
    LEAST = 1000 /* parts of the whole */
};

enum { GO, GO_STD, GO_RUNTIME, CGO, C_CODE, VDSO, KERNEL, NO_NAME, ORIGINS };

typedef struct {
    uint32_t parent, what; /* what: function, or behind those the mapping of code without a name */
    uint32_t depth, origin;
    int64_t value, own, at; /* at: where it begins, in units of the value */
    bool drawn;
} node;

typedef struct {
    const osp_view *v;
    const osp_shown *shown;
    osp_buf *out;
    osp_intern keys; /* {parent, what}, in the arena */
    osp_arena arena;
    node *node;
    size_t cap;
    uint32_t depth, left_out;
    int64_t total, left_out_value;
} flame;

/* ---- the tree ------------------------------------------------------------------------------------------------- */

static osp_str name_of(const flame *f, uint32_t what)
{
    const osp_profile *p = f->v->of;
    if (what < p->functions.n)
        return f->v->name[what];
    osp_str file = osp_str_base(osp_text(p, p->mappings.row[what - p->functions.n].file));
    return file.n ? file : S("no name");
}

static bool is_go_std(osp_str name)
{
    osp_str rest = name, first = osp_str_cut(&rest, '/');
    if (first.n == name.n)
        first = osp_str_cut(&first, '.');
    return !osp_str_eq(first, S("main")) && !memchr(first.p, '.', first.n);
}

static uint32_t origin_of(const flame *f, uint32_t what, osp_mapping_id mapping)
{
    const osp_profile *p = f->v->of;
    osp_str object = osp_text(p, p->mappings.row[mapping.i].file), name = name_of(f, what);
    if (osp_str_starts(object, S("[kernel")))
        return KERNEL;
    if (osp_str_starts(object, S("[vdso")))
        return VDSO;
    if (what >= p->functions.n)
        return NO_NAME;
    if (osp_str_find(name, S("cgo")) < name.n || osp_str_starts(name, S("crosscall")))
        return CGO;
    if (osp_str_starts(name, S("runtime.")) || osp_str_starts(name, S("runtime/")) ||
        osp_str_starts(name, S("internal/runtime/")))
        return GO_RUNTIME;
    osp_str file = osp_text(p, p->functions.row[what].file);
    if (!osp_str_ends(file, S(".go")) && !osp_str_ends(file, S(".s")))
        return C_CODE;
    return is_go_std(name) ? GO_STD : GO;
}

/* The child of a node; UINT32_MAX without memory. */
static uint32_t child(flame *f, uint32_t parent, uint32_t what, osp_mapping_id mapping)
{
    uint32_t key[2] = {parent, what};
    bool fresh;
    void *all = f->node;
    uint32_t id = osp_intern_put(&f->keys, (osp_str){(char *)key, sizeof key}, &fresh);
    if (id == UINT32_MAX || !fresh)
        return id;
    f->keys.text[id] = osp_arena_str(&f->arena, (osp_str){(char *)key, sizeof key});
    if (!f->keys.text[id].p || !osp_grow(&all, &f->cap, (size_t)id + 1, sizeof *f->node))
        return UINT32_MAX;
    f->node = all;
    uint32_t depth = id ? f->node[parent].depth + 1 : 0;
    f->node[id] =
        (node){.parent = parent, .what = what, .depth = depth, .origin = id ? origin_of(f, what, mapping) : NO_NAME};
    return id;
}

static bool grow_tree(flame *f, osp_err *err)
{
    const osp_view *v = f->v;
    const osp_profile *p = v->of;
    if (child(f, UINT32_MAX, UINT32_MAX, (osp_mapping_id){0}) != 0)
        return osp_fail_memory(err, "drawing a flame graph");
    for (uint32_t s = 0; s < v->nstack; s++) {
        int64_t value = v->divisor ? osp_mean(v->weight[s], v->divisor[s]) : v->weight[s];
        uint32_t at = 0;
        if (value <= 0) /* what was given back has no width */
            continue;
        osp_add(&f->node[0].value, value);
        for (uint32_t i = v->first[s + 1]; i-- > v->first[s] && f->node[at].depth < DEEPEST;) {
            uint32_t loc = v->loc[i].i, first = v->first_line[loc], end = v->first_line[loc + 1];
            osp_mapping_id m = p->locations.mapping[loc];
            for (uint32_t l = end, n = end > first ? end - first : 1; n > 0 && f->node[at].depth < DEEPEST; n--) {
                uint32_t what = end > first ? v->line[--l].fn.i : p->functions.n + m.i;
                at = child(f, at, what, m);
                if (at == UINT32_MAX)
                    return osp_fail_memory(err, "drawing a flame graph");
                osp_add(&f->node[at].value, value);
            }
        }
        osp_add(&f->node[at].own, value);
    }
    f->total = f->node[0].value;
    return true;
}

typedef struct {
    osp_str name;
    uint32_t id, depth, parent;
} placed;

static int by_place(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    if (x->depth != y->depth)
        return x->depth < y->depth ? -1 : 1;
    if (x->parent != y->parent)
        return x->parent < y->parent ? -1 : 1;
    int c = osp_str_cmp(x->name, y->name);
    return c ? c : (x->id > y->id) - (x->id < y->id);
}

/* Give every node its place, level by level, children by name; leave out what is too small to be seen. */
static bool place(flame *f, osp_err *err)
{
    placed *row = calloc((size_t)f->keys.n, sizeof *row);
    int64_t *next = calloc((size_t)f->keys.n, sizeof *next);
    bool ok = row && next;
    for (uint32_t i = 1; ok && i < f->keys.n; i++)
        row[i - 1] = (placed){name_of(f, f->node[i].what), i, f->node[i].depth, f->node[i].parent};
    if (ok)
        qsort(row, f->keys.n - 1, sizeof *row, by_place);
    if (ok)
        f->node[0].drawn = true;
    for (uint32_t i = 0; ok && i + 1 < f->keys.n; i++) {
        node *n = &f->node[row[i].id], *parent = &f->node[n->parent];
        n->at = parent->at + next[n->parent];
        next[n->parent] += n->value;
        n->drawn = parent->drawn && n->value >= f->total / LEAST;
        if (n->drawn && n->depth > f->depth)
            f->depth = n->depth;
        if (!n->drawn) {
            f->left_out++;
            if (parent->drawn)
                osp_add(&f->left_out_value, n->value);
        }
    }
    free(row);
    free(next);
    return ok || osp_fail_memory(err, "drawing a flame graph");
}

/* ---- the picture ---------------------------------------------------------------------------------------------- */

static const char *const origin_names[ORIGINS] = {"Go", "Go std", "Go runtime", "cgo",
                                                  "C",  "vDSO",   "kernel",     "no name"};

static const char style[] =
    "<style>\n"
    "svg{--bg:#f6f7f9;--ink:#14171d;--ink2:#535b69;--line:#cfd4dc;--f0:#3a8eeb;--t0:#0b1220;--f1:#87bff8;--t1:#"
    "10233c;--f2:#dee2e7;"
    "--t2:#414a58;--f3:#f5d32c;--t3:#2e2600;--f4:#ea8513;--t4:#1d0f00;--f5:#f1a0b2;--t5:#3c0d1a;--f6:#6a4283;--t6:#"
    "fff;"
    "--f7:#8e8e8e;--t7:#111;background:var(--bg);font:11.5px Inter,'Segoe UI','Noto Sans','Liberation "
    "Sans','Helvetica Neue',Arial,sans-serif;"
    "font-variant-numeric:tabular-nums}\n"
    "@media "
    "(prefers-color-scheme:dark){svg{--bg:#0e1014;--ink:#e9ecf1;--ink2:#9ea7b5;--line:#343a45;--f0:#5496ff;--t0:#"
    "06101f;"
    "--f1:#386aa7;--t1:#fff;--f2:#313842;--t2:#b9c1cd;--f3:#e6d269;--t3:#1f1a00;--f4:#f38223;--t4:#1d0f00;--f5:#"
    "d89dbb;"
    "--t5:#2c0e1d;--f6:#652d89;--t6:#fff;--f7:#838078;--t7:#0b0b0b}}\n"
    ".h{font-size:17px;font-weight:600;fill:var(--ink)}.s{fill:var(--ink2)}.d{fill:var(--ink);font-size:13px}text{"
    "pointer-events:none}\n"
    "g.f{cursor:pointer}g.f:hover rect{stroke:var(--ink);stroke-width:1}g.dim{opacity:.22}g.up rect{opacity:.55}\n"
    "input{font:13px Arial,sans-serif;width:100%;box-sizing:border-box;height:26px;border:1px solid "
    "var(--line);border-radius:6px;padding:0 8px;"
    "background:var(--bg);color:var(--ink)}input::placeholder{color:var(--ink2)}\n";

/* A zoom changes data, never the document's own numbers: x, w and the full name stay in attributes. */
static const char script[] =
    "<script><![CDATA[\n(function(){'use strict';\n"
    "var "
    "svg=document.documentElement.tagName==='svg'?document.documentElement:document.currentScript.closest('svg');\n"
    "var "
    "W=1176,M=12,fs=[].slice.call(svg.querySelectorAll('g.f')),d=svg.querySelector('#detail'),rest=d.textContent,q="
    "svg.querySelector('input');\n"
    "fs.forEach(function(g){g.x=+g.dataset.x;g.w=+g.dataset.w;g.y=+g.dataset.y;g.t=g.querySelector('title')."
    "textContent;g.n=g.t.split('\\n')[0];\n"
    "g.r=g.querySelector('rect');g.l=g.querySelector('text')});\n"
    "function fit(n,px){var m=Math.floor((px-8)/6.1);if(m<2)return'';if(n.length<=m)return n;var "
    "a=n.split('/').pop();if(a.length<=m)return a;\n"
    "a=a.replace(/^[^.(]*\\./,'');return a.length<=m?a:m<4?'':'\\u2026'+a.slice(1-m)}\n"
    "function zoom(z){fs.forEach(function(g){var "
    "up=z&&g.y<z.y&&g.x<=z.x+1e-9&&g.x+g.w>=z.x+z.w-1e-9,x=z?(g.x-z.x)/z.w:g.x,w=z?g.w/z.w:g.w;\n"
    "var "
    "on=!z||up||(g.y>=z.y&&g.x>=z.x-1e-9&&g.x+g.w<=z.x+z.w+1e-9);g.style.display=on?'':'none';if(!on)return;if(up){x="
    "0;w=1}\n"
    "g.classList.toggle('up',!!up);g.r.setAttribute('x',M+x*W);g.r.setAttribute('width',Math.max(w*W-1,.4));g.l."
    "setAttribute('x',M+x*W+4);\n"
    "g.l.textContent=fit(g.n,w*W)})}\n"
    "function find(){var s=q.value,re=null,sum=0,seen=[];try{re=s?new RegExp(s,'i'):null}catch(e){d.textContent='not "
    "a regular expression: '+s;return}\n"
    "fs.forEach(function(g){var hit=re&&re.test(g.n);g.classList.toggle('dim',!!re&&!hit);if(hit)seen.push(g)});\n"
    "seen.sort(function(a,b){return a.x-b.x||b.w-a.w});var "
    "end=-1;seen.forEach(function(g){if(g.x>=end-1e-9){sum+=g.w;end=g.x+g.w}});\n"
    "d.textContent=re?(seen.length?(100*sum).toFixed(2)+' % stands in what matches '+s:'no frame matches '+s):rest}\n"
    "svg.addEventListener('click',function(e){var "
    "g=e.target.closest&&e.target.closest('g.f');if(g)zoom(g.y?g:null)});\n"
    "svg.addEventListener('mouseover',function(e){var "
    "g=e.target.closest&&e.target.closest('g.f');if(g)d.textContent=g.t.replace(/\\n/g,'   ')});\n"
    "svg.addEventListener('mouseout',function(){q&&q.value?find():d.textContent=rest});\n"
    "if(q){q.addEventListener('input',find)}\n"
    "svg.addEventListener('keydown',function(e){if(e.key==='Escape'){if(q&&q.value){q.value='';find()}else "
    "zoom(null)}});\n"
    "document.addEventListener('keydown',function(e){if(e.key==='/"
    "'&&q&&document.activeElement!==q){e.preventDefault();q.focus()}"
    "if(e.key==='Escape'&&document.activeElement!==q)zoom(null)});\n"
    "})();\n]]></script>\n";

static void add_xml(osp_buf *out, osp_str s)
{
    for (size_t i = 0; i < s.n;) {
        size_t n = osp_str_utf8(osp_str_skip(s, i));
        unsigned char c = (unsigned char)s.p[i];
        if (n == 0 || c < ' ')
            osp_buf_byte(out, '?');
        else if (c == '&' || c == '<' || c == '>' || c == '"')
            osp_buf_fmt(out, "&#%d;", c);
        else
            osp_buf_add(out, (osp_str){s.p + i, n});
        i += n ? n : 1;
    }
}

/* As much of a name as fits, by steps: without its path, without its package, its tail. */
static void add_fitting(osp_buf *out, osp_str name, double px)
{
    const size_t most = px < 20 ? 0 : (size_t)((px - 8) / 6.1);
    if (name.n > most)
        name = osp_str_base(name);
    osp_str rest = name;
    if (name.n > most && osp_str_cut(&rest, '.').n < name.n && !memchr(name.p, '(', name.n - rest.n))
        name = rest;
    if (name.n <= most) {
        add_xml(out, name);
    } else if (most >= 4) {
        name = osp_str_skip(name, name.n - most + 1);
        while (name.n && ((uint8_t)name.p[0] & 0xc0) == 0x80)
            name = osp_str_skip(name, 1);
        osp_buf_add(out, S("\xe2\x80\xa6"));
        add_xml(out, name);
    }
}

static void add_frame(flame *f, uint32_t id)
{
    const node *n = &f->node[id];
    char text[OSP_SHOWN_MAX], percent[32];
    osp_str name = id ? name_of(f, n->what) : S("all");
    double x = (double)n->at / (double)f->total, w = (double)n->value / (double)f->total,
           px = w * (WIDTH - 2 * MARGIN);
    int y = HEAD + (int)n->depth * (ROW + 1);
    osp_buf_fmt(f->out, "<g class=\"f\" data-x=\"%.7g\" data-w=\"%.7g\" data-y=\"%u\"><title>", x, w, n->depth);
    add_xml(f->out, name);
    osp_buf_fmt(f->out, "\n%s, %s of all", osp_shown_text(f->shown, n->value, text, sizeof text),
                osp_percent(n->value, f->total, percent, sizeof percent));
    if (n->own)
        osp_buf_fmt(f->out, "; own %s", osp_shown_text(f->shown, n->own, text, sizeof text));
    osp_buf_fmt(
        f->out,
        "</title><rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" rx=\"%s\" style=\"fill:var(--f%u)\"/>",
        MARGIN + x * (WIDTH - 2 * MARGIN), y, px > 1.4 ? px - 1 : 0.4, ROW, px > 5 ? "2.5" : "0", n->origin);
    osp_buf_fmt(f->out, "<text x=\"%.2f\" y=\"%d\" style=\"fill:var(--t%u)\">", MARGIN + x * (WIDTH - 2 * MARGIN) + 4,
                y + 13, n->origin);
    add_fitting(f->out, name, px);
    osp_buf_add(f->out, S("</text></g>\n"));
}

/* Whose code the time was in: each origin with its share of own weight. */
static void add_legend(const flame *f, int y)
{
    int64_t own[ORIGINS] = {0};
    char percent[32];
    int x = MARGIN;
    for (uint32_t i = 0; i < f->keys.n; i++)
        osp_add(&own[f->node[i].origin], f->node[i].own);
    for (unsigned o = 0; o < ORIGINS; o++) {
        if (own[o] == 0)
            continue;
        osp_buf_fmt(f->out,
                    "<rect x=\"%d\" y=\"%d\" width=\"10\" height=\"10\" rx=\"2\" style=\"fill:var(--f%u)\"/><text "
                    "class=\"s\" x=\"%d\" y=\"%d\">%s %s</text>\n",
                    x, y - 9, o, x + 15, y, origin_names[o], osp_percent(own[o], f->total, percent, sizeof percent));
        x += 34 + (int)(6.2 * (double)(strlen(origin_names[o]) + strlen(percent)));
    }
}

static void draw(flame *f, osp_str title)
{
    char text[OSP_SHOWN_MAX], percent[32];
    int height = HEAD + (int)(f->depth + 1) * (ROW + 1) + FOOT;
    osp_buf_fmt(f->out,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n",
                WIDTH, height, WIDTH, height);
    osp_buf_add(f->out, osp_str_from(style));
    osp_buf_fmt(f->out, "</style>\n<text class=\"h\" x=\"%d\" y=\"28\">", MARGIN);
    add_xml(f->out, title);
    osp_buf_fmt(f->out,
                "</text>\n<foreignObject x=\"%d\" y=\"10\" width=\"260\" height=\"28\"><input "
                "xmlns=\"http://www.w3.org/1999/xhtml\" placeholder=\"search: a regular expression   ( / "
                ")\"/></foreignObject>\n",
                WIDTH - MARGIN - 260);
    add_legend(f, 50);
    for (uint32_t i = 0; f->total > 0 && i < f->keys.n; i++)
        if (f->node[i].drawn)
            add_frame(f, i);
    osp_buf_fmt(f->out, "<text id=\"detail\" class=\"d\" x=\"%d\" y=\"71\">%s in all", MARGIN,
                osp_shown_text(f->shown, f->total, text, sizeof text));
    if (f->left_out)
        osp_buf_fmt(f->out, "; %u frames below 0.1 %% are left out, %s stands in them", f->left_out,
                    osp_percent(f->left_out_value, f->total, percent, sizeof percent));
    osp_buf_add(f->out, S("</text>\n"));
    osp_buf_add(f->out, osp_str_from(script));
    osp_buf_add(f->out, S("</svg>\n"));
}

static bool write_flame(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err)
{
    osp_view view;
    if (!osp_view_make(p, &o->query, &view, err))
        return false;
    out->unmatched = view.unmatched;
    osp_shown shown = osp_shown_of(p, o);
    if (osp_str_eq(shown.to, S("minimum")))
        shown.to = S("auto");
    flame f = {.v = &view, .shown = &shown, .out = &out->text};
    osp_arena_init(&f.arena, SIZE_MAX / 2);
    bool ok = grow_tree(&f, err) && place(&f, err);
    if (ok) {
        osp_str type = p->values.n ? osp_text(p, p->values.type[o->query.value].type) : S("samples");
        osp_str file = p->mappings.n > 1 ? osp_str_base(osp_text(p, p->mappings.row[1].file)) : S("");
        osp_str title = o->argument.n
                            ? o->argument
                            : osp_arena_fmt(&f.arena, "%.*s%s%.*s", STRF(file), file.n ? ": " : "", STRF(type));
        draw(&f, title);
        ok = !out->text.failed || osp_fail_memory(err, "drawing a flame graph");
    }
    osp_intern_drop(&f.keys);
    osp_arena_drop(&f.arena);
    free(f.node);
    osp_view_drop(&view);
    return ok;
}

const osp_report osp_report_flame = {
    .name = "flame",
    .summary = "a flame graph as an SVG picture for a browser",
    .ending = "svg",
    .untrimmed = true,
    .write = write_flame,
};
