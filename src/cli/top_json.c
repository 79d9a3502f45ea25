/* SPDX-License-Identifier: Apache-2.0 */
/* `osprey top --json`: the rows of every view. */
#include "base/clock.h"
#include "cli/top_screen.h"

static const size_t ROWS_LIMIT = 512 << 20;

static void put_row(osp_json *j, osp_top_view view, bool wait, const osp_top_row *r)
{
    osp_json_object(j, NULL);
    if (view == OSP_TOP_THREADS) {
        osp_json_int(j, "tid", r->tid);
        osp_json_num(j, "queue_cores", r->queue);
    }
    osp_json_str(j, "name", r->name);
    if (view == OSP_TOP_FUNCTIONS) {
        osp_json_str(j, "file", r->file);
        osp_json_str(j, "origin", osp_str_from(osp_top_origin(r->kind)));
        osp_json_num(j, "self_cores", r->self);
    } else if (view != OSP_TOP_THREADS && r->goroutines) {
        osp_json_uint(j, "goroutines_seen", r->goroutines);
    }
    osp_json_num(j, "cpu_cores", r->total);
    if (wait)
        osp_json_num(j, "waiting", r->wait);
    if (r->most.n)
        osp_json_str(j, "most_in", r->most);
    if (r->reason.n)
        osp_json_str(j, "waits_for", r->reason);
    osp_json_end(j);
}

bool osp_top_json(const osp_top_head *head, const osp_top_model *m, const osp_top_thread *thread, uint32_t nthread,
                  osp_buf *out, osp_err *err)
{
    static const struct {
        osp_top_view view;
        const char *key;
    } part[] = {{OSP_TOP_FUNCTIONS, "functions"},
                {OSP_TOP_THREADS, "threads"},
                {OSP_TOP_GROUPS, "groups"},
                {OSP_TOP_REASONS, "reasons"}};
    const osp_top_sum *sum = &head->sum;
    osp_json j = osp_json_on(out);
    bool ok = true;
    osp_json_object(&j, NULL);
    osp_json_str(&j, "schema", S("osprey.top/1"));
    if (head->process)
        osp_ps_json_row(&j, "process", osp_clock_ns(CLOCK_BOOTTIME), head->process);
    osp_json_num(&j, "sampled_s", sum->seconds);
    osp_json_uint(&j, "samples", sum->samples);
    osp_json_uint(&j, "whole", sum->whole);
    osp_json_uint(&j, "lost", sum->lost);
    osp_json_uint(&j, "hz", sum->hz);
    osp_json_uint(&j, "goroutines_not_looked_at", sum->unseen);
    osp_json_str(&j, "gave_up", sum->gave_up);
    osp_json_str(&j, "note", head->note);
    for (size_t i = 0; ok && i < sizeof part / sizeof *part; i++) {
        osp_arena a;
        osp_top_row *row;
        uint32_t n;
        osp_arena_init(&a, ROWS_LIMIT);
        const osp_top_question q = {.view = part[i].view, .filter = S(""), .thread = thread, .nthread = nthread};
        ok = osp_top_rows(m, &q, &a, &row, &n, err);
        osp_json_array(&j, part[i].key);
        for (uint32_t k = 0; ok && k < n; k++)
            put_row(&j, part[i].view, sum->has_wait, &row[k]);
        osp_json_end(&j);
        osp_arena_drop(&a);
    }
    osp_json_end(&j);
    return ok;
}
