/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks of all threads, as Google's C++ servers print them:
 *
 *     --- threadz 1 ---
 *
 *     --- Thread 7f794ab90940 (name: main/14748) stack: ---
 *       PC:  0x00bc8f1c: helper(arg *)               one frame a line with its name, or many in one line
 *       0x0040be31: main
 *     --- Thread …
 *       [same as previous thread]
 *     ---- no stack trace for …                      the end of stacks; or the memory map's head
 *
 * The leaf is a program counter, the rest are return addresses. */
#include "format/legacy.h"
#include "format/pattern.h"

typedef struct {
    osp_bare b;
    osp_go_lines s;
    osp_str line; /* the one in hand; trimmed or not, as the peer has it */
    osp_pattern *start, *thread;
} threads;

static bool is_found(const osp_pattern *p, osp_str line) { return osp_pattern_find(p, line.p, line.n, NULL, 0); }

/* The frames up to the next line that begins with ---, which is then in hand. */
static bool one_stack(threads *t, bool *same, osp_err *err)
{
    *same = false;
    t->line = (osp_str){0};
    while (osp_go_next_line(&t->s)) {
        t->line = osp_go_trim(t->s.line);
        if (t->line.n == 0)
            continue;
        if (osp_str_starts(t->line, S("---")))
            break;
        if (osp_str_has(t->line, S("same as previous thread")))
            *same = true;
        else if (!osp_bare_frames(&t->b, t->line, 0))
            return osp_fail(err, OSP_EFORMAT, "line %zu: an address does not fit 64 bits", t->s.number);
    }
    return osp_go_lines_ended(&t->s, err);
}

static bool one_thread(threads *t, osp_err *err)
{
    osp_bare *b = &t->b;
    bool same;
    if (!is_found(t->thread, t->line))
        return osp_fail(err, OSP_EABSENT, "line %zu: not the head of a thread's stack", t->s.number);
    if (!one_stack(t, &same, err))
        return false;
    if (same)
        b->nframe = b->open;
    if (b->nframe == b->open) {
        if (b->nsample)
            b->sample[b->nsample - 1].value[0]++;
        return true;
    }
    for (size_t i = b->open + 1; i < b->nframe; i++)
        b->frame[i]--;
    osp_bare_sample_of(b, &(int64_t){1}, 0);
    return true;
}

static bool read_text(threads *t, osp_err *err)
{
    if (!t->start || !t->thread)
        return osp_fail_memory(err, "reading threads");
    while (osp_go_next_line(&t->s) && osp_go_is_comment(t->s.line))
        ;
    t->line = t->s.line;
    if (is_found(t->start, t->line)) {
        while (osp_go_next_line(&t->s)) {
            t->line = t->s.line;
            if (osp_is_map_head(t->line) || osp_str_starts(t->line, S("-")))
                break;
        }
    } else if (!is_found(t->thread, t->line)) {
        return osp_fail(err, OSP_EABSENT, "the first line is another");
    }
    osp_bare_type(&t->b, S("thread"), S("count"));
    t->b.head = (osp_profile_head){.period_type = S("thread"), .period_unit = S("count"), .period = 1};
    while (!osp_is_map_head(t->line) && !osp_str_starts(t->line, S("---- no stack trace for")))
        if (!one_thread(t, err))
            return false;
    return osp_bare_sections(&t->b, &t->s, err);
}

static osp_profile *read_threads(osp_input *in, osp_err *err)
{
    osp_profile *p = NULL;
    threads t = {.s = osp_go_lines_of(osp_span_text(in->file.bytes)),
                 .start = osp_pattern_new("--- threadz \\d+ ---"),
                 .thread = osp_pattern_new("--- Thread ([[:xdigit:]]+) \\(name: (.*)/(\\d+)\\) stack: ---")};
    osp_bare_init(&t.b, in);
    if (read_text(&t, err) && osp_bare_locate(&t.b, err)) {
        osp_bare_drop_double_leaf(&t.b);
        p = osp_bare_finish(&t.b, NULL, err);
    }
    osp_bare_drop(&t.b);
    osp_pattern_drop(t.start);
    osp_pattern_drop(t.thread);
    return p;
}

static osp_sniffed sniff(osp_str head, size_t size)
{
    osp_go_lines s = osp_go_lines_of(head);
    while (osp_go_next_line(&s) && osp_go_is_comment(s.line))
        ;
    if (s.rest.n == 0 && size != head.n)
        return OSP_MAYBE_MINE; /* nothing but comments so far */
    bool mine = osp_str_has(s.line, S("--- threadz ")) || osp_str_has(s.line, S("--- Thread "));
    return mine ? OSP_MINE : OSP_NOT_MINE;
}

const osp_format osp_format_threads = {
    .name = "threads",
    .summary = "stacks of threads (threadz)",
    .ending = "",
    .sniff = sniff,
    .read = read_threads,
};
