/* SPDX-License-Identifier: Apache-2.0 */
/* Waits for locks: gperftools' contentionz, Go's mutex and block with debug=1.
 *
 *     --- contentionz 1 ---                 or --- mutex: or --- contention:
 *     cycles/second = 3201000000
 *     sampling period = 100
 *     ms since reset = 16502830
 *     discarded samples = 0
 *       19490304       27 @ 0xbccc97 …      cycles, how often, return addresses, leaf first
 *
 * Cycles become nanoseconds, both are multiplied by the sampling period. With `format = java` it is java_text.c's. */
#include "format/legacy.h"

typedef struct {
    osp_bare b;
    int64_t hz;
} contention;

static bool is_head(osp_str line)
{
    return osp_str_starts(line, S("--- contentionz ")) || osp_str_starts(line, S("--- mutex:")) ||
           osp_str_starts(line, S("--- contention:"));
}

static osp_sniffed sniff(osp_str head, size_t size)
{
    (void)size;
    return is_head(head) ? OSP_MINE : OSP_NOT_MINE;
}

static bool attribute(contention *c, osp_str key, osp_str value, osp_err *err)
{
    int64_t ms = 0, *to = NULL;
    if (osp_str_eq(key, S("cycles/second")))
        to = &c->hz;
    else if (osp_str_eq(key, S("sampling period")))
        to = &c->b.head.period;
    else if (osp_str_eq(key, S("ms since reset")))
        to = &ms;
    else if (!osp_str_eq(key, S("discarded samples")))
        return osp_fail(err, OSP_EABSENT, "unknown attribute `%.*s`", STRF(osp_str_head(key, 40)));
    if (to && !osp_go_int(value, 0, to))
        return osp_fail(err, OSP_EABSENT, "`%.*s` is no number of 64 bits", STRF(osp_str_head(value, 40)));
    if (to == &ms)
        c->b.head.duration_ns = (int64_t)((uint64_t)ms * 1000000);
    return true;
}

/* attribute = value up to the first line that is neither, which is then in hand. */
static bool attributes(contention *c, osp_go_lines *s, osp_err *err)
{
    while (osp_go_next_line(s)) {
        osp_str line = osp_go_trim(s->line), value = line;
        if (osp_go_is_comment(line))
            continue;
        osp_str key = osp_str_cut(&value, '=');
        if (osp_str_starts(line, S("---")) || key.n == line.n)
            break;
        if (!attribute(c, osp_go_trim(key), osp_go_trim(value), err))
            return osp_fail_in(err, "line %zu", s->number);
    }
    return osp_go_lines_ended(s, err);
}

static size_t run_of(osp_str s, size_t at, char from, char to)
{
    size_t n = 0;
    while (at + n < s.n && s.p[at + n] >= from && s.p[at + n] <= to)
        n++;
    return n;
}

/* The leftmost (\d+) *(\d+) @([ x0-9a-f]*) of the line. One number alone is taken for two: its last digit is the second. */
static bool row_in(osp_str s, osp_str *first, osp_str *second, osp_str *addresses)
{
    for (size_t at = 0, n; at < s.n; at += n ? n : 1) {
        n = run_of(s, at, '0', '9');
        size_t next = at + n + run_of(s, at + n, ' ', ' '), n2 = run_of(s, next, '0', '9');
        if (n == 0)
            continue;
        if (n2 == 0 && n > 1) {
            next = at + n - 1;
            n2 = 1;
        }
        osp_str rest = osp_str_skip(s, next + n2);
        if (n2 == 0 || !osp_str_starts(rest, S(" @")))
            continue;
        *first = (osp_str){s.p + at, next < at + n ? n - 1 : n};
        *second = (osp_str){s.p + next, n2};
        *addresses = osp_str_skip(rest, 2);
        size_t end = 0;
        while (end < addresses->n && addresses->p[end] && strchr(" x0123456789abcdef", addresses->p[end]))
            end++;
        addresses->n = end;
        return true;
    }
    return false;
}

static bool sample(contention *c, osp_str line, osp_err *err)
{
    osp_str cycles_text, count_text, addresses;
    int64_t cycles, count, period = c->b.head.period;
    if (!row_in(line, &cycles_text, &count_text, &addresses))
        return osp_fail(err, OSP_EABSENT, "not of the form `cycles count @ addresses`");
    if (!osp_go_int(cycles_text, 10, &cycles) || !osp_go_int(count_text, 10, &count))
        return osp_fail(err, OSP_EFORMAT, "a number does not fit 64 bits");
    if (period > 0) {
        if (c->hz > 0)
            cycles = osp_go_whole((double)cycles * (double)period / ((double)c->hz / 1e9));
        count = (int64_t)((uint64_t)count * (uint64_t)period);
    }
    if (!osp_bare_frames(&c->b, addresses, 1))
        return osp_fail(err, OSP_EFORMAT, "an address does not fit 64 bits");
    osp_bare_sample_of(&c->b, (int64_t[]){count, cycles}, 0);
    return true;
}

static bool read_text(contention *c, osp_go_lines *s, osp_err *err)
{
    if (!osp_go_next_line(s))
        return osp_go_lines_ended(s, err) && osp_fail(err, OSP_EABSENT, "it is empty");
    if (!is_head(s->line))
        return osp_fail(err, OSP_EABSENT, "the first line is another");
    osp_bare_type(&c->b, S("contentions"), S("count"));
    osp_bare_type(&c->b, S("delay"), S("nanoseconds"));
    c->b.head = (osp_profile_head){.period_type = S("contentions"), .period_unit = S("count"), .period = 1};
    if (!attributes(c, s, err))
        return false;
    do {
        osp_str line = osp_go_trim(s->line);
        if (osp_str_starts(line, S("---")))
            break;
        if (!osp_go_is_comment(line) && !sample(c, line, err))
            return osp_fail_in(err, "line %zu", s->number);
    } while (osp_go_next_line(s));
    return osp_go_lines_ended(s, err) && osp_bare_sections(&c->b, s, err);
}

static osp_profile *read_contention(osp_input *in, osp_err *err)
{
    osp_go_lines s = osp_go_lines_of(osp_span_text(in->file.bytes));
    osp_profile *p = NULL;
    contention c = {0};
    osp_bare_init(&c.b, in);
    if (read_text(&c, &s, err) && osp_bare_locate(&c.b, err))
        p = osp_bare_finish(&c.b, NULL, err);
    osp_bare_drop(&c.b);
    return p;
}

const osp_format osp_format_contention = {
    .name = "contention",
    .summary = "waits for locks as text (contentionz, Go debug=1)",
    .ending = "",
    .sniff = sniff,
    .read = read_contention,
};
