/* SPDX-License-Identifier: Apache-2.0 */
/* pprof's own form: a protobuf message, see room pprof. It has no magic number, but a text that can be walked as fields 1
 * to 15 of the right wire types to the end of the head has yet to be found. */
#include "format/format.h"
#include "pprof/pprof.h"

static bool right_type(uint64_t field, osp_pb_type type)
{
    if (field == 0 || field > 15)
        return field > 15;
    if (field == 13)
        return type == OSP_PB_VARINT || type == OSP_PB_BYTES;
    bool number = (field >= 7 && field <= 10) || field == 12 || field >= 14;
    return type == (number ? OSP_PB_VARINT : OSP_PB_BYTES);
}

static osp_sniffed sniff(osp_str head, size_t size)
{
    osp_pb m = osp_pb_on(osp_str_bytes(head));
    size_t known = 0;
    while (osp_pb_next(&m)) {
        if (!right_type(m.field, m.type))
            return known > 1 ? OSP_MAYBE_MINE : OSP_NOT_MINE;
        known += m.field <= 15;
    }
    if (!m.why)
        return known ? OSP_MINE : OSP_MAYBE_MINE;
    /* The last field may reach past the head. */
    bool cut = size != head.n && (m.end - m.at < 20 || (*m.at & 7) == OSP_PB_BYTES);
    return known < 2 ? OSP_NOT_MINE : cut ? OSP_MINE : OSP_MAYBE_MINE;
}

static osp_profile *read_profile(osp_input *in, osp_err *err) { return osp_pprof_decode(&in->file, 0, err); }

static bool write_profile(const osp_profile *p, uint32_t value, osp_buf *out, osp_err *err)
{
    (void)value;
    return osp_pprof_encode(p, out, err);
}

const osp_format osp_format_pprof = {
    .name = "pprof",
    .summary = "pprof protobuf",
    .ending = ".pb .pprof .prof",
    .sniff = sniff,
    .read = read_profile,
    .write = write_profile,
};
