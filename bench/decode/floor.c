/* SPDX-License-Identifier: Apache-2.0 */
/* The floor under any decoder:  floor FILE.pb.gz
 * Unpacks the profile and reads every varint in it once, and does nothing with them but add them up. */
#include "base/file.h"
#include "wire/wire.h"

#include <stdio.h>

/* By message: which fields hold messages (as a bit), and which hold packed numbers. */
enum { PROFILE, SAMPLE, FLAT, LOCATION, KINDS };
static const struct {
    unsigned messages, numbers;
    uint8_t kind[16];
} shape[KINDS] = {
    [PROFILE] = {1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 11,
                 1 << 13,
                 {[1] = FLAT, [2] = SAMPLE, [3] = FLAT, [4] = LOCATION, [5] = FLAT, [11] = FLAT}},
    [SAMPLE] = {1 << 3, 1 << 1 | 1 << 2, {[3] = FLAT}},
    [FLAT] = {0, 0, {0}},
    [LOCATION] = {1 << 4, 0, {[4] = FLAT}},
};

typedef struct {
    const uint8_t *at, *end;
    int kind;
} level;

int main(int argc, char **argv)
{
    osp_err err;
    osp_file file;
    osp_span in;
    if (argc < 2 || !osp_file_open(argv[1], SIZE_MAX / 2, &file, &err) ||
        !osp_unpack(file.bytes, osp_unpack_limit(file.bytes.n), &in, &err)) {
        fprintf(stderr, "floor: %s\n", argc < 2 ? "which file?" : err.msg);
        return 1;
    }
    uint64_t sum = 0, varints = 0;
    level stack[4] = {{in.p, in.p + in.n, PROFILE}};
    int depth = 0;
    while (depth >= 0) {
        level *l = &stack[depth];
        if (l->at >= l->end) {
            depth--;
            continue;
        }
        uint64_t key, v;
        const uint8_t *p = osp_pb_varint(l->at, l->end, &key);
        if (!p || !(p = osp_pb_varint(p, l->end, &v)))
            return 1;
        varints += 2;
        sum += v;
        uint64_t field = key >> 3 & 15;
        if ((key & 7) != OSP_PB_BYTES) {
            l->at = p;
            continue;
        }
        l->at = p + v;
        if (shape[l->kind].messages >> field & 1) {
            stack[++depth] = (level){p, p + v, shape[l->kind].kind[field]};
        } else if (shape[l->kind].numbers >> field & 1) {
            for (const uint8_t *end = p + v; p && p < end; varints++) {
                p = osp_pb_varint(p, end, &v);
                sum += v;
            }
        }
    }
    printf("%zu bytes, %llu varints, sum %llu\n", in.n, (unsigned long long)varints, (unsigned long long)sum);
    return 0;
}
