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
enum { STEPS = 4, SAME = ORIGINS + STEPS, SHADES = 4 }; /* colours of a change: SAME - STEPS … SAME + STEPS */

typedef struct {
    uint32_t parent, name;
    uint32_t depth, origin;
    int64_t value, own, at; /* at: where it begins, in units of the value */
    int64_t base;           /* its value in the base */
    bool drawn;
} node;

typedef struct {
    const osp_view *v;
    const osp_shown *shown;
    osp_buf *out;
    osp_intern keys;  /* {parent, name}, in the arena */
    osp_intern names; /* of functions, and of mappings where code has no name; in the arena */
    osp_arena arena;
    bool reverse, compared;
    node *node;
    size_t cap;
    uint32_t depth, left_out;
    int64_t total, left_out_value, base_total;
    double most; /* the greatest change of a share */
} flame;

/* ---- the tree ------------------------------------------------------------------------------------------------- */

static osp_str name_of(const flame *f, uint32_t name) { return f->names.text[name]; }

/* What a frame is: a function, or behind those the mapping of code without a name. */
static osp_str frame_name(const osp_view *v, uint32_t what)
{
    const osp_profile *p = v->of;
    if (what < p->functions.n)
        return v->name[what];
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
    osp_str object = osp_text(p, p->mappings.row[mapping.i].file), name = frame_name(f->v, what);
    if (osp_str_starts(object, S("[kernel")))
        return KERNEL;
    if (osp_str_starts(object, S("[vdso")))
        return VDSO;
    if (what >= p->functions.n)
        return NO_NAME;
    if (osp_str_has(name, S("cgo")) || osp_str_starts(name, S("crosscall")))
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
static uint32_t child(flame *f, uint32_t parent, uint32_t name, uint32_t what, osp_mapping_id mapping)
{
    uint32_t key[2] = {parent, name};
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
        (node){.parent = parent, .name = name, .depth = depth, .origin = id ? origin_of(f, what, mapping) : NO_NAME};
    return id;
}

/* The names of a view's frames, functions first; malloc'ed; NULL without memory. */
static uint32_t *names_of(flame *f, const osp_view *v)
{
    const uint32_t n = v->of->functions.n + v->of->mappings.n;
    uint32_t *name = malloc(((size_t)n + 1) * sizeof *name);
    for (uint32_t i = 0; name && i < n; i++) {
        bool fresh;
        osp_str text = frame_name(v, i);
        name[i] = osp_intern_put(&f->names, text, &fresh);
        bool ok = name[i] != UINT32_MAX;
        if (ok && fresh) {
            f->names.text[name[i]] = osp_arena_str(&f->arena, text);
            ok = f->names.text[name[i]].p != NULL;
        }
        if (!ok) {
            free(name);
            return NULL;
        }
    }
    return name;
}

/* Walks a stack's frames from the root of the picture on. */
typedef struct {
    const osp_view *v;
    bool reverse;
    osp_stack left;
    uint32_t line;
} walk;

static walk walk_of(const flame *f, const osp_view *v, uint32_t stack)
{
    return (walk){.v = v, .reverse = f->reverse, .left = osp_view_stack(v, stack)};
}

static bool walk_on(walk *w, uint32_t *what, osp_mapping_id *mapping)
{
    if (w->left.n == 0)
        return false;
    const osp_profile *p = w->v->of;
    uint32_t loc = w->left.loc[w->reverse ? 0 : w->left.n - 1].i, first = w->v->first_line[loc],
             n = w->v->first_line[loc + 1] - first;
    *mapping = p->locations.mapping[loc];
    *what = n ? w->v->line[first + (w->reverse ? w->line : n - 1 - w->line)].fn.i : p->functions.n + mapping->i;
    if (++w->line >= n) {
        w->line = 0;
        w->left.loc += w->reverse;
        w->left.n--;
    }
    return true;
}

static int64_t value_of(const osp_view *v, uint32_t stack)
{
    return v->divisor ? osp_mean(v->weight[stack], v->divisor[stack]) : v->weight[stack];
}

static bool grow_stack(flame *f, uint32_t stack, int64_t value, const uint32_t *name)
{
    walk w = walk_of(f, f->v, stack);
    osp_mapping_id mapping;
    uint32_t at = 0, what;
    osp_add(&f->node[0].value, value);
    while (f->node[at].depth < DEEPEST && walk_on(&w, &what, &mapping)) {
        at = child(f, at, name[what], what, mapping);
        if (at == UINT32_MAX)
            return false;
        osp_add(&f->node[at].value, value);
    }
    osp_add(&f->node[at].own, value);
    return true;
}

static bool grow_tree(flame *f, osp_err *err)
{
    uint32_t *name = names_of(f, f->v);
    bool ok = name && child(f, UINT32_MAX, UINT32_MAX, 0, (osp_mapping_id){0}) == 0;
    for (uint32_t s = 0; ok && s < f->v->nstack; s++) {
        int64_t value = value_of(f->v, s);
        ok = value <= 0 || grow_stack(f, s, value, name); /* what was given back has no width */
    }
    free(name);
    f->total = ok ? f->node[0].value : 0;
    return ok || osp_fail_memory(err, "drawing a flame graph");
}

/* ---- the base ------------------------------------------------------------------------------------------------- */

static void add_base(flame *f, const osp_view *v, uint32_t stack, int64_t value, const uint32_t *name)
{
    walk w = walk_of(f, v, stack);
    osp_mapping_id mapping;
    uint32_t at = 0, what;
    for (osp_add(&f->node[0].base, value); f->node[at].depth < DEEPEST && walk_on(&w, &what, &mapping);) {
        uint32_t key[2] = {at, name[what]};
        at = osp_intern_find(&f->keys, (osp_str){(char *)key, sizeof key});
        if (at == UINT32_MAX) /* only in the base: there is nothing to colour */
            return;
        osp_add(&f->node[at].base, value);
    }
}

/* The part of the whole that a node takes, less that of the base. */
static double change_of(const flame *f, const node *n)
{
    double before = f->base_total > 0 ? (double)n->base / (double)f->base_total : 0;
    return (double)n->value / (double)f->total - before;
}

static bool compare_with(flame *f, const osp_profile *base, const osp_query *q, osp_err *err)
{
    osp_view v;
    if (!osp_view_make(base, q, &v, err))
        return false;
    uint32_t *name = names_of(f, &v);
    for (uint32_t s = 0; name && s < v.nstack; s++) {
        int64_t value = value_of(&v, s);
        if (value > 0)
            add_base(f, &v, s, value, name);
    }
    const bool ok = name != NULL;
    free(name);
    osp_view_drop(&v);
    f->compared = true;
    f->base_total = f->node[0].base;
    for (uint32_t i = 1; f->total > 0 && i < f->keys.n; i++) {
        double change = change_of(f, &f->node[i]);
        f->most = f->most > change && f->most > -change ? f->most : change < 0 ? -change : change;
    }
    return ok || osp_fail_memory(err, "drawing a flame graph");
}

/* The number of a frame's colour. */
static unsigned colour_of(const flame *f, const node *n)
{
    if (!f->compared)
        return n->origin;
    double step = f->most > 0 ? STEPS * change_of(f, n) / f->most : 0;
    return (unsigned)(SAME + (int)(step < 0 ? step - 0.5 : step + 0.5));
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
        row[i - 1] = (placed){name_of(f, f->node[i].name), i, f->node[i].depth, f->node[i].parent};
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
    "--f7:#8e8e8e;--t7:#111;--f8:#1f5fae;--t8:#fff;--f9:#4f93d1;--t9:#06101f;--f10:#8fbde6;--t10:#0b1a2c;"
    "--f11:#c9def2;--t11:#10233c;--f12:#e1e4e9;--t12:#2c333e;--f13:#fcd3c3;--t13:#3d160a;--f14:#f9a084;--"
    "t14:#3a0f05;--f15:#ec6a4c;--t15:#260701;--f16:#c8311d;--t16:#fff;"
    "background:var(--bg);font:11.5px Inter,'Segoe UI','Noto Sans','Liberation "
    "Sans','Helvetica Neue',Arial,sans-serif;"
    "font-variant-numeric:tabular-nums}\n"
    "@media "
    "(prefers-color-scheme:dark){svg{--bg:#0e1014;--ink:#e9ecf1;--ink2:#9ea7b5;--line:#343a45;--f0:#5496ff;--t0:#"
    "06101f;"
    "--f1:#386aa7;--t1:#fff;--f2:#313842;--t2:#b9c1cd;--f3:#e6d269;--t3:#1f1a00;--f4:#f38223;--t4:#1d0f00;--f5:#"
    "d89dbb;"
    "--t5:#2c0e1d;--f6:#652d89;--t6:#fff;--f7:#838078;--t7:#0b0b0b;"
    "--f8:#4d94ef;--t8:#06101f;--f9:#3b72bd;--t9:#fff;--f10:#31568a;--t10:#fff;--f11:#2c405c;--t11:#d5e1f"
    "0;--f12:#2d333c;--t12:#b9c1cd;--f13:#573630;--t13:#f3d9d2;--f14:#85402f;--t14:#fff;--f15:#b84e36;--t"
    "15:#fff;--f16:#f0694a;--t16:#260701;"
    "}}\n"
    ".h{font-size:17px;font-weight:600;fill:var(--ink)}.s{fill:var(--ink2)}.d{fill:var(--ink);font-size:13px}text{"
    "pointer-events:none}\n"
    ".s1{fill-opacity:.93}.s2{fill-opacity:.86}.s3{fill-opacity:.79}\n"
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
    "W=1176,M=12,now=null,box=svg.querySelector('foreignObject'),fs=[].slice.call(svg.querySelectorAll('g.f')),d=svg."
    "querySelector('#detail'),rest=d.textContent,q="
    "svg.querySelector('input');\n"
    "fs.forEach(function(g){g.x=+g.dataset.x;g.w=+g.dataset.w;g.y=+g.dataset.y;g.t=g.querySelector('title')."
    "textContent;g.n=g.t.split('\\n')[0];\n"
    "g.r=g.querySelector('rect');g.l=g.querySelector('text')});\n"
    "function fit(n,px){var m=Math.floor((px-8)/6.1);if(m<2)return'';if(n.length<=m)return n;var "
    "a=n.split('/').pop();if(a.length<=m)return a;\n"
    "a=a.replace(/^[^.(]*\\./,'');return a.length<=m?a:m<4?'':'\\u2026'+a.slice(1-m)}\n"
    "function lay(){W=Math.max(svg.getBoundingClientRect().width,360)-2*M;box.setAttribute('x',M+W-260);zoom(now)}\n"
    "function zoom(z){now=z;fs.forEach(function(g){var "
    "up=z&&g.y<z.y&&g.x<=z.x+1e-9&&g.x+g.w>=z.x+z.w-1e-9,x=z?(g.x-z.x)/z.w:g.x,w=z?g.w/z.w:g.w;\n"
    "var "
    "on=!z||up||(g.y>=z.y&&g.x>=z.x-1e-9&&g.x+g.w<=z.x+z.w+1e-9);g.style.display=on?'':'none';if(!on)return;if(up){x="
    "0;w=1}\n"
    "g.classList.toggle('up',!!up);g.r.setAttribute('x',M+x*W);g.r.setAttribute('width',Math.max(w*W-1,.4));var "
    "t=fit(g.n,w*W);\n"
    "if(t&&!g.l){g.l=g.appendChild(document.createElementNS(svg.namespaceURI,'text'));g.l.setAttribute('y',+g.r."
    "getAttribute('y')+13);g.l.style.fill=g.r.style.fill.replace('--f','--t')}\n"
    "if(g.l){g.l.setAttribute('x',M+x*W+4);if(g.l.textContent!==t)g.l.textContent=t}})}\n"
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
    "svg.style.height=svg.getAttribute('height')+'px';svg.removeAttribute('viewBox');svg.setAttribute('width','100%')"
    ";"
    "lay();addEventListener('resize',lay);\n"
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

static void add_frame(flame *f, uint32_t id)
{
    const node *n = &f->node[id];
    char text[OSP_SHOWN_MAX], percent[32];
    osp_str name = id ? name_of(f, n->name) : S("all");
    double x = (double)n->at / (double)f->total, w = (double)n->value / (double)f->total,
           px = w * (WIDTH - 2 * MARGIN);
    int y = HEAD + (int)n->depth * (ROW + 1);
    osp_buf_fmt(f->out, "<g class=\"f\" data-x=\"%.7g\" data-w=\"%.7g\" data-y=\"%u\"><title>", x, w, n->depth);
    add_xml(f->out, name);
    osp_buf_fmt(f->out, "\n%s, %s of all", osp_shown_text(f->shown, n->value, text, sizeof text),
                osp_percent(n->value, f->total, percent, sizeof percent));
    if (n->own)
        osp_buf_fmt(f->out, "; own %s", osp_shown_text(f->shown, n->own, text, sizeof text));
    if (f->compared)
        osp_buf_fmt(f->out, "; %s before, %+.2f points", osp_percent(n->base, f->base_total, percent, sizeof percent),
                    100 * change_of(f, n));
    const unsigned colour = colour_of(f, n);
    osp_buf_fmt(f->out,
                "</title><rect class=\"s%u\" x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" rx=\"%s\" "
                "style=\"fill:var(--f%u)\"/>",
                id && !f->compared ? shade_of(name) : 0, MARGIN + x * (WIDTH - 2 * MARGIN), y,
                px > 1.4 ? px - 1 : 0.4, ROW, px > 5 ? "2.5" : "0", colour);
    if (px >= 20) { /* elsewhere the script makes it, should there be room */
        osp_buf_fmt(f->out, "<text x=\"%.2f\" y=\"%d\" style=\"fill:var(--t%u)\">",
                    MARGIN + x * (WIDTH - 2 * MARGIN) + 4, y + 13, colour);
        add_fitting(f->out, name, px);
        osp_buf_add(f->out, S("</text>"));
    }
    osp_buf_add(f->out, S("</g>\n"));
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
    if (f->compared)
        add_change_legend(f, 50);
    else
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
    if (!osp_answer_view(p, o, false, &view, out, err))
        return false;
    osp_shown shown = osp_shown_of(p, o);
    if (osp_str_eq(shown.to, S("minimum")))
        shown.to = S("auto");
    flame f = {.v = &view, .shown = &shown, .out = &out->text, .reverse = o->reverse};
    osp_arena_init(&f.arena, SIZE_MAX / 2);
    bool ok = grow_tree(&f, err) && (!o->base || compare_with(&f, o->base, &o->base_query, err)) && place(&f, err);
    if (ok) {
        osp_str type = p->values.n ? osp_text(p, p->values.type[o->query.value].type) : S("samples");
        osp_str file = p->mappings.n > 1 ? osp_str_base(osp_text(p, p->mappings.row[1].file)) : S("");
        osp_str title = o->argument.n
                            ? o->argument
                            : osp_arena_fmt(&f.arena, "%.*s%s%.*s", STRF(file), file.n ? ": " : "", STRF(type));
        draw(&f, title);
        ok = !out->text.failed || osp_fail_memory(err, "drawing a flame graph");
    }
    osp_intern_drop(&f.names);
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
