/* SPDX-License-Identifier: Apache-2.0 */
/* osprey diff: what changed between two profiles, and what of it is more than chance. */
#include "base/json.h"
#include "cli/cli_internal.h"
#include "report/report.h"
#include "source/source.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

static const osp_option options[] = {
    {"cum", 0, NULL, "judge and sort by what functions and all they call take, not by their own"},
    {"rows", 'n', "N", "so many rows of each table, 0 = all that changed beyond their error (20)"},
    {"all", 'a', NULL,
     "rows within their error, too: that of counting events (Poisson), 19 in 20 for all rows at once"},
    {"sample-index", 'i', "TYPE", "the sample type (the second profile's default)"},
    {"focus", 'f', "REGEXP", "only stacks with a frame that matches; shares stay those of the whole"},
    {"ignore", 'x', "REGEXP", "only stacks without a frame that matches"},
    {"json", 0, NULL, "one JSON object, errors of a row included"},
    {0},
};

static const char *const examples[] = {
    "diff before.pb.gz after.pb.gz",
    "diff -cum -focus main monday.pb.gz friday.pb.gz",
    "diff -sample_index=inuse_space heap1.pb.gz heap2.pb.gz",
    NULL,
};

/* ---- text ----------------------------------------------------------------------------------------------------- */

enum { VALUE = 32, COLUMNS_BEFORE_NAME = 70, DELTA = 10, NAME = 24 };

/* A value of the diff, per second if `seconds` says so. */
static const char *value_text(const osp_diff *d, double value, bool sign, char *out)
{
    char text[128];
    const char *plus = sign && value > 0 ? "+" : "";
    if (osp_str_eq(d->unit, S("count")))
        snprintf(out, VALUE, "%s%.4g", plus, value);
    else
        snprintf(out, VALUE, "%s%s", plus, osp_scaled(osp_int_of(value), d->unit, S("auto"), text, sizeof text));
    return out;
}

static double per(const osp_diff *d, const osp_diff_side *side) { return d->rates ? side->seconds : 1; }

static void add_values(const osp_diff *d, const osp_change *c, bool narrow, osp_buf *out)
{
    char text[VALUE];
    double before = c->before / per(d, &d->before), after = c->after / per(d, &d->after);
    osp_buf_right(out, osp_str_from(value_text(d, before, false, text)), 9);
    osp_buf_right(out, osp_str_from(value_text(d, after, false, text)), 9);
    if (!narrow)
        osp_buf_right(out, osp_str_from(value_text(d, after - before, true, text)), DELTA);
}

/* Its own change and that of all it calls; the one that is judged with its error. */
static void add_changes(const osp_cli *cli, const osp_diff_row *r, bool by_cum, osp_buf *out)
{
    const osp_change *side[2] = {&r->own, &r->cum};
    for (int i = 0; i < 2; i++) {
        const osp_change *c = side[i];
        bool judged = i == (int)by_cum;
        osp_colour colour = !judged || osp_change_errors(c) <= 1 ? OSP_PLAIN : OSP_BOLD;
        osp_buf_byte(out, ' ');
        osp_paint(cli, out, colour, "%+7.2f", 100 * (c->share_after - c->share_before));
        if (judged)
            osp_buf_fmt(out, " ±%-5.2f", 100 * c->error);
    }
}

static void add_name(const osp_cli *cli, const osp_diff_row *r, size_t room, osp_buf *out)
{
    osp_str name = r->name;
    size_t columns = osp_str_columns(name);
    const char *cut = "";
    if (room && columns > room) { /* names keep their tail */
        cut = "…";
        while (name.n && columns > room - 1) {
            size_t n = osp_str_utf8(name);
            name = osp_str_skip(name, n ? n : 1);
            columns--;
        }
    }
    osp_buf_add(out, S("  "));
    if (r->fresh || r->gone)
        osp_paint(cli, out, r->fresh ? OSP_MAGENTA : OSP_CYAN, r->fresh ? "new " : "gone ");
    osp_paint(cli, out, OSP_PLAIN, "%s%.*s", cut, STRF(name));
    osp_buf_byte(out, '\n');
}

/* How rows are printed. */
typedef struct {
    const osp_cli *cli;
    const osp_diff *d;
    bool by_cum, narrow;
    size_t room; /* for names; 0: they are not cut */
    osp_buf *out;
} table;

static void add_row(const table *t, const osp_diff_row *r)
{
    const osp_change *c = t->by_cum ? &r->cum : &r->own;
    add_values(t->d, c, t->narrow, t->out);
    osp_buf_fmt(t->out, "  %5.1f → %5.1f %%", 100 * c->share_before, 100 * c->share_after);
    add_changes(t->cli, r, t->by_cum, t->out);
    add_name(t->cli, r, t->room > 5 && (r->fresh || r->gone) ? t->room - 5 : t->room, t->out);
}

static void add_side(const osp_diff *d, const osp_diff_side *side, osp_buf *out)
{
    char text[VALUE];
    osp_buf_add(out, osp_str_from(value_text(d, side->total, false, text)));
    if (side->seconds > 0)
        osp_buf_fmt(out, " in %.4gs", side->seconds);
    osp_buf_fmt(out, " (%.0f events)", side->events);
}

/* Both totals, and how far they are apart. */
static void add_head(const osp_cli *cli, const osp_diff *d, osp_buf *out)
{
    double before = d->before.total / per(d, &d->before), after = d->after.total / per(d, &d->after);
    double times = after / before, error = hypot(d->before.error / d->before.total, d->after.error / d->after.total);
    osp_str name[2] = {osp_str_base(osp_str_from(cli->operand[0])), osp_str_base(osp_str_from(cli->operand[1]))};
    const bool alike = osp_str_eq(name[0], name[1]);
    for (int i = 0; alike && i < 2; i++)
        name[i] = osp_str_from(cli->operand[i]);
    osp_paint(cli, out, OSP_BOLD, "%.*s", STRF(d->type));
    osp_paint(cli, out, OSP_PLAIN, "  %.*s → %.*s", STRF(name[0]), STRF(name[1]));
    osp_buf_add(out, S("\n  "));
    add_side(d, &d->before, out);
    osp_buf_add(out, S(" → "));
    add_side(d, &d->after, out);
    osp_buf_fmt(out, times < 10 ? ": %+.1f %% ±%.1f" : ": ×%.3g ±%.2g", times < 10 ? 100 * (times - 1) : times,
                (times < 10 ? 100 : 1) * times * error);
    osp_buf_add(out, d->rates ? S(" per second\n\n") : S("\n\n"));
}

/* The change of a function of 10 % that would just be seen. */
static double least_change(const osp_diff *d)
{
    double before = d->before.error / d->before.total / 1.96, after = d->after.error / d->after.total / 1.96;
    return 100 * d->width * sqrt(0.1 * 0.9) * hypot(before, after);
}

static void add_more(const osp_cli *cli, uint32_t n, osp_buf *out)
{
    if (n) {
        osp_paint(cli, out, OSP_DIM, "  … %u more changed beyond their error (-n 0 shows them)", n);
        osp_buf_byte(out, '\n');
    }
}

/* What the tables do not show, in sums. */
static void add_rest(const osp_cli *cli, const osp_diff *d, bool all, osp_buf *out)
{
    double before = 0, after = 0;
    uint32_t n = 0, fresh = 0, gone = 0;
    for (uint32_t i = d->ntold + d->ncaller; i < d->nrow; i++) {
        if (d->row[i].follows)
            continue;
        n++;
        before += d->row[i].own.share_before;
        after += d->row[i].own.share_after;
        fresh += d->row[i].fresh;
        gone += d->row[i].gone;
    }
    if (d->nfollow) {
        osp_buf_fmt(out, d->nfollow == 1 ? "  %u caller changed with them" : "  %u callers changed with them",
                    d->nfollow);
        osp_buf_byte(out, '\n');
    }
    if (n && !all) {
        osp_buf_fmt(
            out,
            n == 1 ? "  %u function changed less than its error" : "  %u functions changed less than their error", n);
        if (!d->by_cum)
            osp_buf_fmt(out, ": together %.1f → %.1f %%", 100 * before, 100 * after);
        if (fresh || gone)
            osp_buf_fmt(out, ", %u new, %u gone", fresh, gone);
        osp_buf_byte(out, '\n');
    }
    osp_paint(cli, out, OSP_DIM,
              "  ±: by chance of sampling, none of all %u functions leaves it in 19 of 20 comparisons;", d->nrow);
    osp_buf_byte(out, '\n');
    osp_paint(cli, out, OSP_DIM,
              "     at 10 %% a change of %.2g points is seen. That runs differ by themselves is not in it.",
              least_change(d));
    osp_buf_byte(out, '\n');
}

static void add_title(const table *t)
{
    const osp_diff *d = t->d;
    osp_buf line = osp_buf_of(512);
    osp_buf_right(&line, osp_str_from(d->rates ? "BEFORE/s" : "BEFORE"), 9);
    osp_buf_right(&line, osp_str_from(d->rates ? "AFTER/s" : "AFTER"), 9);
    if (!t->narrow)
        osp_buf_right(&line, osp_str_from(d->rates ? "Δ/s" : "Δ"), DELTA);
    osp_buf_add(&line, t->by_cum ? S("    SHARE (CUM)        OWN   CUM CHANGE  ")
                                 : S("    SHARE (OWN)     OWN CHANGE       CUM"));
    osp_paint(t->cli, t->out, OSP_DIM, "%.*s  FUNCTION", STRF(osp_buf_str(&line)));
    osp_buf_byte(t->out, '\n');
    osp_buf_drop(&line);
}

/* Callers whose own change is within the error. */
static void add_callers(table t, uint32_t most)
{
    const osp_diff *d = t.d;
    const uint32_t shown = most && d->ncaller > most ? most : d->ncaller;
    if (!shown)
        return;
    t.by_cum = true;
    osp_buf_add(t.out, d->ntold ? S("\nCallers that changed by more than the functions above explain\n")
                                : S("Callers that changed, though no function alone did\n"));
    add_title(&t);
    for (uint32_t i = 0; i < shown; i++)
        add_row(&t, &d->row[d->ntold + i]);
    add_more(t.cli, d->ncaller - shown, t.out);
    osp_buf_byte(t.out, '\n');
}

/* Rows that are judged by what the reader chose; with `all`, those that are within their error, too. */
static void add_judged(const table *t, uint32_t most, bool all)
{
    const osp_diff *d = t->d;
    const uint32_t nrest = all ? d->nrow - d->ntold - d->ncaller : 0;
    uint32_t left = most ? most : UINT32_MAX;
    if (d->ntold + nrest)
        add_title(t);
    for (uint32_t i = 0; i < d->ntold && left; i++, left--)
        add_row(t, &d->row[i]);
    for (uint32_t i = 0; i < nrest && left; i++, left--)
        add_row(t, &d->row[d->ntold + d->ncaller + i]);
    if (most && d->ntold > most)
        add_more(t->cli, d->ntold - most, t->out);
}

static void add_text(const osp_cli *cli, const osp_diff *d, uint32_t most, bool all, osp_buf *out)
{
    const bool terminal = isatty(STDOUT_FILENO);
    const size_t columns = (size_t)cli->columns;
    const bool narrow = terminal && columns < COLUMNS_BEFORE_NAME + NAME;
    const size_t before = COLUMNS_BEFORE_NAME - (narrow ? DELTA : 0);
    const size_t room = !terminal ? 0 : columns > before + 8 ? columns - before : 8;
    const table t = {.cli = cli, .d = d, .by_cum = d->by_cum, .narrow = narrow, .room = room, .out = out};
    add_head(cli, d, out);
    if (d->ntold + d->ncaller == 0) {
        osp_paint(cli, out, OSP_GREEN, "✓ Nothing changed beyond its error");
        osp_buf_byte(out, '\n');
    }
    add_judged(&t, most, all);
    add_callers(t, most);
    add_rest(cli, d, all, out);
}

/* ---- JSON ----------------------------------------------------------------------------------------------------- */

static void json_side(osp_json *j, const char *key, const char *file, const osp_diff_side *side)
{
    osp_json_object(j, key);
    osp_json_str(j, "file", osp_str_from(file));
    osp_json_num(j, "total", side->total);
    osp_json_num(j, "total_error", side->error);
    osp_json_num(j, "events", side->events);
    if (side->seconds > 0)
        osp_json_num(j, "seconds", side->seconds);
    osp_json_end(j);
}

static void json_change(osp_json *j, const char *key, const osp_change *c)
{
    osp_json_object(j, key);
    osp_json_num(j, "before", c->before);
    osp_json_num(j, "after", c->after);
    osp_json_num(j, "share_before", c->share_before);
    osp_json_num(j, "share_after", c->share_after);
    osp_json_num(j, "share_change", c->share_after - c->share_before);
    osp_json_num(j, "share_error", c->error);
    osp_json_bool(j, "beyond_error", osp_change_errors(c) > 1);
    osp_json_end(j);
}

static void json_row(osp_json *j, const osp_diff *d, uint32_t i)
{
    const osp_diff_row *r = &d->row[i];
    osp_json_object(j, NULL);
    j->dense = true;
    osp_json_str(j, "name", r->name);
    osp_json_bool(j, "new", r->fresh);
    osp_json_bool(j, "gone", r->gone);
    osp_json_bool(j, "caller", i >= d->ntold && i < d->ntold + d->ncaller);
    osp_json_bool(j, "follows", r->follows);
    json_change(j, "own", &r->own);
    json_change(j, "cum", &r->cum);
    osp_json_end(j);
    j->dense = false;
}

static void add_json(const osp_cli *cli, const osp_diff *d, uint32_t most, bool all, osp_buf *out)
{
    const uint32_t group[] = {d->ntold, d->ncaller, all ? d->nrow - d->ntold - d->ncaller : 0};
    osp_json j = osp_json_on(out);
    osp_json_object(&j, NULL);
    osp_json_str(&j, "schema", S("osprey.diff/1"));
    osp_json_str(&j, "type", d->type);
    osp_json_str(&j, "unit", d->unit);
    osp_json_str(&j, "judged", d->by_cum ? S("cum") : S("own"));
    json_side(&j, "before", cli->operand[0], &d->before);
    json_side(&j, "after", cli->operand[1], &d->after);
    osp_json_num(&j, "standard_errors_own", d->width);
    osp_json_num(&j, "standard_errors_cum", d->width);
    osp_json_array(&j, "rows");
    uint32_t shown = 0;
    for (uint32_t g = 0, first = 0; g < 3; first += group[g++])
        for (uint32_t i = 0; i < group[g] && (!most || i < most); i++, shown++)
            json_row(&j, d, first + i);
    osp_json_end(&j);
    osp_json_uint(&j, "rows_total", d->nrow);
    osp_json_uint(&j, "rows_beyond_error", d->ntold);
    osp_json_uint(&j, "callers_beyond_error", d->ncaller);
    osp_json_uint(&j, "callers_that_follow", d->nfollow);
    osp_json_uint(&j, "rows_left_out", d->nrow - shown);
    osp_json_end(&j);
}

/* ---- the command ---------------------------------------------------------------------------------------------- */

static osp_query query_of(const osp_cli *cli, const osp_source *s)
{
    osp_query q = osp_report_defaults().query;
    osp_source_prepare(s, &q);
    q.focus = osp_str_from(osp_cli_value(cli, "focus"));
    q.ignore = osp_str_from(osp_cli_value(cli, "ignore"));
    return q;
}

static int print(const osp_cli *cli, const osp_diff *d, uint32_t most)
{
    const bool all = osp_cli_given(cli, "all");
    if (d->unmatched & OSP_FOCUS)
        fprintf(stderr, "osprey: no function of either profile matches --focus %s\n", osp_cli_value(cli, "focus"));
    osp_buf out = osp_buf_of((size_t)1 << 32);
    if (osp_cli_given(cli, "json"))
        add_json(cli, d, most, all, &out);
    else
        add_text(cli, d, most, all, &out);
    return osp_cli_answer(&out, OSP_EXIT_DONE);
}

static int cmd_diff(const osp_cli *cli)
{
    osp_err err = {0};
    osp_diff d;
    double most;
    if (cli->noperand != 2)
        return osp_cli_usage(cli, "two profiles are wanted, the older first: %s", cli->command->args);
    if (!osp_cli_number(cli, "rows", 0, 1e9, 20, &most))
        return OSP_EXIT_USAGE;
    osp_source *side[2] = {NULL, NULL};
    bool ok = true;
    for (int i = 0; ok && i < 2; i++) {
        side[i] = osp_cli_open(cli, (const char *const *)&cli->operand[i], 1, &err);
        ok = side[i] != NULL;
    }
    osp_diff_opts o = {.type = osp_str_from(osp_cli_value(cli, "sample-index")), .by_cum = osp_cli_given(cli, "cum")};
    if (ok) {
        o.before = query_of(cli, side[0]);
        o.after = query_of(cli, side[1]);
        ok = osp_diff_make(osp_source_profile(side[0]), osp_source_profile(side[1]), &o, &d, &err);
    }
    int status = OSP_EXIT_FAILED;
    if (ok) {
        status = print(cli, &d, (uint32_t)most);
        osp_diff_drop(&d);
    }
    for (int i = 0; i < 2; i++)
        if (side[i])
            osp_source_close(side[i]);
    return ok ? status : osp_cli_fail(&err);
}

const osp_command osp_command_diff = {
    .name = "diff",
    .args = "BEFORE AFTER",
    .summary = "what changed between two profiles beyond chance",
    .examples = examples,
    .options = options,
    .run = cmd_diff,
};
