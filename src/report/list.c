/* SPDX-License-Identifier: Apache-2.0 */
/* list: the source text of the functions that a pattern matches, with what each line took. */
#include "code/code.h"
#include "report/binaries.h"
#include "report/head.h"

#include <stdlib.h>

enum { MARGIN = 5 }; /* lines shown around those with samples */

typedef struct {
    const osp_shown *shown;
    int64_t total;
    osp_code_files *sources;
    osp_buf *out;
} listing;

static int by_name_and_file(const void *x, const void *y)
{
    const osp_node *a = *(const osp_node *const *)x, *b = *(const osp_node *const *)y;
    int c = osp_str_cmp(a->name, b->name);
    c = c ? c : osp_str_cmp(a->file, b->file);
    return c ? c : (a->line > b->line) - (a->line < b->line);
}

/* n + d, wrapped as Go does: a line number is whatever a file says. */
static int64_t moved(int64_t n, int64_t d) { return (int64_t)((uint64_t)n + (uint64_t)d); }

/* From the function's first line, or a little before its samples, to a little after them. */
static void choose_lines(const osp_node *const *node, size_t n, int64_t *start, int64_t *end)
{
    *start = node[0]->start_line ? node[0]->start_line : moved(node[0]->line, -MARGIN);
    *end = moved(node[0]->line, MARGIN);
    for (size_t i = 0; i < n; i++) {
        int64_t first = node[i]->start_line ? node[i]->start_line : moved(node[i]->line, -MARGIN);
        int64_t last = moved(node[i]->line, MARGIN);
        *start = first < *start ? first : *start;
        *end = last > *end ? last : *end;
    }
    *start = *start < 1 ? 1 : *start;
}

/* The lines of one function in one file; node[] sorted by line. */
static void list_lines(listing *l, const osp_node *const *node, size_t n, osp_str file)
{
    char flat_text[OSP_SHOWN_MAX], cum_text[OSP_SHOWN_MAX];
    int64_t start, end;
    osp_str text;
    choose_lines(node, n, &start, &end);
    size_t at = 0;
    while (at < n && node[at]->line < start)
        at++;
    for (int64_t i = start; i <= end && osp_code_line(l->sources, file, i, &text); i++) {
        int64_t flat = 0, cum = 0;
        for (; at < n && node[at]->line == i; at++) {
            osp_add(&flat, node[at]->flat);
            osp_add(&cum, node[at]->cum);
        }
        osp_buf_fmt(l->out, "%10s %10s %6lld:", osp_shown_or_dot(l->shown, flat, flat_text, sizeof flat_text),
                    osp_shown_or_dot(l->shown, cum, cum_text, sizeof cum_text), (long long)i);
        osp_buf_add(l->out, text);
        osp_buf_byte(l->out, '\n');
    }
}

static void list_file(listing *l, const osp_node *const *node, size_t n)
{
    char flat_text[OSP_SHOWN_MAX], cum_text[OSP_SHOWN_MAX], percent[32];
    osp_str name = node[0]->name, file = node[0]->file;
    int64_t flat = 0, cum = 0;
    for (size_t i = 0; i < n; i++) {
        osp_add(&flat, node[i]->flat);
        osp_add(&cum, node[i]->cum);
    }
    osp_buf_fmt(l->out, "ROUTINE ======================== %.*s in %.*s\n", STRF(name), STRF(file));
    osp_buf_fmt(l->out, "%10s %10s (flat, cum) %s of Total\n",
                osp_shown_text(l->shown, flat, flat_text, sizeof flat_text),
                osp_shown_text(l->shown, cum, cum_text, sizeof cum_text),
                osp_percent(cum, l->total, percent, sizeof percent));
    osp_str why = osp_code_why(l->sources, file);
    if (why.n)
        osp_buf_fmt(l->out, " Error: %.*s\n", STRF(why));
    else
        list_lines(l, node, n, file);
}

/* All nodes of one name, sorted by file. */
static void list_function(listing *l, const osp_node *const *node, size_t n)
{
    size_t at = 0;
    while (at < n && node[at]->file.n == 0)
        at++;
    if (at == n)
        osp_buf_fmt(l->out, "No source information for %.*s\n", STRF(node[0]->name));
    while (at < n) {
        size_t next = at;
        while (next < n && osp_str_eq(node[next]->file, node[at]->file))
            next++;
        list_file(l, node + at, next - at);
        at = next;
    }
}

static bool list_matching(listing *l, const osp_graph *g, const osp_regex *re, osp_str pattern, osp_err *err)
{
    const osp_node **node = malloc((g->nnode + (size_t)1) * sizeof *node);
    if (!node)
        return osp_fail_memory(err, "listing functions");
    size_t n = 0;
    for (uint32_t i = 0; i < g->nnode; i++)
        if (osp_regex_match(re, g->node[i].name.p, g->node[i].name.n))
            node[n++] = &g->node[i];
    if (n == 0) {
        free(node);
        return osp_fail(err, OSP_EABSENT, "no matches found for regexp: %.*s", STRF(pattern));
    }
    qsort(node, n, sizeof *node, by_name_and_file);
    osp_buf_fmt(l->out, "Total: %s\n", osp_shown_text(l->shown, l->total, (char[OSP_SHOWN_MAX]){""}, OSP_SHOWN_MAX));
    for (size_t at = 0, next; at < n; at = next) {
        for (next = at; next < n && osp_str_eq(node[next]->name, node[at]->name); next++)
            ;
        list_function(l, node + at, next - at);
    }
    free(node);
    return true;
}

static bool write_list(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err)
{
    osp_view view = {0};
    osp_graph graph = {0};
    osp_regex *re = osp_argument_regex(o, err);
    osp_code_files *sources = NULL;
    osp_binaries binaries = {0};
    bool ok = re && osp_binaries_init(&binaries, p, o, err) && osp_answer_view(p, o, false, &view, out, err);
    if (ok) {
        osp_graph_opts graph_opts = osp_graph_opts_of(o);
        graph_opts.objects = true;
        ok = osp_graph_make(&view, &graph_opts, &graph, err);
    }
    if (ok) {
        sources = osp_code_files_new(&(osp_code_opts){.source_path = o->source_path,
                                                      .trim_path = o->trim_path,
                                                      .go_release = osp_binaries_go_release,
                                                      .ctx = &binaries},
                                     err);
        const osp_shown shown = osp_shown_of(p, o);
        listing l = {&shown, view.total, sources, &out->text};
        ok = sources && list_matching(&l, &graph, re, o->argument, err);
    }
    if (sources)
        osp_buf_add(&out->notes, osp_code_files_notes(sources));
    osp_code_files_drop(sources);
    osp_binaries_drop(&binaries);
    osp_graph_drop(&graph);
    osp_view_drop(&view);
    osp_regex_drop(re);
    return ok;
}

const osp_report osp_report_list = {
    .name = "list",
    .summary = "the source text of functions that match, line by line",
    .takes_argument = true,
    .untrimmed = true,
    .own_granularity = true,
    .granularity = OSP_BY_LINE,
    .write = write_list,
};
