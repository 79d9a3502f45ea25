/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/go_target.h"

#include "base/clock.h"

bool osp_go_target_open(const osp_cli *cli, osp_go_target *out, int *status)
{
    osp_err err;
    *out = (osp_go_target){0};
    if (!osp_image_operand_open(cli, &out->in, status))
        return false;
    out->go = osp_go_open(&out->in.image, out->in.objects, &err);
    *status = out->go ? OSP_EXIT_DONE : osp_cli_fail(&err);
    return out->go != NULL;
}

void osp_go_target_drop(osp_go_target *t)
{
    osp_go_close(t->go);
    osp_image_operand_drop(&t->in);
}

void osp_go_target_title(const osp_go_target *t, osp_buf *out)
{
    osp_buf_fmt(out, "%.*s, %.*s", STRF(t->in.whose), STRF(osp_go_version(t->go)));
}

void osp_wait_until(uint64_t monotonic_ns, const volatile sig_atomic_t *stop)
{
    enum { STEP_NS = 200000000 }; /* a signal may come just before we sleep */
    for (uint64_t now; !*stop && (now = osp_monotonic_ns()) < monotonic_ns;) {
        uint64_t left = monotonic_ns - now < STEP_NS ? monotonic_ns - now : STEP_NS;
        nanosleep(&(struct timespec){.tv_nsec = (long)left}, NULL);
    }
}
