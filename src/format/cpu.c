/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU profiles of gperftools (CPUPROFILE=…) and of old Go: words of 32 or 64 bits, of either byte order,
 *
 *     0, 3, 0, period in µs, 0                        a Java program has 1 for the third
 *     count, depth, address × depth                   a stack, leaf first
 *     …
 *     0, 1, 0                                         the end
 *
 * and behind it a text: the memory map, or for Java the names of its "addresses" (java.c). Addresses but the leaf are
 * return addresses. Not read: words 0, 3+n of later versions, which nobody writes. */
#include "format/java.h"
#include "format/legacy.h"

typedef struct {
    unsigned size; /* of a word */
    bool big;
    osp_span in; /* what is left; past its end all words are 0 and `cut` is set */
    bool cut;
} words;

static uint64_t next(words *w)
{
    uint64_t v = 0;
    if (w->in.n < w->size) {
        w->in = (osp_span){w->in.p + w->in.n, 0};
        w->cut = true;
        return 0;
    }
    for (unsigned i = 0; i < w->size; i++)
        v |= (uint64_t)w->in.p[w->big ? w->size - 1 - i : i] << (8 * i);
    w->in = (osp_span){w->in.p + w->size, w->in.n - w->size};
    return v;
}

/* The header, in whichever words it fits. */
static bool header(osp_span in, words *w, bool *java, uint64_t *period)
{
    for (unsigned form = 0; form < 4; form++) {
        *w = (words){.size = form < 2 ? 4 : 8, .big = form & 1, .in = in};
        uint64_t n1 = next(w), n2 = next(w), n3 = next(w), n4 = next(w), n5 = next(w);
        if (!w->cut && n1 == 0 && n2 == 3 && n3 <= 1 && n4 > 0 && n5 == 0) {
            *java = n3;
            *period = n4;
            return true;
        }
    }
    return false;
}

static osp_sniffed sniff(osp_str head, size_t size)
{
    (void)size;
    words w;
    bool java;
    uint64_t period;
    return header(osp_str_bytes(head), &w, &java, &period) ? OSP_MINE : OSP_NOT_MINE;
}

/* A stack that is cut short is read as if zeros followed. */
static bool samples(osp_bare *b, words *w, uint64_t adjust, osp_err *err)
{
    while (w->in.n) {
        uint64_t count = next(w), depth = next(w), addr = 0;
        if (w->cut || depth > w->in.n / 4)
            return osp_fail(err, OSP_EFORMAT, "a stack of %llu frames, but only %zu bytes are left",
                            (unsigned long long)depth, w->in.n);
        for (uint64_t i = 0; i < depth; i++) {
            addr = next(w);
            osp_bare_frame(b, i ? addr - adjust : addr);
        }
        if (count == 0 && depth == 1 && addr == 0) {
            b->nframe = b->open;
            break;
        }
        int64_t value[2] = {(int64_t)count, (int64_t)(count * (uint64_t)b->head.period)};
        osp_bare_sample_of(b, value, 0);
    }
    return true;
}

static bool second_is(const osp_bare *b, const osp_bare_sample *s, uint64_t addr)
{
    return s->n > 1 && b->frame[s->first + 1] == addr;
}

/* The one address that nearly all samples have for their second frame, by majority vote. */
static bool common_second(const osp_bare *b, uint64_t *addr)
{
    size_t votes = 0, count = 0;
    for (size_t i = 0; i < b->nsample; i++) {
        if (b->sample[i].n < 2)
            continue;
        if (votes == 0)
            *addr = b->frame[b->sample[i].first + 1];
        votes += second_is(b, &b->sample[i], *addr) ? 1 : (size_t)-1;
    }
    for (size_t i = 0; i < b->nsample; i++)
        count += second_is(b, &b->sample[i], *addr);
    return count && count >= b->nsample - b->nsample / 32;
}

/* The frame that the signal handler pushes stands between the leaf and its caller in all samples but a few; up to two such
 * frames go. */
static void drop_handler_frames(osp_bare *b)
{
    uint64_t addr = 0;
    for (int times = 0; times < 2 && common_second(b, &addr); times++)
        for (size_t i = 0; i < b->nsample; i++) {
            osp_bare_sample *s = &b->sample[i];
            if (!second_is(b, s, addr))
                continue;
            b->frame[s->first + 1] = b->frame[s->first];
            s->first++;
            s->n--;
        }
}

static osp_profile *read_cpu(osp_input *in, osp_err *err)
{
    words w;
    bool java;
    uint64_t period;
    if (!header(in->file.bytes, &w, &java, &period)) {
        osp_fail(err, OSP_EABSENT, "the header is another");
        return NULL;
    }
    osp_bare b;
    osp_bare_init(&b, in);
    osp_bare_type(&b, S("samples"), S("count"));
    osp_bare_type(&b, S("cpu"), S("nanoseconds"));
    b.head = (osp_profile_head){
        .period_type = S("cpu"), .period_unit = S("nanoseconds"), .period = (int64_t)(period * 1000)};
    osp_profile *p = NULL;
    if (samples(&b, &w, java ? 0 : 1, err)) {
        osp_go_lines rest = osp_go_lines_of(osp_span_text(w.in));
        if (java) {
            p = osp_java_finish(&b, osp_span_text(w.in), err);
        } else {
            drop_handler_frames(&b);
            if (osp_bare_map(&b, &rest, err) && osp_bare_locate(&b, err)) {
                osp_bare_drop_double_leaf(&b);
                p = osp_bare_finish(&b, NULL, err);
            }
        }
    }
    osp_bare_drop(&b);
    return p;
}

const osp_format osp_format_cpu = {
    .name = "cpu",
    .summary = "gperftools CPU profile",
    .ending = "",
    .sniff = sniff,
    .read = read_cpu,
};
