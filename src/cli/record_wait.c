/* SPDX-License-Identifier: Apache-2.0 */
/* What `record -e wait` says of how goroutines waited, and how exact that is. */
#include "cli/cli_internal.h"

#include <math.h>

static double rate_hz(const osp_wait_stats *w)
{
    return w->duration_ns ? (double)w->passes * 1e9 / (double)w->duration_ns : 0;
}

/* The standard error of a wait that fills half of the time, in percent of the whole: the largest there is. */
static double error_pct(const osp_wait_stats *w) { return w->passes ? 50 / sqrt((double)w->passes) : 100; }

/* What a reader must know to believe the numbers; each line begins with `indent` blanks. */
static void add_doubts(osp_buf *out, const osp_wait_stats *w, int indent)
{
    if (w->by_exact)
        osp_buf_fmt(out,
                    "%*swaits are exact: %llu of them ended, by %llu traps in the program, about %.1f us each: %.2f "
                    "%% of a CPU\n",
                    indent, "", (unsigned long long)w->exact.waits, (unsigned long long)w->exact.hits,
                    (double)w->exact.hit_ns / 1e3,
                    w->duration_ns ? 100.0 * (double)w->exact.hits * (double)w->exact.hit_ns / (double)w->duration_ns
                                   : 0);
    if (w->exact.lost)
        osp_buf_fmt(out, "%*s%llu waits found no room and are missing\n", indent, "",
                    (unsigned long long)w->exact.lost);
    if (w->late)
        osp_buf_fmt(out,
                    "%*s%u goroutines are many: not each was looked at as often as due, within 2 ms of CPU time\n",
                    indent, "", w->goroutines);
    if (w->unreached)
        osp_buf_fmt(out,
                    "%*s%u goroutines were not looked at once, and are not in the profile: record longer with -d\n",
                    indent, "", w->unreached);
    if (!w->by_goroutine)
        osp_buf_fmt(out, "%*stoo many goroutines to tell them apart: no label goroutine\n", indent, "");
    if (w->normal_priority)
        osp_buf_fmt(out,
                    "%*sreal-time priority was refused (CAP_SYS_NICE): on busy CPUs waits read up to 2 %% high\n",
                    indent, "");
    if (w->missed)
        osp_buf_fmt(out, "%*s%llu looks left out: osprey had no CPU, or too much to do\n", indent, "",
                    (unsigned long long)w->missed);
    if (w->lost)
        osp_buf_fmt(out, "%*s%llu sightings lost for want of memory\n", indent, "", (unsigned long long)w->lost);
}

void osp_wait_summary(osp_buf *out, const osp_cli *cli, int indent, const osp_wait_stats *w)
{
    osp_buf_fmt(out, "%llu looks at the goroutines", (unsigned long long)w->passes);
    if (w->processes > 1)
        osp_buf_fmt(out, " of each of %u processes", w->processes);
    osp_buf_fmt(out, " in %.1f s, %.0f Hz, ±%.1f %% on a wait of half the time\n", (double)w->duration_ns / 1e9,
                rate_hz(w), error_pct(w));
    uint32_t shown = w->nrow < 8 || osp_cli_given(cli, "cost") ? w->nrow : 8;
    for (uint32_t i = 0; i < shown; i++) {
        const osp_wait_row *r = &w->row[i];
        osp_buf_fmt(out, "%*s%-10s%-44s%10.2f s ± %.2f\n", indent, "", r->state, r->reason, r->seconds, r->error_s);
    }
    uint64_t stacks = 0;
    for (int e = 0; e < OSP_END_REASONS; e++)
        stacks += w->ended[e];
    osp_buf_fmt(out, "%*sstacks %.4g %% complete", indent, "",
                stacks ? 100.0 * (double)w->ended[OSP_END_ROOT] / (double)(stacks + w->torn) : 100);
    for (int e = OSP_END_ROOT + 1; e < OSP_END_REASONS; e++)
        if (w->ended[e])
            osp_buf_fmt(out, ", %llu cut: %s", (unsigned long long)w->ended[e],
                        osp_unwind_end_text((osp_unwind_end)e));
    if (w->torn)
        osp_buf_fmt(out, ", %llu cut: it ran on while it was read", (unsigned long long)w->torn);
    osp_buf_byte(out, '\n');
    add_doubts(out, w, indent);
    if (osp_cli_given(cli, "cost"))
        osp_buf_fmt(out,
                    "%*scost: %.2f ms of CPU time a look, %.2f ms the longest, %.2f ms a second; %.1f %% of the "
                    "stacks read\n",
                    indent, "", (double)w->cpu_ns / 1e6 / (double)(w->passes ? w->passes : 1),
                    (double)w->slowest_ns / 1e6,
                    w->duration_ns ? (double)w->cpu_ns / 1e6 / ((double)w->duration_ns / 1e9) : 0,
                    w->looked ? 100.0 * (double)w->unwound / (double)w->looked : 0);
}

void osp_wait_comment(osp_buf *out, const osp_wait_stats *w)
{
    osp_buf_fmt(out, "wait: %llu looks at the goroutines (±%.1f %% on a wait of half the time)",
                (unsigned long long)w->passes, error_pct(w));
    for (uint32_t i = 0; i < w->nrow && i < 8; i++)
        osp_buf_fmt(out, "%s%s%s%s %.2f s ±%.2f", i ? ", " : ": ", w->row[i].state, w->row[i].reason[0] ? " " : "",
                    w->row[i].reason, w->row[i].seconds, w->row[i].error_s);
    osp_buf doubts = osp_buf_of(4096);
    add_doubts(&doubts, w, 0);
    for (osp_str rest = osp_buf_str(&doubts), line; rest.n;) {
        line = osp_str_cut(&rest, '\n');
        osp_buf_fmt(out, "; %.*s", STRF(line));
    }
    osp_buf_drop(&doubts);
}

void osp_ended_json(osp_json *j, const uint64_t ended[OSP_END_REASONS])
{
    osp_json_uint(j, "complete", ended[OSP_END_ROOT]);
    osp_json_object(j, "truncated");
    for (int e = OSP_END_ROOT + 1; e < OSP_END_REASONS; e++)
        osp_json_uint(j, osp_unwind_end_text((osp_unwind_end)e), ended[e]);
    osp_json_end(j);
}

void osp_wait_json(osp_json *j, const osp_wait_stats *w)
{
    osp_json_object(j, "wait");
    osp_json_uint(j, "processes", w->processes);
    osp_json_uint(j, "looks", w->passes);
    osp_json_uint(j, "looks_missed", w->missed);
    osp_json_uint(j, "duration_ns", w->duration_ns);
    osp_json_num(j, "standard_error_of_50_percent", error_pct(w) / 100);
    osp_json_uint(j, "goroutines_listed", w->goroutines);
    osp_json_uint(j, "goroutines_looked_at", w->looked);
    osp_json_bool(j, "late", w->late);
    osp_json_uint(j, "unreached", w->unreached);
    osp_json_uint(j, "stacks_read", w->unwound);
    osp_json_uint(j, "torn", w->torn);
    osp_json_uint(j, "unreadable", w->unread);
    osp_json_uint(j, "lost", w->lost);
    osp_ended_json(j, w->ended);
    osp_json_bool(j, "by_goroutine", w->by_goroutine);
    osp_json_bool(j, "real_time_priority", !w->normal_priority);
    osp_json_uint(j, "cpu_ns", w->cpu_ns);
    osp_json_uint(j, "slowest_look_ns", w->slowest_ns);
    osp_json_bool(j, "exact", w->by_exact);
    osp_json_uint(j, "traps", w->exact.hits);
    osp_json_uint(j, "trap_ns", w->exact.hit_ns);
    osp_json_uint(j, "waits_ended", w->exact.waits);
    osp_json_uint(j, "waits_lost", w->exact.lost);
    osp_json_array(j, "states");
    for (uint32_t i = 0; i < w->nrow; i++) {
        osp_json_object(j, NULL);
        osp_json_str(j, "state", osp_str_from(w->row[i].state));
        osp_json_str(j, "reason", osp_str_from(w->row[i].reason));
        osp_json_num(j, "seconds", w->row[i].seconds);
        osp_json_num(j, "standard_error", w->row[i].error_s);
        osp_json_end(j);
    }
    osp_json_end(j);
    osp_json_end(j);
}
