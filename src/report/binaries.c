/* SPDX-License-Identifier: Apache-2.0 */
/* binaries.c: the object files behind a profile's mappings, for reports that show code. */
#include "report/binaries.h"

#include <stdlib.h>

bool osp_binaries_init(osp_binaries *b, const osp_profile *p, const osp_report_opts *o, osp_err *err)
{
    *b = (osp_binaries){.profile = p, .opts = o};
    b->row = calloc(p->mappings.n + (size_t)1, sizeof *b->row);
    return b->row || osp_fail_memory(err, "opening binaries");
}

void osp_binaries_drop(osp_binaries *b)
{
    free(b->row);
    *b = (osp_binaries){0};
}

osp_object *osp_binaries_object(osp_binaries *b, osp_mapping_id m, osp_buf *notes)
{
    if (m.i == 0 || m.i >= b->profile->mappings.n)
        return NULL;
    osp_binary *row = &b->row[m.i];
    if (row->asked)
        return row->object;
    osp_err err = {0};
    row->asked = true;
    if (b->opts->object_of)
        row->object = b->opts->object_of(b->opts->object_ctx, m, &err);
    else
        osp_fail(&err, OSP_EABSENT, "nobody knows the files of mappings");
    if (!row->object) {
        osp_buf_fmt(notes, "%s\n", err.msg);
        return NULL;
    }
    const osp_mapping *map = &b->profile->mappings.row[m.i];
    /* A mapping that begins nowhere is one that was made up: addresses are the file's own. */
    if (map->start && !osp_object_bias(row->object, map->start, map->offset, &row->bias, &err))
        row->bias = 0;
    return row->object;
}

osp_str osp_binaries_go_release(void *binaries)
{
    osp_binaries *b = binaries;
    osp_buf ignored = osp_buf_of(0); /* a file that is not here says nothing */
    for (uint32_t i = 1; i < b->profile->mappings.n; i++) {
        osp_object *o = osp_binaries_object(b, (osp_mapping_id){i}, &ignored);
        osp_go_info go;
        if (o && osp_object_go(o, &go) && go.version.n)
            return go.version;
    }
    return S("");
}

osp_mapping_id osp_binaries_mapping_at(const osp_binaries *b, uint64_t addr)
{
    for (uint32_t i = 1; i < b->profile->mappings.n; i++) {
        const osp_mapping *m = &b->profile->mappings.row[i];
        if (addr >= m->start && (addr < m->limit || m->limit == 0))
            return (osp_mapping_id){i};
    }
    return (osp_mapping_id){0};
}

bool osp_address_of(osp_str s, uint64_t *out)
{
    static const struct {
        const char *prefix;
        unsigned base;
    } form[] = {{"0x", 16}, {"0X", 16}, {"0b", 2}, {"0B", 2}, {"0o", 8}, {"0O", 8}, {"0", 8}, {"", 10}};
    if (osp_str_eq(s, S("0")))
        return osp_str_u64(s, 10, out);
    for (size_t i = 0; i < sizeof form / sizeof *form; i++)
        if (osp_str_starts(s, osp_str_from(form[i].prefix)))
            return osp_str_u64(osp_str_skip(s, strlen(form[i].prefix)), form[i].base, out);
    return false;
}
