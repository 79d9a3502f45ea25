/* SPDX-License-Identifier: Apache-2.0 */
/* What reports share when they answer in JSON; docs/json.md is the contract. */
#include "report/head.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

enum {
    LONGEST = 500,     /* bytes of a text in the head: the head shall leave room for rows */
    MOST_COMMENTS = 8, /* in the head */
    CLOSING = 120,     /* bytes of what stands behind the rows */
};

static void text(osp_json *j, const char *key, osp_str s)
{
    if (s.n)
        osp_json_str(j, key, osp_str_head(s, LONGEST));
}

static void when(osp_json *j, int64_t time_ns)
{
    const time_t t = (time_t)(time_ns / 1000000000 - (time_ns % 1000000000 < 0));
    struct tm tm;
    char utc[64];
    if (time_ns && gmtime_r(&t, &tm) && strftime(utc, sizeof utc, "%Y-%m-%dT%H:%M:%SZ", &tm))
        osp_json_str(j, "time", osp_str_from(utc));
}

static void profile(osp_json *j, const osp_profile *p, const osp_report_opts *o)
{
    osp_json_object(j, "profile");
    text(j, "file", osp_main_name(p, o));
    if (p->mappings.n > 1)
        text(j, "build_id", osp_text(p, p->mappings.row[1].build_id));
    when(j, p->time_ns);
    if (p->duration_ns)
        osp_json_int(j, "duration_ns", p->duration_ns);
    if (p->comments.n) {
        osp_json_array(j, "comments");
        for (uint32_t i = 0; i < p->comments.n && i < MOST_COMMENTS; i++)
            osp_json_str(j, NULL, osp_str_head(osp_text(p, p->comments.text[i]), LONGEST));
        osp_json_end(j);
    }
    osp_json_end(j);
}

static void question(osp_json *j, const osp_report_opts *o, uint32_t unmatched)
{
    osp_filter filter[OSP_FILTERS];
    osp_filters_of(&o->query, filter);
    osp_json_str(j, "granularity", osp_granularity_name(o->query.granularity));
    text(j, "argument", o->argument);
    osp_json_object(j, "filters");
    for (size_t i = 0; i < OSP_FILTERS; i++)
        text(j, filter[i].name, filter[i].pattern);
    text(j, "prune_from", o->query.prune_from); /* is never unmatched */
    osp_json_end(j);
    osp_json_array(j, "unmatched");
    for (size_t i = 0; i < OSP_FILTERS; i++)
        if (unmatched & 1u << i)
            osp_json_str(j, NULL, osp_str_from(filter[i].name));
    osp_json_end(j);
}

osp_json_rows osp_json_open(const char *report, const osp_profile *p, const osp_report_opts *o, const osp_shown *s,
                            int64_t total, osp_answer *out)
{
    osp_json_rows r = {.j = osp_json_on(&out->text), .limit = o->json_bytes ? (size_t)o->json_bytes : SIZE_MAX};
    osp_json *j = &r.j;
    const osp_value_type type = p->values.type[o->query.value];
    char schema[64];
    snprintf(schema, sizeof schema, "osprey.pprof.%s/1", report);
    osp_json_object(j, NULL);
    osp_json_str(j, "schema", osp_str_from(schema));
    profile(j, p, o);
    osp_json_str(j, "type", osp_str_head(osp_text(p, type.type), LONGEST));
    osp_json_str(j, "unit", osp_str_head(osp_text(p, type.unit), LONGEST));
    if (o->query.mean)
        osp_json_bool(j, "mean", true);
    question(j, o, out->unmatched);
    osp_json_value(j, "total", s, total);
    return r;
}

void osp_json_graph(osp_json *j, const osp_shown *s, const osp_graph *g)
{
    osp_json_value(j, "shown", s, osp_graph_shown(g));
    osp_json_uint(j, "nodes_below_fraction", g->dropped_nodes);
    osp_json_uint(j, "nodes_past_count", g->norig - g->nnode);
}

/* ---- rows ----------------------------------------------------------------------------------------------------- */

void osp_json_rows_open(osp_json_rows *r) { osp_json_array(&r->j, "rows"); }

bool osp_json_row(osp_json_rows *r)
{
    r->total++;
    if (r->full)
        return false;
    r->before = r->j;
    r->at = r->j.out->n;
    osp_json_object(&r->j, NULL);
    r->j.dense = true;
    return true;
}

void osp_json_row_end(osp_json_rows *r)
{
    osp_json_end(&r->j);
    r->j.dense = false;
    r->full = r->limit < CLOSING || r->j.out->n > r->limit - CLOSING;
    if (r->full) {
        r->j = r->before;
        r->j.out->n = r->at;
    } else {
        r->shown++;
    }
}

void osp_json_close(osp_json_rows *r)
{
    osp_json_end(&r->j);
    osp_json_uint(&r->j, "rows_total", r->total);
    osp_json_uint(&r->j, "rows_left_out", r->total - r->shown);
    osp_json_end(&r->j);
}

/* ---- values --------------------------------------------------------------------------------------------------- */

void osp_json_value(osp_json *j, const char *key, const osp_shown *s, int64_t value)
{
    osp_json_int(j, key, osp_shown_value(s, value));
}

void osp_json_percent(osp_json *j, const char *key, int64_t value, int64_t total)
{
    osp_json_num(j, key, total ? round((double)value / (double)total * 10000) / 100 : 0);
}

void osp_json_node(osp_json *j, const osp_node *n, const osp_shown *s, int64_t total)
{
    const int64_t flat = osp_mean(n->flat, n->flat_divisor), cum = osp_mean(n->cum, n->cum_divisor);
    char addr[24];
    osp_json_str(j, "name", n->label);
    if (n->name.n && !osp_str_eq(n->name, n->label))
        osp_json_str(j, "function", n->name);
    if (n->file.n)
        osp_json_str(j, "file", n->file);
    if (n->line)
        osp_json_int(j, "line", n->line);
    if (n->column)
        osp_json_int(j, "column", n->column);
    if (n->addr) {
        snprintf(addr, sizeof addr, "0x%" PRIx64, n->addr);
        osp_json_str(j, "address", osp_str_from(addr));
    }
    osp_json_value(j, "flat", s, flat);
    osp_json_percent(j, "flat_percent", flat, total);
    osp_json_value(j, "cum", s, cum);
    osp_json_percent(j, "cum_percent", cum, total);
    if (n->in_inlined)
        osp_json_str(j, "inlined", n->in_called ? S("some") : S("all"));
}
