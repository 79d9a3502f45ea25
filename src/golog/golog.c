/* SPDX-License-Identifier: Apache-2.0 */
#include "golog/golog.h"

enum { LONGEST = 1 << 14 }; /* bytes of a line; a schedtrace of 1024 Ps has half of that */

/* ---- words --------------------------------------------------------------------------------------------------------- */

/* Cut what is expected off the line. */
static bool take(osp_str *s, const char *expected)
{
    osp_str e = osp_str_from(expected);
    if (!osp_str_starts(*s, e))
        return false;
    *s = osp_str_skip(*s, e.n);
    return true;
}

static bool take_whole(osp_str *s, uint64_t *out)
{
    size_t n = 0;
    while (n < s->n && osp_is_digit(s->p[n]))
        n++;
    if (!n || n > 18 || !osp_str_u64(osp_str_head(*s, n), 10, out))
        return false;
    *s = osp_str_skip(*s, n);
    return true;
}

/* Digits with a point among them; longer ones than the runtime prints are none. */
static bool take_number(osp_str *s, double *out)
{
    uint64_t whole, part = 0;
    double scale = 1;
    if (!take_whole(s, &whole))
        return false;
    if (s->n && *s->p == '.') {
        osp_str rest = osp_str_skip(*s, 1);
        size_t before = rest.n;
        if (!take_whole(&rest, &part))
            return false;
        for (size_t i = rest.n; i < before; i++)
            scale *= 10;
        *s = rest;
    }
    *out = (double)whole + (double)part / scale;
    return true;
}

/* "0.5+0.3/0.1+2": numbers with these signs between them, in milliseconds. */
static bool take_times(osp_str *s, const char *signs, double *out)
{
    for (size_t i = 0;; i++) {
        if (!take_number(s, &out[i]))
            return false;
        out[i] /= 1e3;
        if (!signs[i])
            return true;
        if (!s->n || *s->p != signs[i])
            return false;
        *s = osp_str_skip(*s, 1);
    }
}

/* ---- gctrace ------------------------------------------------------------------------------------------------------- */

static bool take_megabytes(osp_str *s, uint64_t *out)
{
    uint64_t mb;
    if (!take_whole(s, &mb) || mb > UINT64_MAX >> 21)
        return false;
    *out = mb << 20;
    return true;
}

static bool gc_head(osp_str *s, osp_gc_line *g)
{
    uint64_t number, percent;
    if (!take(s, "gc ") || !take_whole(s, &number) || number > UINT32_MAX || !take(s, " @") ||
        !take_number(s, &g->at_s) || !take(s, "s ") || !take_whole(s, &percent) || percent > 100 || !take(s, "%: "))
        return false;
    g->number = (uint32_t)number;
    g->share = (double)percent / 100;
    return true;
}

/* Between the goal and the number of Ps stands what releases have added. */
static void gc_tail(osp_str s, osp_gc_line *g)
{
    while (s.n) {
        osp_str part = osp_str_cut(&s, ',');
        part = osp_str_trim(part);
        uint64_t n;
        if (take_whole(&part, &n) && n <= INT32_MAX &&
            (osp_str_eq(part, S(" P")) || osp_str_starts(part, S(" P ")))) {
            g->procs = (int32_t)n;
            g->forced = osp_str_has(part, S("(forced)"));
        }
    }
}

static bool gc_at(osp_str s, osp_gc_line *g)
{
    double clock[3], cpu[5];
    *g = (osp_gc_line){0};
    if (!gc_head(&s, g) || !take_times(&s, "++", clock) || !take(&s, " ms clock, ") || !take_times(&s, "+//+", cpu) ||
        !take(&s, " ms cpu, ") || !take_megabytes(&s, &g->before_bytes) || !take(&s, "->") ||
        !take_megabytes(&s, &g->after_bytes) || !take(&s, "->") || !take_megabytes(&s, &g->live_bytes) ||
        !take(&s, " MB, ") || !take_megabytes(&s, &g->goal_bytes) || !take(&s, " MB goal"))
        return false;
    g->sweep_s = clock[0];
    g->mark_s = clock[1];
    g->term_s = clock[2];
    g->stopped_cpu_s = cpu[0] + cpu[4];
    g->assist_cpu_s = cpu[1];
    g->background_cpu_s = cpu[2];
    g->idle_cpu_s = cpu[3];
    gc_tail(s, g);
    return true;
}

/* Where a logger's words end, one does not know: each place at which it could begin is tried. */
static bool anywhere(osp_str line, const char *head, bool (*at)(osp_str s, void *out), void *out)
{
    line = osp_str_head(line, LONGEST);
    for (osp_str h = osp_str_from(head); line.n;) {
        size_t i = osp_str_find(line, h);
        if (i == line.n)
            return false;
        line = osp_str_skip(line, i);
        if (at(line, out))
            return true;
        line = osp_str_skip(line, 1);
    }
    return false;
}

static bool gc_here(osp_str s, void *out) { return gc_at(s, out); }

bool osp_gc_line_parse(osp_str line, osp_gc_line *out) { return anywhere(line, "gc ", gc_here, out); }

/* ---- schedtrace ---------------------------------------------------------------------------------------------------- */

/* The lengths of the Ps' queues, "[1 0 2]" or "[ 1 0 2 ]". */
static uint32_t queues(osp_str s)
{
    uint64_t sum = 0, n;
    size_t at = osp_str_find(s, S("["));
    s = osp_str_skip(s, at + 1);
    for (;;) {
        while (take(&s, " "))
            continue;
        if (!take_whole(&s, &n))
            break;
        sum += n;
    }
    return sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
}

static bool sched_here(osp_str s, void *out)
{
    osp_sched_line *l = out;
    uint64_t ms, v;
    *l = (osp_sched_line){0};
    struct {
        const char *name;
        int32_t *to;
    } field[] = {{"gomaxprocs", &l->gomaxprocs},
                 {"idleprocs", &l->idle_procs},
                 {"threads", &l->threads},
                 {"spinningthreads", &l->spinning},
                 {"idlethreads", &l->idle_threads}};
    if (!take(&s, "SCHED ") || !take_whole(&s, &ms) || !take(&s, "ms: gomaxprocs="))
        return false;
    l->at_s = (double)ms / 1e3;
    l->local_queues = queues(osp_str_skip(s, osp_str_find(s, S("runqueue="))));
    s = (osp_str){s.p - 11, s.n + 11}; /* once more, with the first name */
    while (s.n) {
        osp_str word = osp_str_cut(&s, ' ');
        osp_str name = osp_str_cut(&word, '=');
        if (!take_whole(&word, &v) || v > INT32_MAX)
            continue;
        if (osp_str_eq(name, S("runqueue")))
            l->global_queue = (uint32_t)v;
        for (size_t i = 0; i < sizeof field / sizeof *field; i++)
            if (osp_str_eq(name, osp_str_from(field[i].name)))
                *field[i].to = (int32_t)v;
    }
    return l->gomaxprocs > 0;
}

bool osp_sched_line_parse(osp_str line, osp_sched_line *out) { return anywhere(line, "SCHED ", sched_here, out); }

/* ---- a text -------------------------------------------------------------------------------------------------------- */

bool osp_golog_read(osp_str text, osp_arena *a, osp_golog *out, osp_err *err)
{
    osp_gc_line gc;
    osp_sched_line sched;
    uint32_t ngc = 0, nsched = 0;
    *out = (osp_golog){0};
    for (osp_str rest = text; rest.n;) {
        osp_str line = osp_str_cut(&rest, '\n');
        ngc += osp_gc_line_parse(line, &gc);
        nsched += osp_sched_line_parse(line, &sched);
    }
    out->gc = osp_new(a, osp_gc_line, ngc + 1);
    out->sched = osp_new(a, osp_sched_line, nsched + 1);
    if (!out->gc || !out->sched)
        return osp_fail_memory(err, "reading a log");
    for (osp_str rest = text; rest.n;) {
        osp_str line = osp_str_cut(&rest, '\n');
        out->ngc += osp_gc_line_parse(line, &out->gc[out->ngc]);
        out->nsched += osp_sched_line_parse(line, &out->sched[out->nsched]);
    }
    return true;
}
