/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel tells of processes: records as they stand in a perf ring {type u32, misc u16, size u16 with these 8 bytes,
 * body, pid u32, tid u32, time u64}, told to a table that follows process 1 and its children. No text may reach behind its
 * record, and mappings stay in order. */
#include "sample/sample_internal.h"

#include "base/cur.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void each(void *ctx, const osp_birth *b)
{
    osp_subjects *t = ctx;
    if (b->text.n > 65536 || (b->text.n && memchr(b->text.p, 0, b->text.n)))
        abort();
    osp_birth one = *b;
    one.pid = b->pid & 7; /* so that they meet */
    one.parent = b->parent & 7;
    osp_subjects_tell(t, &one);
    const osp_subject *s = osp_subjects_now(t, one.pid);
    for (size_t i = 1; s && i < s->ntold; i++)
        if (s->told[i].start < s->told[i - 1].end)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    osp_err err;
    osp_objects *objects = osp_objects_new(NULL);
    osp_births *births = osp_births_new(&err);
    osp_subjects *subjects = objects && births ? osp_subjects_new(objects, true, false, &err) : NULL;
    const osp_raw_sample of_one = {.pid = 1};
    if (!subjects || !osp_subjects_of_sample(subjects, &of_one))
        abort();
    osp_cur c = osp_cur_on((osp_span){bytes, n}, "records", &err);
    for (int i = 0; i < 256 && c.at < n && !c.bad; i++) {
        uint32_t type = osp_cur_u32(&c), size = osp_cur_u32(&c);
        uint32_t misc = size & 0xffff;
        size >>= 16;
        size_t body = size < 8 ? 0 : size - 8u < n - c.at ? size - 8u : n - c.at;
        osp_births_hear(births, type, misc, osp_cur_bytes(&c, body));
    }
    osp_births_drain(births, each, subjects);
    osp_subjects_told_all(subjects);
    osp_subjects_drop(subjects);
    osp_births_close(births);
    osp_objects_drop(objects);
    return 0;
}
