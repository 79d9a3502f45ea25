/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/goroutines_screen.h"

void osp_goroutines_table(const osp_cli *cli, osp_inspect *in, const osp_goroutine_list *l,
                          const osp_goroutine_groups *groups, osp_buf *out)
{
    osp_paint(cli, out, OSP_BOLD, "%.*s: %u goroutines, %u groups", STRF(osp_inspect_image(in)->name),
              groups->ngoroutine, groups->n);
    osp_buf_fmt(out, ", read in %.0f ms without stopping it\n\n", (double)l->took_ns / 1e6);
    for (uint32_t i = 0; i < groups->n; i++) {
        const osp_goroutine_group *g = &groups->row[i];
        const osp_goroutine *first = &l->g[g->member[0]];
        const osp_spot *place = osp_goroutine_place(in, l, first), *by = osp_goroutine_creator(in, first);
        osp_str reason = first->status == OSP_G_WAITING
                             ? osp_go_waitreason_text(osp_inspect_go(in), first->waitreason)
                             : osp_go_status_text(first->status);
        osp_paint(cli, out, OSP_PLAIN, "%7u  %-24.*s  %-40.*s  %.*s", g->n, STRF(reason),
                  STRF(place ? place->func : S("–")), STRF(by ? by->func : S("–")));
        osp_buf_byte(out, '\n');
    }
}
