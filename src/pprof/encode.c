/* SPDX-License-Identifier: Apache-2.0 */
/* Writes profile.proto (its layout stands in decode.c) the way the peer does: fields in order of their numbers,
 * numbers that repeat packed when there are more than two. The string table is written as it is, so indices stay.
 * Stacks are copied as the profile has them, label sets are encoded once each. */
#include "pprof/pprof.h"

#include <stdlib.h>

/* From here on packing as tightly as usual takes three times as long as all else, for a fourth less. */
enum { LARGE = 4 << 20 };

/* Encoded rows one behind the other. */
typedef struct {
    osp_buf bytes;
    size_t *first; /* n + 1 */
} encoded;

static osp_str encoded_at(const encoded *e, uint32_t i)
{
    size_t n = e->first[i + 1] - e->first[i];
    return n ? (osp_str){e->bytes.p + e->first[i], n} : S("");
}

static uint64_t location_id(const osp_profile *p, uint32_t i)
{
    return p->locations.wire_id ? p->locations.wire_id[i] : (uint64_t)i + 1;
}

static uint64_t mapping_id(const osp_profile *p, uint32_t i)
{
    return p->mappings.wire_id ? p->mappings.wire_id[i] : i;
}

/* Stacks with the ids that are to be written: those of the profile, or translated. */
typedef struct {
    osp_arena arena;
    const uint8_t *const *packed;
    const uint32_t *size;
} wire_stacks;

static bool translate(const osp_profile *p, uint32_t s, osp_location_id *room, osp_buf *one, wire_stacks *out)
{
    const osp_stack stack = osp_stack_read(p, (osp_stack_id){s}, room);
    one->n = 0;
    for (uint32_t k = 0; k < stack.n; k++)
        osp_pb_put_varint(one, location_id(p, stack.loc[k].i));
    uint8_t *copy = osp_arena_take(&out->arena, one->n, 1, 1);
    if (!copy || one->failed || one->n > UINT32_MAX)
        return false;
    if (one->n)
        memcpy(copy, one->p, one->n);
    ((const uint8_t **)out->packed)[s] = copy;
    ((uint32_t *)out->size)[s] = (uint32_t)one->n;
    return true;
}

static bool make_wire_stacks(const osp_profile *p, osp_buf *one, wire_stacks *out)
{
    osp_arena_init(&out->arena, SIZE_MAX / 2);
    out->packed = p->stacks.packed;
    out->size = p->stacks.size;
    if (!p->locations.wire_id && !p->stacks.nborrowed)
        return true;
    osp_location_id *room = osp_stack_room(p);
    out->packed = osp_new(&out->arena, const uint8_t *, p->stacks.n);
    out->size = osp_new(&out->arena, uint32_t, p->stacks.n);
    bool ok = room && out->packed && out->size;
    for (uint32_t s = 0; ok && s < p->stacks.n; s++)
        ok = translate(p, s, room, one, out);
    free(room);
    return ok;
}

/* A sample's stack as it is on the wire. */
typedef struct {
    osp_str ids;
    bool packed; /* else one field for each */
    size_t size; /* with all keys */
} wire_stack;

static wire_stack wire_stack_at(const wire_stacks *all, uint32_t s)
{
    const uint32_t size = all->size[s];
    wire_stack w = {.ids = {(const char *)all->packed[s], size}, .packed = true};
    const size_t n = size > 2 * OSP_VARINT_MOST ? 3 : osp_packed_count(all->packed[s], size);
    w.packed = n > 2;
    w.size = w.packed ? 1 + osp_pb_varint_size(size) + size : n + size;
    return w;
}

static void put_wire_stack(osp_buf *out, const wire_stack *w)
{
    if (w->packed) {
        osp_pb_put_bytes(out, 1, w->ids);
        return;
    }
    for (size_t i = 0; i < w->ids.n; i++) {
        if (i == 0 || !(w->ids.p[i - 1] & 0x80))
            osp_pb_put_varint(out, 1 << 3 | OSP_PB_VARINT);
        osp_buf_byte(out, (uint8_t)w->ids.p[i]);
    }
}

static bool encode_labels(const osp_profile *p, encoded *e, osp_buf *one)
{
    e->bytes = osp_buf_of(SIZE_MAX / 2);
    e->first = calloc((size_t)p->labelsets.n + 1, sizeof *e->first);
    for (uint32_t i = 0; e->first && i < p->labelsets.n; i++) {
        for (uint32_t k = p->labelsets.first[i]; k < p->labelsets.first[i + 1]; k++) {
            const osp_label *l = &p->labelsets.label[k];
            one->n = 0;
            osp_pb_put_nonzero(one, 1, l->key.i);
            osp_pb_put_nonzero(one, 2, l->str.i);
            osp_pb_put_nonzero(one, 3, (uint64_t)l->num);
            osp_pb_put_nonzero(one, 4, l->unit.i);
            osp_pb_put_bytes(&e->bytes, 3, osp_buf_str(one));
        }
        e->first[i + 1] = e->bytes.n;
    }
    return e->first && !e->bytes.failed;
}

static void encode_samples(const osp_profile *p, const wire_stacks *stacks, const encoded *labels, osp_buf *out)
{
    const uint32_t ntype = p->values.n;
    for (uint32_t row = 0; row < p->samples.n; row++) {
        const wire_stack stack = wire_stack_at(stacks, p->samples.stack[row].i);
        osp_str set = encoded_at(labels, p->samples.labels[row].i);
        size_t size = 0;
        for (uint32_t t = 0; t < ntype; t++)
            size += osp_pb_varint_size((uint64_t)p->samples.value[t][row]);
        size_t values = ntype > 2 ? 1 + osp_pb_varint_size(size) + size : ntype + size;
        osp_pb_put_varint(out, 2 << 3 | OSP_PB_BYTES);
        osp_pb_put_varint(out, stack.size + values + set.n);
        put_wire_stack(out, &stack);
        if (ntype > 2) {
            osp_pb_put_varint(out, 2 << 3 | OSP_PB_BYTES);
            osp_pb_put_varint(out, size);
        }
        for (uint32_t t = 0; t < ntype; t++) {
            if (ntype <= 2)
                osp_pb_put_varint(out, 2 << 3 | OSP_PB_VARINT);
            osp_pb_put_varint(out, (uint64_t)p->samples.value[t][row]);
        }
        osp_buf_add(out, set);
    }
}

static void encode_value_type(osp_buf *out, osp_buf *one, uint32_t field, osp_value_type t)
{
    one->n = 0;
    osp_pb_put_nonzero(one, 1, t.type.i);
    osp_pb_put_nonzero(one, 2, t.unit.i);
    osp_pb_put_bytes(out, field, osp_buf_str(one));
}

static void encode_mapping(const osp_profile *p, uint32_t i, osp_buf *out, osp_buf *one)
{
    const osp_mapping *m = &p->mappings.row[i];
    one->n = 0;
    osp_pb_put_uint(one, 1, mapping_id(p, i));
    osp_pb_put_nonzero(one, 2, m->start);
    osp_pb_put_nonzero(one, 3, m->limit);
    osp_pb_put_nonzero(one, 4, m->offset);
    osp_pb_put_nonzero(one, 5, m->file.i);
    osp_pb_put_nonzero(one, 6, m->build_id.i);
    osp_pb_put_nonzero(one, 7, !!(m->has & OSP_HAS_FUNCTIONS));
    osp_pb_put_nonzero(one, 8, !!(m->has & OSP_HAS_FILES));
    osp_pb_put_nonzero(one, 9, !!(m->has & OSP_HAS_LINES));
    osp_pb_put_nonzero(one, 10, !!(m->has & OSP_HAS_INLINES));
    osp_pb_put_bytes(out, 3, osp_buf_str(one));
}

static void encode_location(const osp_profile *p, uint32_t i, osp_buf *out, osp_buf *one)
{
    one->n = 0;
    osp_pb_put_uint(one, 1, location_id(p, i));
    osp_pb_put_nonzero(one, 2, mapping_id(p, p->locations.mapping[i].i));
    osp_pb_put_nonzero(one, 3, p->locations.addr[i]);
    for (uint32_t k = p->locations.first[i]; k < p->locations.first[i + 1]; k++) {
        const osp_line *l = &p->locations.line[k];
        char space[36];
        osp_buf line = {.p = space, .cap = sizeof space, .max = sizeof space}; /* three varints: never grows */
        osp_pb_put_nonzero(&line, 1, l->fn.i);
        osp_pb_put_nonzero(&line, 2, (uint64_t)l->line);
        osp_pb_put_nonzero(&line, 3, (uint64_t)(int64_t)l->column);
        osp_pb_put_bytes(one, 4, osp_buf_str(&line));
    }
    osp_pb_put_nonzero(one, 5, p->locations.folded ? p->locations.folded[i] : 0);
    osp_pb_put_bytes(out, 4, osp_buf_str(one));
}

static void encode_function(const osp_profile *p, uint32_t i, osp_buf *out, osp_buf *one)
{
    const osp_function *f = &p->functions.row[i];
    one->n = 0;
    osp_pb_put_uint(one, 1, i);
    osp_pb_put_nonzero(one, 2, f->name.i);
    osp_pb_put_nonzero(one, 3, f->linker_name.i);
    osp_pb_put_nonzero(one, 4, f->file.i);
    osp_pb_put_nonzero(one, 5, (uint64_t)f->start_line);
    osp_pb_put_bytes(out, 5, osp_buf_str(one));
}

static void encode_comments(const osp_profile *p, osp_buf *out, osp_buf *one)
{
    const bool packed = p->comments.n > 2;
    one->n = 0;
    for (uint32_t i = 0; i < p->comments.n; i++)
        if (packed)
            osp_pb_put_varint(one, p->comments.text[i].i);
        else
            osp_pb_put_uint(out, 13, p->comments.text[i].i);
    if (packed)
        osp_pb_put_bytes(out, 13, osp_buf_str(one));
}

static void encode_tables(const osp_profile *p, osp_buf *out, osp_buf *one)
{
    for (uint32_t i = 1; i < p->mappings.n; i++)
        encode_mapping(p, i, out, one);
    for (uint32_t i = 0; i < p->locations.n; i++)
        encode_location(p, i, out, one);
    for (uint32_t i = 1; i < p->functions.n; i++)
        encode_function(p, i, out, one);
    for (uint32_t i = 0; i < p->strings.n; i++)
        osp_pb_put_bytes(out, 6, p->strings.text[i]);
    osp_pb_put_nonzero(out, 7, p->drop_frames.i);
    osp_pb_put_nonzero(out, 8, p->keep_frames.i);
    osp_pb_put_nonzero(out, 9, (uint64_t)p->time_ns);
    osp_pb_put_nonzero(out, 10, (uint64_t)p->duration_ns);
    if (p->period_type.type.i || p->period_type.unit.i)
        encode_value_type(out, one, 11, p->period_type);
    osp_pb_put_nonzero(out, 12, (uint64_t)p->period);
    encode_comments(p, out, one);
    osp_pb_put_uint(out, 14, p->values.preferred.i);
    osp_pb_put_nonzero(out, 15, p->doc_url.i);
}

bool osp_pprof_encode(const osp_profile *p, osp_buf *out, osp_err *err)
{
    osp_buf one = osp_buf_of(SIZE_MAX / 2); /* a message while its length is not known */
    wire_stacks stacks;
    encoded labels = {0};
    bool ok = make_wire_stacks(p, &one, &stacks) && encode_labels(p, &labels, &one);
    if (ok) {
        for (uint32_t t = 0; t < p->values.n; t++)
            encode_value_type(out, &one, 1, p->values.type[t]);
        encode_samples(p, &stacks, &labels, out);
        encode_tables(p, out, &one);
        ok = !out->failed && !one.failed;
    }
    osp_buf_drop(&labels.bytes);
    osp_buf_drop(&one);
    osp_arena_drop(&stacks.arena);
    free(labels.first);
    return ok || osp_fail_memory(err, "encoding a profile");
}

bool osp_pprof_encode_packed(const osp_profile *p, osp_pack how, osp_buf *out, osp_err *err)
{
    osp_buf plain = osp_buf_of(SIZE_MAX / 2);
    osp_buf_room(&plain, p->unpacked.n); /* about as large as it was: growing by doubling would copy it all */
    bool ok = osp_pprof_encode(p, &plain, err) &&
              osp_pack_bytes(how, osp_buf_str(&plain), plain.n < LARGE ? 6 : 1, out, err);
    osp_buf_drop(&plain);
    return ok;
}
