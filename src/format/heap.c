/* SPDX-License-Identifier: Apache-2.0 */
/* Heap profiles as text: tcmalloc's (HEAPPROFILE=…, GetHeapSample, growthz, fragmentationz), old jemalloc's, Go's debug=1:
 *
 *     heap profile: objects: bytes [objects: bytes] @ kind/rate       in use [allocated]
 *     objects: bytes [objects: bytes] @ 0x… 0x…                       return addresses, leaf first
 *     …
 *     MAPPED_LIBRARIES:                                               or --- Memory map: ---
 *
 * By kind: heapprofile counts everything; heapz_v2 and heap_v2 are samples at a mean distance of `rate` bytes, heap the same
 * at rate / 2; growthz and fragmentationz count. What was allocated is only shown where it differs from what is in use.
 * Lines that begin with # are comments: Go's names of the frames, its MemStats (memstats.c), of which the profile has nothing. */
#include "format/details.h"
#include "format/legacy.h"
#include "format/memstats.h"
#include "format/pattern.h"

typedef struct {
    osp_bare b;
    int64_t rate;
    bool sampled, allocated; /* unsample; there are four values */
} heap;

#define COUNTS "heap profile: *(\\d+): *(\\d+) *\\[ *(\\d+): *(\\d+) *\\]"

static bool find(const char *expression, osp_str line, osp_group *g, int n, bool *found)
{
    osp_pattern *p = osp_pattern_new(expression);
    *found = p && osp_pattern_find(p, line.p, line.n, g, n);
    osp_pattern_drop(p);
    return p != NULL;
}

static osp_str text_of(osp_group g) { return (osp_str){g.p, g.n}; }

static bool differ(osp_group a, osp_group b)
{
    return !osp_str_eq(text_of(a), text_of(b)) && !osp_str_eq(text_of(a), S("0"));
}

static bool header(heap *h, osp_str line, osp_err *err)
{
    osp_group g[6];
    bool found;
    if (!find(COUNTS " *@ *(heap[_a-z0-9]*)/?(\\d*)", line, g, 6, &found))
        return osp_fail_memory(err, "reading a heap profile");
    if (!found) {
        h->b.head.period = 1;
        if (!find(COUNTS " @ (growth|fragmentation)z?", line, NULL, 0, &found))
            return osp_fail_memory(err, "reading a heap profile");
        return found || osp_fail(err, OSP_EABSENT, "line 1 is not of the form `heap profile: n: n [n: n] @ kind`");
    }
    osp_str kind = text_of(g[4]);
    if (g[5].n && !osp_go_int(text_of(g[5]), 10, &h->rate))
        return osp_fail(err, OSP_EABSENT, "line 1: the rate does not fit 64 bits");
    h->allocated = differ(g[2], g[0]) || differ(g[3], g[1]);
    h->sampled = !osp_str_eq(kind, S("heapprofile"));
    if (!h->sampled)
        h->rate = 1;
    else if (osp_str_eq(kind, S("heap")))
        h->rate /= 2;
    else if (!osp_str_eq(kind, S("heapz_v2")) && !osp_str_eq(kind, S("heap_v2")))
        return osp_fail(err, OSP_EABSENT, "line 1: `%.*s` is no kind of heap profile", STRF(osp_str_head(kind, 40)));
    h->b.head.period = h->rate;
    return true;
}

/* ---- samples -------------------------------------------------------------------------------------------------- */

typedef struct {
    osp_str number[4], addresses;
} row;

static size_t digits(osp_str s, size_t at)
{
    size_t n = 0;
    while (at + n < s.n && osp_is_digit(s.p[at + n]))
        n++;
    return n;
}

static size_t blanks(osp_str s, size_t at)
{
    size_t n = 0;
    while (at + n < s.n && s.p[at + n] == ' ')
        n++;
    return n;
}

static bool is(osp_str s, size_t at, char c) { return at < s.n && s.p[at] == c; }

/* (-?\d+): *(-?\d+) *\[ *(\d+): *(\d+) *] @([ x0-9a-f]*) from this place on. */
static bool row_at(osp_str s, size_t at, row *out)
{
    for (int i = 0; i < 4; i++) {
        at += i ? blanks(s, at) : 0;
        if (i == 2) {
            if (!is(s, at, '['))
                return false;
            at += 1 + blanks(s, at + 1);
        }
        size_t sign = i < 2 && is(s, at, '-'), n = digits(s, at + sign);
        if (n == 0)
            return false;
        out->number[i] = (osp_str){s.p + at, sign + n};
        at += sign + n;
        if (i % 2 == 0 && !is(s, at++, ':'))
            return false;
    }
    at += blanks(s, at);
    if (!osp_str_starts(osp_str_skip(s, at), S("] @")))
        return false;
    out->addresses = osp_str_skip(s, at + 3);
    size_t n = 0;
    while (n < out->addresses.n && strchr(" x0123456789abcdef", out->addresses.p[n]) && out->addresses.p[n])
        n++;
    out->addresses.n = n;
    return true;
}

/* The leftmost row anywhere in the line. */
static bool row_in(osp_str s, row *out)
{
    for (size_t at = 0; at < s.n;) {
        size_t n = digits(s, at);
        if (n == 0) {
            at++;
            continue;
        }
        if ((at && s.p[at - 1] == '-' && row_at(s, at - 1, out)) || row_at(s, at, out))
            return true;
        at += n;
    }
    return false;
}

static bool values(heap *h, osp_str count_text, osp_str size_text, const char *what, int64_t *out, int64_t *each,
                   osp_err *err)
{
    int64_t count, size;
    if (!osp_go_int(count_text, 10, &count) || !osp_go_int(size_text, 10, &size))
        return osp_fail(err, OSP_EFORMAT, "a number does not fit 64 bits");
    if (count == 0 && size != 0)
        return osp_fail(err, OSP_EFORMAT, "%s count was 0 but its bytes were %lld", what, (long long)size);
    if (count) {
        *each = osp_mean(size, count);
        if (h->sampled)
            osp_unsample(&count, &size, h->rate);
    }
    out[0] = count;
    out[1] = size;
    return true;
}

static bool sample(heap *h, osp_str line, osp_err *err)
{
    row r;
    int64_t value[4], each = 0, *to = value;
    if (!row_in(line, &r))
        return osp_fail(err, OSP_EFORMAT, "not of the form `objects: bytes [objects: bytes] @ addresses`");
    if (h->allocated && !values(h, r.number[2], r.number[3], "allocation", to, &each, err))
        return false;
    to += h->allocated ? 2 : 0;
    if (!values(h, r.number[0], r.number[1], "inuse", to, &each, err))
        return false;
    if (!osp_bare_frames(&h->b, r.addresses, 1))
        return osp_fail(err, OSP_EFORMAT, "an address does not fit 64 bits");
    osp_bare_sample_of(&h->b, value, each);
    return true;
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

static bool read_text(heap *h, osp_go_lines *s, osp_memstats *stats, osp_err *err)
{
    if (!osp_go_next_line(s))
        return osp_go_lines_ended(s, err) && osp_fail(err, OSP_EABSENT, "it is empty");
    if (!header(h, s->line, err))
        return false;
    if (h->allocated) { /* first, so that the last, which is the default, is what is in use */
        osp_bare_type(&h->b, S("alloc_objects"), S("count"));
        osp_bare_type(&h->b, S("alloc_space"), S("bytes"));
    }
    osp_bare_type(&h->b, h->allocated ? S("inuse_objects") : S("objects"), S("count"));
    osp_bare_type(&h->b, h->allocated ? S("inuse_space") : S("space"), S("bytes"));
    while (osp_go_next_line(s)) {
        osp_str line = osp_go_trim(s->line);
        if (osp_go_is_comment(line)) {
            osp_memstats_line(stats, line);
            continue;
        }
        if (osp_is_map_head(line))
            break;
        if (!sample(h, line, err))
            return osp_fail_in(err, "line %zu", s->number);
    }
    return osp_go_lines_ended(s, err) && osp_bare_sections(&h->b, s, err);
}

static osp_profile *read_heap(osp_input *in, osp_err *err)
{
    osp_go_lines s = osp_go_lines_of(osp_span_text(in->file.bytes));
    osp_profile *p = NULL;
    heap h = {0};
    osp_memstats stats = {.details = in->details};
    osp_bare_init(&h.b, in);
    h.b.sized = true;
    h.b.head = (osp_profile_head){.period_type = S("space"), .period_unit = S("bytes")};
    if (read_text(&h, &s, &stats, err) && osp_bare_locate(&h.b, err))
        p = osp_bare_finish(&h.b, NULL, err);
    osp_bare_drop(&h.b);
    return p;
}

static osp_sniffed sniff(osp_str head, size_t size)
{
    (void)size;
    osp_str line = osp_str_cut(&head, '\n');
    return osp_str_has(line, S("heap profile:")) ? OSP_MINE : OSP_NOT_MINE;
}

const osp_format osp_format_heap = {
    .name = "heap",
    .summary = "heap profile as text (tcmalloc, Go debug=1)",
    .ending = "",
    .sniff = sniff,
    .read = read_heap,
};
