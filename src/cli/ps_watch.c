/* SPDX-License-Identifier: Apache-2.0 */
/* Two looks at the processes of the machine, joined by pid and start time. */
#include "cli/ps_watch.h"

#include "base/clock.h"

#include <stdlib.h>

static const size_t LIMIT = 256 << 20;

/* A look, kept to be compared with. */
typedef struct {
    osp_arena arena;
    osp_process_row *row;
    uint32_t n;
    int64_t *goroutines; /* of each row; NULL = not counted */
    uint64_t at_ns;
} look;

struct osp_ps_watch {
    osp_go_survey *survey;
    look before;
};

osp_ps_watch *osp_ps_watch_new(osp_err *err)
{
    osp_ps_watch *w = calloc(1, sizeof *w);
    if (!w) {
        osp_fail_memory(err, "listing processes");
        return NULL;
    }
    w->survey = osp_go_survey_new(err);
    if (!w->survey) {
        free(w);
        return NULL;
    }
    osp_arena_init(&w->before.arena, LIMIT);
    return w;
}

void osp_ps_watch_drop(osp_ps_watch *w)
{
    if (!w)
        return;
    osp_go_survey_drop(w->survey);
    osp_arena_drop(&w->before.arena);
    free(w);
}

static bool read_look(int pid, look *l, osp_err *err)
{
    osp_arena_init(&l->arena, LIMIT);
    l->at_ns = osp_monotonic_ns();
    if (!pid)
        return osp_processes_read(&l->arena, &l->row, &l->n, err);
    l->row = osp_new(&l->arena, osp_process_row, 1);
    l->n = 1;
    return l->row ? osp_process_row_read(pid, &l->arena, l->row, err) : osp_fail_memory(err, "reading a process");
}

bool osp_ps_watch_begin(osp_ps_watch *w, bool goroutines, osp_err *err)
{
    look now = {0};
    bool ok = read_look(0, &now, err);
    now.goroutines = ok && goroutines ? osp_new(&now.arena, int64_t, now.n) : NULL;
    for (uint32_t i = 0; now.goroutines && i < now.n; i++) {
        osp_go_brief brief;
        osp_go_survey_look(w->survey, now.row[i].pid, &now.arena, &brief);
        now.goroutines[i] = brief.goroutines;
    }
    osp_arena_drop(&w->before.arena);
    w->before = now;
    return ok;
}

/* The same process in the look before, if it was there. */
static const osp_process_row *row_before(const look *l, const osp_process_row *now)
{
    uint32_t from = 0, to = l->n;
    while (from < to) {
        uint32_t mid = from + (to - from) / 2;
        if (l->row[mid].pid < now->pid)
            from = mid + 1;
        else
            to = mid;
    }
    bool same = from < l->n && l->row[from].pid == now->pid && l->row[from].start_ns == now->start_ns;
    return same ? &l->row[from] : NULL;
}

static double cores_of(const osp_process_row *now, const osp_process_row *then, double seconds)
{
    if (seconds < OSP_PS_SHORTEST_S)
        return -1;
    if (!then)
        return (double)now->cpu_ns / 1e9 / seconds;
    double wall = (double)(now->read_ns - then->read_ns);
    return wall > 0 && now->cpu_ns > then->cpu_ns ? (double)(now->cpu_ns - then->cpu_ns) / wall : 0;
}

/* Count it, and fill in what only its memory and its group tell; false if it is not to be shown. */
static bool fill_row(osp_ps *ps, osp_go_survey *survey, bool all, osp_arena *a, osp_ps_row *r)
{
    osp_go_survey_look(survey, r->process.pid, a, &r->go);
    osp_code code = r->go.why.code;
    bool forbidden = !r->go.is_go && code != OSP_OK && code != OSP_EABSENT && code != OSP_ELIMIT;
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

static void copy_texts(osp_process_row *r, osp_arena *a)
{
    r->name = osp_arena_str(a, r->name);
    r->exe = osp_arena_str(a, r->exe);
}

static bool compare(osp_ps_watch *w, const look *now, bool all, osp_arena *a, osp_ps *ps, osp_err *err)
{
    *ps = (osp_ps){.row = osp_new(a, osp_ps_row, now->n + 1), .now_ns = osp_clock_ns(CLOCK_BOOTTIME)};
    ps->seconds = w->before.n ? (double)(now->at_ns - w->before.at_ns) / 1e9 : 0;
    if (!ps->row)
        return osp_fail_memory(err, "listing processes");
    for (uint32_t i = 0; i < now->n; i++) {
        osp_ps_row *r = &ps->row[ps->n];
        const osp_process_row *then = row_before(&w->before, &now->row[i]);
        *r = (osp_ps_row){.process = now->row[i], .cores = cores_of(&now->row[i], then, ps->seconds)};
        if (!fill_row(ps, w->survey, all, a, r))
            continue;
        copy_texts(&r->process, a);
        const int64_t *counted = then ? w->before.goroutines : NULL;
        if (counted && counted[then - w->before.row] >= 0 && r->go.goroutines >= 0)
            r->more_goroutines = r->go.goroutines - counted[then - w->before.row];
        ps->n++;
    }
    return true;
}

bool osp_ps_watch_look(osp_ps_watch *w, bool all, int pid, osp_arena *a, osp_ps *out, osp_err *err)
{
    look now = {0};
    if (!read_look(pid, &now, err) || !compare(w, &now, all || pid, a, out, err)) {
        osp_arena_drop(&now.arena);
        return false;
    }
    osp_arena_drop(&w->before.arena);
    w->before = now;
    return true;
}
