/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes in one form; what is read is written in every form that can be, and the folded stacks of it are read again
 * with the same sum. */
#ifndef OSP_FUZZ_READ_FORMAT_H
#define OSP_FUZZ_READ_FORMAT_H

#include "format/format.h"

#include <stdlib.h>

static inline osp_profile *fuzz_read(osp_span bytes, const char *form, osp_err *err)
{
    uint8_t *copy = malloc(bytes.n + 1);
    if (!copy)
        abort();
    if (bytes.n)
        memcpy(copy, bytes.p, bytes.n);
    osp_file file = {{copy, bytes.n}, false};
    osp_details details = {0};
    osp_read_opts opts = {.as = osp_format_named(osp_str_from(form)), .unpack_limit = 1 << 22, .details = &details};
    if (!opts.as)
        abort();
    osp_found found;
    osp_profile *p = osp_format_read(&file, &opts, &found, err);
    osp_details_drop(&details);
    return p;
}

static inline int fuzz_format(const uint8_t *bytes, size_t n, const char *form)
{
    osp_err err = {0};
    if (n > 1 << 20)
        return 0;
    osp_format_named(osp_str_from(form))->sniff(osp_str_head((osp_str){(const char *)bytes, n}, OSP_SNIFF_BYTES), n);
    osp_profile *p = fuzz_read((osp_span){bytes, n}, form, &err);
    if (!p && !err.msg[0])
        abort();
    for (size_t i = 0; p && osp_formats[i]; i++) {
        osp_buf out = osp_buf_of(1 << 24);
        if (osp_formats[i]->write && p->values.n &&
            !osp_format_write(osp_formats[i], p, p->values.n - 1, OSP_PACK_NONE, &out, &err) && !err.msg[0])
            abort();
        osp_buf_drop(&out);
    }
    osp_profile_drop(p);
    return 0;
}

#endif
