/* SPDX-License-Identifier: Apache-2.0 */
/* From a recording with names to a slice: which stack, thread and goroutine, how long. */
#include "cli/frames.h"
#include "cli/top_model.h"

static const size_t SLICE_LIMIT = 512 << 20;

typedef struct {
    const osp_profile *p;
    osp_arena *a;
} reading;

/* What is waited for: "chan receive"; where nothing more is known the state, "runnable". */
static osp_str reason_of(const reading *r, osp_labelset_id set)
{
    osp_str reason = osp_label_text(r->p, set, S("reason"));
    return osp_arena_str(r->a, reason.n ? reason : osp_label_text(r->p, set, S("state")));
}

static bool read_samples(reading *r, const osp_recording *rec, osp_top_slice *out)
{
    const osp_profile *p = r->p;
    const int64_t *cpu = osp_profile_column(p, S("cpu")), *wait = osp_profile_column(p, S("wait"));
    if (!wait)
        wait = osp_profile_column(p, S("blocked")); /* of threads */
    const osp_frames *frames;
    osp_top_stack *row = osp_new(r->a, osp_top_stack, p->samples.n + 1);
    if (!row || !osp_frames_read(rec, p, r->a, &frames))
        return false;
    for (uint32_t i = 0; i < p->samples.n; i++) {
        const osp_frames *f = &frames[p->samples.stack[i].i];
        row[i] = (osp_top_stack){.call = f->call,
                                 .ncall = f->n,
                                 .tid = (int)osp_label_number(p, p->samples.labels[i], S("tid")),
                                 .goid = (uint64_t)osp_label_number(p, p->samples.labels[i], S("goroutine")),
                                 .cpu_ns = cpu ? (double)cpu[i] : 0,
                                 .wait_ns = wait ? (double)wait[i] : 0,
                                 .reason = wait && wait[i] ? reason_of(r, p->samples.labels[i]) : S("")};
        if (!row[i].reason.p)
            return false;
    }
    out->stack = row;
    out->nstack = p->samples.n;
    out->has_wait = wait != NULL;
    return true;
}

bool osp_top_slice_of(const osp_recording *rec, const osp_profile *named, osp_top_slice *out, osp_err *err)
{
    const osp_sample_stats *s = &rec->stats;
    *out = (osp_top_slice){.seconds = (double)s->duration_ns / 1e9,
                           .samples = s->taken,
                           .whole = s->ended[OSP_END_ROOT],
                           .lost = s->lost,
                           .hz = s->hz,
                           .unseen = s->wait.unreached};
    osp_arena_init(&out->arena, SLICE_LIMIT);
    reading r = {.p = named, .a = &out->arena};
    out->gave_up = osp_arena_str(&out->arena, osp_str_from(s->gave_up));
    if (read_samples(&r, rec, out) && out->gave_up.p)
        return true;
    osp_top_slice_drop(out);
    return osp_fail_memory(err, "reading samples");
}

void osp_top_slice_drop(osp_top_slice *s)
{
    osp_arena_drop(&s->arena);
    *s = (osp_top_slice){0};
}
