/* SPDX-License-Identifier: Apache-2.0 */
/* weblist: the source of functions that match and their instructions, as one page that needs nothing else. What it shows
 * is what the peer's page shows: which lines, with which values, and under each line, folded, its instructions with the
 * inlined calls that lead to them. How it looks is ours: rows of a grid, instructions in <details>, so that it works
 * without a script, on paper, and in light and dark. */
#include "code/code.h"
#include "report/head.h"
#include "report/listing.h"

#include <stdlib.h>

enum { MERGE = 20, EXPAND = 5 };

/* Lines of one file that are shown as one function. */
typedef struct {
    osp_str name;
    int64_t begin, end; /* end is not of it */
    int64_t flat, cum;
} part;

typedef struct {
    const osp_listing *listing;
    const osp_shown *shown;
    int64_t total;
    osp_code_files *files;
    osp_buf *out;
    part *part; /* of the file at hand */
    size_t npart, cap;
} page;

/* ---- text in a page ----------------------------------------------------------------------------------------- */

/* What would end or change the markup, and what is no character, in the form that a page may hold. */
static void put(osp_buf *out, osp_str s)
{
    while (s.n) {
        size_t n = osp_str_utf8(s);
        unsigned char c = (unsigned char)s.p[0];
        if (c == '<')
            osp_buf_add(out, S("&lt;"));
        else if (c == '>')
            osp_buf_add(out, S("&gt;"));
        else if (c == '&')
            osp_buf_add(out, S("&amp;"));
        else if (c == '"')
            osp_buf_add(out, S("&#34;"));
        else if (c == '\'')
            osp_buf_add(out, S("&#39;"));
        else if (n == 0 || (c < 32 && c != '\t') || c == 127)
            osp_buf_add(out, S("\xef\xbf\xbd"));
        else
            osp_buf_add(out, osp_str_head(s, n));
        s = osp_str_skip(s, n ? n : 1);
    }
}

static void put_value(page *pg, const char *class, int64_t v)
{
    char text[OSP_SHOWN_MAX];
    osp_buf_fmt(pg->out, "<b class=%s>", class);
    put(pg->out, osp_str_from(osp_shown_or_dot(pg->shown, v, text, sizeof text)));
    osp_buf_add(pg->out, S("</b>"));
}

/* How deep a line is indented, in columns. */
static size_t indentation(osp_str line)
{
    size_t column = 0;
    for (size_t i = 0; i < line.n && (line.p[i] == ' ' || line.p[i] == '\t'); i++)
        column = line.p[i] == '\t' ? (column / 8 + 1) * 8 : column + 1;
    return column;
}

/* ---- what of a file is shown -------------------------------------------------------------------------------- */

/* Two lines of one function that are near each other are shown as one piece. */
static bool add_line(page *pg, const osp_code_use *use, size_t n)
{
    const osp_listing *l = pg->listing;
    part p = {osp_listing_name(l, use->function), use->line, use->line + 1, 0, 0};
    for (size_t i = 0; i < n; i++) {
        osp_add(&p.flat, l->row[use[i].row].flat);
        osp_add(&p.cum, l->row[use[i].row].cum);
    }
    part *last = pg->npart ? &pg->part[pg->npart - 1] : NULL;
    if (last && p.begin - last->end < MERGE && osp_str_eq(last->name, p.name)) {
        last->end = p.end;
        osp_add(&last->flat, p.flat);
        osp_add(&last->cum, p.cum);
        return true;
    }
    void *parts = pg->part;
    if (!osp_grow(&parts, &pg->cap, pg->npart + 1, sizeof *pg->part))
        return false;
    pg->part = parts;
    pg->part[pg->npart++] = p;
    return true;
}

/* Show some lines around each piece, but no line twice; line 0 stands for those unknown. */
static void widen(page *pg)
{
    for (size_t i = 0; i < pg->npart; i++) {
        part *p = &pg->part[i];
        if (i == 0) {
            p->begin = p->begin > EXPAND ? p->begin - EXPAND : p->begin > 1 ? 1 : p->begin;
            continue;
        }
        int64_t half = (p->begin - p[-1].end) / 2;
        half = half < EXPAND ? half : EXPAND;
        p[-1].end += half;
        p->begin -= half;
    }
    if (pg->npart)
        pg->part[pg->npart - 1].end += EXPAND;
}

/* ---- rows --------------------------------------------------------------------------------------------------- */

static void put_call(page *pg, const osp_call *c, size_t indent)
{
    osp_str text = S("");
    if (!osp_code_line(pg->files, c->file, c->line, &text))
        text = S("");
    osp_buf_add(pg->out, S("<div class=\"r call\"><b></b><b></b><i></i><span>"));
    osp_buf_fill(pg->out, ' ', indent);
    put(pg->out, osp_str_trim(text));
    osp_buf_add(pg->out, S("</span><em>"));
    put(pg->out, osp_path_base(c->file));
    osp_buf_fmt(pg->out, ":%lld</em></div>\n", (long long)c->line);
}

static bool same_call(const osp_call *a, const osp_call *b)
{
    return a->line == b->line && osp_str_eq(a->file, b->file);
}

static void put_instruction(page *pg, const osp_code_row *row, size_t indent)
{
    put_value(pg, "f", row->flat);
    put_value(pg, "c", row->cum);
    osp_buf_fmt(pg->out, "<i>%llx</i><span>", (unsigned long long)row->file_addr);
    osp_buf_fill(pg->out, ' ', indent);
    put(pg->out, row->text);
    osp_buf_add(pg->out, S("</span><em>"));
    if (row->file.n) {
        put(pg->out, osp_path_base(row->file));
        osp_buf_fmt(pg->out, ":%lld", (long long)row->line);
    }
    osp_buf_add(pg->out, S("</em>"));
}

/* The instructions of a line: where code in between is left out, and which calls lead to them. */
static void put_instructions(page *pg, const osp_code_use *use, size_t n, size_t indent)
{
    const osp_listing *l = pg->listing;
    uint64_t next = 0;
    const osp_call *before = NULL; /* the calls of the instruction before */
    size_t nbefore = 0;
    for (size_t i = 0; i < n; i++) {
        const osp_code_row *row = &l->row[use[i].row];
        const osp_call *call = use[i].ncall ? &l->call[use[i].first_call] : NULL;
        if (i && row->addr != next)
            osp_buf_add(pg->out, S("<div class=gap>\xe2\x8b\xae</div>\n"));
        next = row->addr + row->size;
        for (uint32_t k = 0; k < use[i].ncall; k++) {
            if (k < nbefore && same_call(&before[k], &call[k]))
                continue;
            nbefore = 0;
            put_call(pg, &call[k], indent + 4 + 4 * (size_t)k);
        }
        before = call;
        nbefore = use[i].ncall;
        if (!row->text.n)
            continue;
        osp_buf_add(pg->out, S("<div class=\"r asm\">"));
        put_instruction(pg, row, indent + 4 + 4 * (size_t)use[i].ncall);
        osp_buf_add(pg->out, S("</div>\n"));
    }
}

/* A bar behind the number, by the line's part of the function. */
static void put_heat(page *pg, int64_t cum, int64_t of)
{
    enum { WIDTH = 80 }; /* of a column, px */
    double share = of ? (double)cum / (double)of : 0;
    if (share > 0.001)
        osp_buf_fmt(pg->out, " style=\"--w:%.1fpx\"", share < 1 ? share * WIDTH : WIDTH);
}

static void put_source_line(page *pg, int64_t line, int64_t flat, int64_t cum, osp_str text)
{
    put_value(pg, "f", flat);
    put_value(pg, "c", cum);
    osp_buf_fmt(pg->out, "<i>%lld</i><span>", (long long)line);
    put(pg->out, text);
    osp_buf_add(pg->out, S("</span>"));
}

static void put_line(page *pg, const part *p, int64_t line, const osp_code_use *use, size_t n, osp_str text)
{
    const osp_listing *l = pg->listing;
    int64_t flat = 0, cum = 0;
    bool has_code = false;
    for (size_t i = 0; i < n; i++) {
        osp_add(&flat, l->row[use[i].row].flat);
        osp_add(&cum, l->row[use[i].row].cum);
        has_code = has_code || use[i].ncall || l->row[use[i].row].text.n;
    }
    osp_buf_add(pg->out, has_code ? S("<details><summary class=\"r live\"")
                         : n      ? S("<div class=\"r dead\"")
                                  : S("<div class=\"r nop\""));
    put_heat(pg, cum, p->cum);
    osp_buf_byte(pg->out, '>');
    put_source_line(pg, line, flat, cum, text);
    if (!has_code) {
        osp_buf_add(pg->out, S("</div>\n"));
        return;
    }
    osp_buf_add(pg->out, S("</summary>\n"));
    put_instructions(pg, use, n, indentation(text));
    osp_buf_add(pg->out, S("</details>\n"));
}

static void put_lines(page *pg, const part *p, const osp_code_use *use, size_t n)
{
    osp_str file = use->file, text;
    size_t at = 0;
    while (at < n && use[at].line < p->begin)
        at++;
    for (int64_t line = p->begin; line < p->end; line++) {
        size_t next = at;
        while (next < n && use[next].line == line)
            next++;
        bool known = osp_code_line(pg->files, file, line, &text);
        if (!known && next == at)
            continue;
        if (!known)
            text = line == 0 ? S("<instructions with unknown line numbers>") : S("???");
        put_line(pg, p, line, use + at, next - at, text);
        at = next;
    }
}

/* ---- the page ----------------------------------------------------------------------------------------------- */

static void put_part(page *pg, const part *p, const osp_code_use *use, size_t n)
{
    char flat[OSP_SHOWN_MAX], cum[OSP_SHOWN_MAX], percent[32];
    osp_buf_add(pg->out, S("<section>\n<h2>"));
    put(pg->out, p->name);
    osp_buf_add(pg->out, S("</h2>\n<p class=file>"));
    put(pg->out, use->file);
    osp_buf_add(pg->out, S("</p>\n<p class=sum>"));
    put(pg->out, osp_str_from(osp_shown_text(pg->shown, p->flat, flat, sizeof flat)));
    osp_buf_add(pg->out, S(" flat, "));
    put(pg->out, osp_str_from(osp_shown_text(pg->shown, p->cum, cum, sizeof cum)));
    osp_str part_text = osp_str_trim(osp_str_from(osp_percent(p->cum, pg->total, percent, sizeof percent)));
    osp_buf_fmt(pg->out, " cum (%.*s)</p>\n", STRF(part_text));
    osp_buf_add(pg->out,
                S("<div class=code>\n<div class=\"r head\"><b>flat</b><b>cum</b><i>line</i><span></span></div>\n"));
    put_lines(pg, p, use, n);
    osp_buf_add(pg->out, S("</div>\n</section>\n"));
}

static bool put_file(page *pg, const osp_code_use *use, size_t n)
{
    pg->npart = 0;
    for (size_t at = 0, next; at < n; at = next) {
        for (next = at; next < n && use[next].line == use[at].line; next++)
            ;
        if (!add_line(pg, use + at, next - at))
            return false;
    }
    widen(pg);
    for (size_t i = 0; i < pg->npart; i++)
        if (pg->part[i].cum)
            put_part(pg, &pg->part[i], use, n);
    return true;
}

static const char style[] =
    ":root{color-scheme:light "
    "dark;--bg:#f6f7f9;--panel:#fff;--ink:#14171d;--ink2:#535b69;--line:#e2e5ea;--hover:#f0f3f8;"
    "--heat:#cfdcf2;--asm:#1a6f4b;--call:#1d58bd}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#0e1014;--panel:#14171c;--ink:#e9ecf1;--ink2:#9ea7b5;--line:#"
    "23272f;"
    "--hover:#1b1f26;--heat:#24406f;--asm:#62cf9e;--call:#86b4ff}}\n"
    "body{margin:0 auto;padding:20px;max-width:1400px;background:var(--bg);color:var(--ink);font:13px/20px Inter,"
    "\"Segoe UI\",\"Noto Sans\",\"Liberation Sans\",Arial,sans-serif}\n"
    "header{display:flex;gap:16px;align-items:flex-start;margin-bottom:16px}.legend{flex:1;color:var(--ink2)}"
    ".legend b{color:var(--ink)}\n"
    "button{font:inherit;color:inherit;background:var(--panel);border:1px solid var(--line);border-radius:6px;"
    "padding:3px 10px;cursor:pointer}button:hover{background:var(--hover)}\n"
    "section{background:var(--panel);border:1px solid var(--line);border-radius:8px;margin-bottom:16px}\n"
    "h2{font-size:14px;line-height:20px;margin:12px 16px 0;overflow-wrap:anywhere}p{margin:0 "
    "16px;overflow-wrap:anywhere}"
    ".file{color:var(--ink2)}.sum{margin-bottom:10px}\n"
    ".code{border-top:1px solid var(--line);padding:4px 0 8px;overflow-x:auto;font:12px/19px ui-monospace,\"SF "
    "Mono\","
    "\"Cascadia Mono\",\"Liberation Mono\",\"Noto Sans Mono\",Menlo,Consolas,monospace}\n"
    ".r{display:grid;grid-template-columns:84px 84px 84px minmax(max-content,1fr) max-content;white-space:pre;"
    "tab-size:8;padding-right:16px;min-width:max-content}\n"
    ".r b,.r i{font-weight:400;font-style:normal;text-align:right;padding-right:12px}.r i{color:var(--ink2)}"
    ".r em{font-style:normal;color:var(--ink2);padding-left:24px}\n"
    ".head b,.head i{color:var(--ink2)}.nop{color:var(--ink2)}\n"
    ".live,.dead{background:linear-gradient(90deg,var(--heat),var(--heat)) 88px 2px/var(--w,0) 15px no-repeat}\n"
    "summary{cursor:pointer;list-style:none}summary::-webkit-details-marker{display:none}"
    ".live i::before{content:\"\\25b8\";float:left;padding-left:8px}details[open]>.live i::before{content:\"\\25be\"}"
    ".live:hover{background-color:var(--hover)}:focus-visible{outline:2px solid #2f6fdb;outline-offset:-2px}\n"
    "details[open]{background:var(--bg)}.asm span{color:var(--asm)}.call span{color:var(--call)}"
    ".gap{padding-left:240px;color:var(--ink2)}\n"
    "@media print{button{display:none}body{max-width:none}}\n";

static const char script[] =
    "document.getElementById('all').onclick=function(){var d=document.querySelectorAll('details'),"
    "o=this.getAttribute('aria-pressed')!=='true';for(var i=0;i<d.length;i++)d[i].open=o;"
    "this.setAttribute('aria-pressed',o);this.textContent=o?'Fold all':'Unfold all'};\n";

/* "File: x" of the legend's lines, as the page's title has it. */
static osp_str from_legend(osp_str legend, osp_str key)
{
    while (legend.n) {
        osp_str line = osp_str_cut(&legend, '\n');
        if (osp_str_starts(line, key))
            return osp_str_skip(line, key.n);
    }
    return S("unknown");
}

static void put_head(page *pg, osp_str legend)
{
    char total[OSP_SHOWN_MAX];
    osp_buf_add(pg->out, S("<!DOCTYPE html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n"
                           "<meta name=viewport content=\"width=device-width\">\n<title>"));
    put(pg->out, from_legend(legend, S("File: ")));
    osp_buf_byte(pg->out, ' ');
    put(pg->out, from_legend(legend, S("Type: ")));
    osp_buf_fmt(pg->out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<header>\n<div class=legend>\n", style);
    while (legend.n) {
        put(pg->out, osp_str_cut(&legend, '\n'));
        osp_buf_add(pg->out, S("<br>\n"));
    }
    osp_buf_add(pg->out, S("<b>Total: "));
    put(pg->out, osp_str_from(osp_shown_text(pg->shown, pg->total, total, sizeof total)));
    osp_buf_add(pg->out, S("</b>\n</div>\n<button id=all aria-pressed=false>Unfold all</button>\n</header>\n"));
}

static bool put_page(page *pg, const osp_profile *p, const osp_report_opts *o, osp_err *err)
{
    osp_buf legend = osp_buf_of(1 << 20);
    osp_profile_head_lines(p, o, pg->shown, pg->total, &legend);
    put_head(pg, osp_buf_str(&legend));
    osp_buf_drop(&legend);
    const osp_code_use *use = pg->listing->use;
    const size_t n = pg->listing->nuse;
    for (size_t at = 0, next; at < n; at = next) {
        for (next = at; next < n && osp_str_eq(use[next].file, use[at].file); next++)
            ;
        if (!put_file(pg, use + at, next - at))
            return osp_fail_memory(err, "writing a page");
    }
    osp_buf_fmt(pg->out, "<script>\n%s</script>\n</body>\n</html>\n", script);
    return true;
}

static bool write_weblist(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err)
{
    osp_report_opts own = *o;
    osp_view view = {0};
    osp_binaries binaries = {0};
    osp_listing listing = {0};
    const osp_shown shown = osp_shown_of(p, o);
    osp_regex *re = osp_argument_regex(o, err);
    own.query.no_inlines = false;
    osp_code_files *files = osp_code_files_new(&(osp_code_opts){.source_path = o->source_path,
                                                                .trim_path = o->trim_path,
                                                                .go_release = osp_binaries_go_release,
                                                                .ctx = &binaries},
                                               err);
    bool ok = re && files && osp_answer_view(p, &own, o->query.mean, &view, out, err) &&
              osp_binaries_init(&binaries, p, o, err) &&
              osp_listing_make(&view, &own, re, &binaries, &out->notes, &listing, err);
    if (ok) {
        page pg = {.listing = &listing, .shown = &shown, .total = view.total, .files = files, .out = &out->text};
        ok = put_page(&pg, p, o, err);
        free(pg.part);
        osp_buf_add(&out->notes, osp_code_files_notes(files));
    }
    osp_code_files_drop(files);
    osp_listing_drop(&listing);
    osp_binaries_drop(&binaries);
    osp_view_drop(&view);
    osp_regex_drop(re);
    return ok;
}

const osp_report osp_report_weblist = {
    .name = "weblist",
    .summary = "a page with the source and the instructions of functions that match",
    .ending = "html",
    .takes_argument = true,
    .untrimmed = true,
    .own_granularity = true,
    .granularity = OSP_BY_ADDRESS,
    .write = write_weblist,
};
