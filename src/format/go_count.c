/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of stacks as Go prints them with debug=1 (goroutine, threadcreate, any custom profile):
 *
 *     goroutine profile: total 26
 *     7 @ 0x489f2e 0x41a5ae                 how many, their stack, leaf first; return addresses
 *     #  0x489f2d  main.f+0x1d  main.go:7   a comment, names for people
 *
 * up to a line that begins with "---" or the end. The peer reads no names, so neither do we: they come from the binary. */
#include "format/legacy.h"

/* NAME profile: total N, and nothing else. */
static bool first_line(osp_str line, osp_str *name)
{
    size_t n = 0;
    while (n < line.n && !strchr(" \t\n\f\r", line.p[n] ? line.p[n] : 'x'))
        n++;
    osp_str rest = osp_str_skip(line, n);
    if (n == 0 || !osp_str_starts(rest, S(" profile: total ")))
        return false;
    rest = osp_str_skip(rest, 16);
    for (size_t i = 0; i < rest.n; i++)
        if (rest.p[i] < '0' || rest.p[i] > '9')
            return false;
    *name = osp_str_head(line, n);
    return rest.n > 0;
}

static osp_sniffed sniff(osp_str head, size_t size)
{
    osp_go_lines s = osp_go_lines_of(head);
    osp_str name;
    while (osp_go_next_line(&s) && osp_go_is_comment(s.line))
        ;
    if (s.rest.n == 0 && size != head.n)
        return OSP_MAYBE_MINE; /* nothing but comments so far */
    return first_line(s.line, &name) ? OSP_MINE : OSP_NOT_MINE;
}

/* \d+ @( 0x[0-9a-f]+)+, and nothing else. */
static bool sample(osp_bare *b, osp_str line)
{
    osp_str rest = line, count = osp_str_cut(&rest, ' ');
    int64_t value;
    if (count.n == 0 || count.p[0] < '0' || count.p[0] > '9' || memchr(count.p, '_', count.n) ||
        memchr(count.p, 'x', count.n) || !osp_go_int(count, 0, &value) || rest.n < 2 || rest.p[0] != '@')
        return false;
    rest = osp_str_skip(rest, 1);
    while (rest.n) {
        uint64_t addr;
        if (rest.p[0] != ' ')
            return false;
        rest = osp_str_skip(rest, 1);
        osp_str word = osp_str_head(rest, rest.n);
        const char *end = memchr(rest.p, ' ', rest.n);
        word.n = end ? (size_t)(end - rest.p) : rest.n;
        if (!osp_str_starts(word, S("0x")) || !osp_str_u64(osp_str_skip(word, 2), 16, &addr))
            return false;
        for (size_t i = 2; i < word.n; i++)
            if (word.p[i] >= 'A' && word.p[i] <= 'F')
                return false;
        osp_bare_frame(b, addr - 1);
        rest = osp_str_skip(rest, word.n);
    }
    osp_bare_sample_of(b, &value, 0);
    return true;
}

static bool read_text(osp_bare *b, osp_go_lines *s, osp_err *err)
{
    osp_str name;
    while (osp_go_next_line(s) && osp_go_is_comment(s->line))
        ;
    if (!osp_go_lines_ended(s, err))
        return false;
    if (!first_line(s->line, &name))
        return osp_fail(err, OSP_EABSENT, "the first line is another");
    osp_bare_type(b, name, S("count"));
    b->head = (osp_profile_head){.period_type = name, .period_unit = S("count"), .period = 1};
    while (osp_go_next_line(s)) {
        if (osp_go_is_comment(s->line))
            continue;
        if (osp_str_starts(s->line, S("---")))
            break;
        if (!sample(b, s->line))
            return osp_fail(err, OSP_EFORMAT, "line %zu: not of the form `count @ addresses`", s->number);
    }
    return osp_go_lines_ended(s, err) && osp_bare_sections(b, s, err);
}

static osp_profile *read_count(osp_input *in, osp_err *err)
{
    osp_go_lines s = osp_go_lines_of(osp_span_text(in->file.bytes));
    osp_profile *p = NULL;
    osp_bare b;
    osp_bare_init(&b, in);
    if (read_text(&b, &s, err) && osp_bare_locate(&b, err))
        p = osp_bare_finish(&b, NULL, err);
    osp_bare_drop(&b);
    return p;
}

const osp_format osp_format_go_count = {
    .name = "go-count",
    .summary = "counted stacks of Go (debug=1)",
    .ending = "",
    .sniff = sniff,
    .read = read_count,
};
