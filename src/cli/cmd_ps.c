/* SPDX-License-Identifier: Apache-2.0 */
/* osprey ps: all Go processes, and what their runtimes say of themselves. */
#include "base/clock.h"
#include "cli/ps_table.h"

#include <math.h>
#include <unistd.h>

static const size_t ARENA_LIMIT = 256 << 20;

/* From so many seconds on it is worth counting goroutines at both ends. */
enum { WORTH_A_SECOND_COUNT = 10 };

static const osp_option options[] = {
    {"all", 'a', NULL, "processes without Go too"},
    {"sort", 's', "COLUMN", "by cpu, rss, goroutines, threads, heap, gc, uptime, pid, name, go, container (cpu)"},
    {"duration", 'd', "SECONDS",
     "how long CPU is measured, of all processes at once; 10 or more: who gains goroutines "
     "(0.5)"},
    {"json", 0, NULL, "print one JSON object"},
    {0},
};

/* A first look, and the goroutines of each row then; -1 = not counted. */
typedef struct {
    osp_process_row *row;
    uint32_t n;
    int64_t *goroutines;
} before;

static const osp_process_row *row_before(const before *b, const osp_process_row *now, uint32_t *at)
{
    while (*at < b->n && b->row[*at].pid < now->pid)
        ++*at;
    bool same = *at < b->n && b->row[*at].pid == now->pid && b->row[*at].start_ns == now->start_ns;
    return same ? &b->row[*at] : NULL;
}

static void wait_for(double seconds)
{
    struct timespec left = {(time_t)seconds, (long)((seconds - floor(seconds)) * 1e9)};
    nanosleep(&left, NULL); /* an interrupt ends it: what was measured until then is measured too */
}

static bool look_before(osp_go_survey *survey, double seconds, osp_arena *a, before *out, osp_err *err)
{
    if (!osp_processes_read(a, &out->row, &out->n, err))
        return false;
    out->goroutines = osp_new(a, int64_t, out->n);
    if (!out->goroutines)
        return osp_fail_memory(err, "listing processes");
    for (uint32_t i = 0; i < out->n; i++) {
        osp_go_brief brief = {.goroutines = -1};
        if (seconds >= WORTH_A_SECOND_COUNT)
            osp_go_survey_look(survey, out->row[i].pid, a, &brief);
        out->goroutines[i] = brief.goroutines;
    }
    return true;
}

/* Fill in one row; false if it is not to be shown. */
static bool fill_row(osp_ps *ps, osp_go_survey *survey, bool all, osp_arena *a, osp_ps_row *r)
{
    osp_go_survey_look(survey, r->process.pid, a, &r->go);
    bool forbidden =
        !r->go.is_go && r->go.why.code != OSP_OK && r->go.why.code != OSP_EABSENT && r->go.why.code != OSP_ELIMIT;
    if (forbidden && ps->unreadable++ == 0)
        ps->why = r->go.why;
    if (r->go.is_go && r->go.goroutines < 0 && ps->opaque++ == 0)
        ps->why_opaque = r->go.why;
    ps->go += r->go.is_go;
    ps->hidden += !r->go.is_go && !forbidden && !all;
    if (!r->go.is_go && !all)
        return false;
    r->container = osp_process_container(r->process.pid, a);
    return true;
}

static double cores_of(const osp_process_row *now, const osp_process_row *then, double seconds)
{
    if (!then)
        return seconds > 0 ? (double)now->cpu_ns / 1e9 / seconds : 0;
    double wall = (double)(now->read_ns - then->read_ns);
    return wall > 0 && now->cpu_ns > then->cpu_ns ? (double)(now->cpu_ns - then->cpu_ns) / wall : 0;
}

static bool look(osp_go_survey *survey, double seconds, bool all, osp_arena *a, osp_ps *ps, osp_err *err)
{
    before b;
    osp_process_row *now;
    uint32_t n, at = 0;
    if (!look_before(survey, seconds, a, &b, err))
        return false;
    uint64_t from = osp_monotonic_ns();
    wait_for(seconds);
    ps->seconds = (double)(osp_monotonic_ns() - from) / 1e9;
    if (!osp_processes_read(a, &now, &n, err))
        return false;
    ps->now_ns = osp_clock_ns(CLOCK_BOOTTIME);
    ps->row = osp_new(a, osp_ps_row, n);
    if (!ps->row)
        return osp_fail_memory(err, "listing processes");
    for (uint32_t i = 0; i < n; i++) {
        osp_ps_row *r = &ps->row[ps->n];
        *r = (osp_ps_row){.process = now[i]};
        const osp_process_row *then = row_before(&b, &now[i], &at);
        r->cores = cores_of(&now[i], then, ps->seconds);
        if (!fill_row(ps, survey, all, a, r))
            continue;
        if (then && b.goroutines[at] >= 0 && r->go.goroutines >= 0)
            r->more_goroutines = r->go.goroutines - b.goroutines[at];
        ps->n++;
    }
    return true;
}

static int show(const osp_cli *cli, double seconds, osp_str by)
{
    osp_arena a;
    osp_ps ps = {0};
    osp_err err;
    osp_go_survey *survey = osp_go_survey_new(&err);
    osp_arena_init(&a, ARENA_LIMIT);
    bool ok = survey && look(survey, seconds, osp_cli_given(cli, "all"), &a, &ps, &err);
    osp_buf out = osp_buf_of(64 << 20);
    if (ok) {
        osp_ps_sort(&ps, by);
        if (osp_cli_given(cli, "json"))
            osp_ps_json(&ps, &out);
        else
            osp_ps_table(cli, &ps, isatty(STDOUT_FILENO) ? (size_t)cli->columns : 0, &out);
        ok = !out.failed || osp_fail_memory(&err, "printing processes");
    }
    int status = !ok ? osp_cli_fail(&err) : osp_cli_print(osp_buf_str(&out)) ? OSP_EXIT_DONE : OSP_EXIT_FAILED;
    osp_buf_drop(&out);
    osp_go_survey_drop(survey);
    osp_arena_drop(&a);
    return status;
}

static int cmd_ps(const osp_cli *cli)
{
    double seconds;
    osp_ps none = {0};
    if (cli->noperand)
        return osp_cli_usage(cli, "takes no operand, not `%s`", cli->operand[0]);
    if (!osp_cli_number(cli, "duration", 0, 3600, 0.5, &seconds))
        return OSP_EXIT_USAGE;
    osp_str by = osp_cli_given(cli, "sort") ? osp_str_from(osp_cli_value(cli, "sort")) : S("cpu");
    if (!osp_ps_sort(&none, by)) {
        osp_buf known = osp_buf_of(1024);
        osp_ps_orders(&known);
        int status =
            osp_cli_usage(cli, "--sort: `%.*s` is no column; there are %.*s", STRF(by), STRF(osp_buf_str(&known)));
        osp_buf_drop(&known);
        return status;
    }
    return show(cli, seconds, by);
}

const osp_command osp_command_ps = {
    .name = "ps",
    .args = "",
    .summary = "list Go processes: CPU, goroutines, memory",
    .examples = (const char *const[]){"ps", "ps -s goroutines", "ps -a --json", NULL},
    .options = options,
    .run = cmd_ps,
};
