/* SPDX-License-Identifier: Apache-2.0 */
/* jemalloc's heap dumps (MALLOC_CONF=prof:true, prof.dump; what jeprof reads), since jemalloc 4:
 *
 *     heap_v2/524288                              sampled at a mean distance of so many bytes
 *       t*: 809: 7143487 [0: 0]                   objects: bytes in use [allocated, with prof_accum]; in all threads
 *       t0: 809: 7143487 [0: 0] name              and in each
 *     @ 0x7f7f802a2630 0x55c3b7d40212             a stack of return addresses, leaf first
 *       t*: 93: 95241 [0: 0]
 *       t0: 93: 95241 [0: 0]
 *
 *     MAPPED_LIBRARIES:
 *
 * Of a stack the sum over all threads is read. Values are unsampled as those of tcmalloc (heap.c), for which jemalloc has
 * prepared them. Frames of libjemalloc.so at the leaf are left out, as jeprof leaves out allocators. Older dumps begin with
 * "heap profile:" and are heap.c's. */
#include "format/legacy.h"

static const osp_str magic = {"heap_v2/", 8};

typedef struct {
    osp_bare b;
    int64_t rate;
    bool allocated, in_stack;
} dump;

/* Its functions under the names that programs link them by. */
static const char allocators[] =
    "(_rjem_)?(je_)?(malloc|malloc_default|calloc|realloc|reallocarray|mallocx|rallocx|aligned_alloc|"
    "posix_memalign|memalign|valloc)";

/* Cut the decimal number that *s begins with, and the text behind it. */
static bool cut_count(osp_str *s, osp_str behind, int64_t *out)
{
    size_t n = 0;
    while (n < s->n && osp_is_digit(s->p[n]))
        n++;
    bool ok = osp_go_int(osp_str_head(*s, n), 10, out);
    *s = osp_str_skip(*s, n);
    ok = ok && osp_str_starts(*s, behind);
    *s = osp_str_skip(*s, behind.n);
    return ok;
}

/* "t*: objects: bytes [objects: bytes]": of a stack, or of everything, which tells the types. */
static bool sum_of_threads(dump *d, osp_str line, osp_err *err)
{
    int64_t used[2], made[2], value[4];
    line = osp_str_skip(line, 4);
    if (!cut_count(&line, S(": "), &used[0]) || !cut_count(&line, S(" ["), &used[1]) ||
        !cut_count(&line, S(": "), &made[0]) || !cut_count(&line, S("]"), &made[1]))
        return osp_fail(err, OSP_EFORMAT, "not of the form `t*: objects: bytes [objects: bytes]`");
    if (!d->b.ntype) {
        d->allocated = made[0] || made[1];
        if (d->allocated) {
            osp_bare_type(&d->b, S("alloc_objects"), S("count"));
            osp_bare_type(&d->b, S("alloc_space"), S("bytes"));
        }
        osp_bare_type(&d->b, d->allocated ? S("inuse_objects") : S("objects"), S("count"));
        osp_bare_type(&d->b, d->allocated ? S("inuse_space") : S("space"), S("bytes"));
    }
    if (!d->in_stack)
        return true;
    int64_t each = used[0] ? osp_mean(used[1], used[0]) : osp_mean(made[1], made[0]);
    osp_unsample(&used[0], &used[1], d->rate);
    osp_unsample(&made[0], &made[1], d->rate);
    unsigned n = 0;
    if (d->allocated) {
        value[n++] = made[0];
        value[n++] = made[1];
    }
    value[n++] = used[0];
    value[n++] = used[1];
    osp_bare_sample_of(&d->b, value, each);
    d->in_stack = false;
    return true;
}

static bool one_line(dump *d, osp_str line, osp_err *err)
{
    if (osp_str_starts(line, S("t*: ")))
        return sum_of_threads(d, line, err);
    if (osp_str_starts(line, S("@"))) {
        d->b.nframe = d->b.open; /* of a stack without a sum */
        d->in_stack = true;
        return osp_bare_frames(&d->b, line, 1) || osp_fail(err, OSP_EFORMAT, "an address does not fit 64 bits");
    }
    return line.n == 0 || line.p[0] == 't' || osp_fail(err, OSP_EFORMAT, "neither a stack nor a thread's sum");
}

static bool read_text(dump *d, osp_go_lines *s, osp_err *err)
{
    if (!osp_go_next_line(s) || !osp_str_starts(s->line, magic) ||
        !osp_go_int(osp_go_trim(osp_str_skip(s->line, magic.n)), 10, &d->rate))
        return osp_fail(err, OSP_EABSENT, "line 1 is not `heap_v2/RATE`");
    d->b.head = (osp_profile_head){.period_type = S("space"), .period_unit = S("bytes"), .period = d->rate};
    while (osp_go_next_line(s) && !osp_is_map_head(s->line))
        if (!one_line(d, osp_go_trim(s->line), err))
            return osp_fail_in(err, "line %zu", s->number);
    d->b.nframe = d->b.open;
    return osp_go_lines_ended(s, err) && osp_bare_sections(&d->b, s, err);
}

static osp_profile *read_jemalloc(osp_input *in, osp_err *err)
{
    osp_go_lines s = osp_go_lines_of(osp_span_text(in->file.bytes));
    osp_profile *p = NULL;
    dump d = {0};
    osp_bare_init(&d.b, in);
    d.b.sized = true;
    d.b.more_allocators = osp_str_from(allocators);
    /* Every stack begins with jemalloc itself. Names tell where it ends, but a library often has none. */
    if (read_text(&d, &s, err) && osp_bare_drop_library(&d.b, S("libjemalloc"), err) && osp_bare_locate(&d.b, err))
        p = osp_bare_finish(&d.b, NULL, err);
    osp_bare_drop(&d.b);
    return p;
}

static osp_sniffed sniff(osp_str head, size_t size)
{
    (void)size;
    return osp_str_starts(head, magic) ? OSP_MINE : OSP_NOT_MINE;
}

const osp_format osp_format_jemalloc = {
    .name = "jemalloc",
    .summary = "heap dump of jemalloc",
    .ending = "",
    .sniff = sniff,
    .read = read_jemalloc,
};
