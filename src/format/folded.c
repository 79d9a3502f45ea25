/* SPDX-License-Identifier: Apache-2.0 */
/* Folded stacks, as stackcollapse-*.pl write and flamegraph.pl, inferno and speedscope read them:
 *
 *     main;work;deflate 12
 *     main;read;sys_read_[k] 3
 *
 * Root first, ';' between frames, the count after the last blank. A frame may end in _[k] (kernel), _[i] (inlined into the
 * one before it) or _[j] (jitted). Lines that begin with # are comments. Nothing in the form tells what is counted. */
#include "format/names.h"

#include <stdlib.h>

/* ---- reading -------------------------------------------------------------------------------------------------- */

/* "a;b;c 12" → "a;b;c" and 12; " 12" has no stack, as py-spy writes what it could not read. A fraction is cut off, as the scripts that print one round anyway. */
static bool split_count(osp_str line, osp_str *stack, int64_t *count)
{
    uint64_t n;
    size_t blank = osp_str_rfind(line, ' ');
    if (blank == line.n)
        return false;
    osp_str number = osp_str_skip(line, blank + 1), fraction = number;
    bool negative = number.n && number.p[0] == '-';
    number = fraction = osp_str_skip(number, negative);
    number = osp_str_cut(&fraction, '.');
    if (!osp_str_u64(number, 10, &n) || n > INT64_MAX)
        return false;
    for (size_t i = 0; i < fraction.n; i++)
        if (fraction.p[i] < '0' || fraction.p[i] > '9')
            return false;
    *stack = osp_str_head(line, blank);
    *count = negative ? -(int64_t)n : (int64_t)n;
    return true;
}

static osp_str next_line(osp_str *text)
{
    osp_str line = osp_str_cut(text, '\n');
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

static char annotation(osp_str frame)
{
    if (frame.n < 5 || frame.p[frame.n - 1] != ']' || memcmp(frame.p + frame.n - 4, "_[", 2) != 0)
        return 0;
    char c = frame.p[frame.n - 2];
    return c == 'k' || c == 'i' || c == 'j' ? c : 0;
}

/* "a" or "a;b_[i];c_[i]": one location, its lines innermost first. */
static osp_location_id read_group(osp_names *n, osp_str group)
{
    osp_line line[64];
    size_t k = sizeof line / sizeof *line;
    char kind = 0;
    while (group.n && k) {
        osp_str frame = osp_str_cut(&group, ';');
        char a = annotation(frame);
        if (k == sizeof line / sizeof *line)
            kind = a;
        frame.n -= a ? 4 : 0;
        line[--k] = (osp_line){.fn = osp_builder_function(n->b, frame, S(""), S(""), 0)};
    }
    osp_mapping_id mapping = {0};
    if (kind == 'k' || kind == 'j')
        mapping = osp_builder_mapping(n->b, 0, 0, 0, kind == 'k' ? OSP_KERNEL_FILE : S("[jit]"), S(""), OSP_HAS_ALL);
    return osp_builder_location(n->b, mapping, 0, line + k, sizeof line / sizeof *line - k);
}

static osp_stack_id read_stack(osp_names *n, osp_str stack)
{
    while (stack.n) {
        osp_str group = stack;
        size_t inlined = 0;
        group.n = osp_str_cut(&stack, ';').n;
        for (osp_str rest = stack, next; inlined < 60 && rest.n && annotation(next = osp_str_cut(&rest, ';')) == 'i';
             inlined++) {
            group.n = (size_t)(next.p + next.n - group.p);
            stack = rest;
        }
        bool fresh;
        osp_location_id *at = osp_names_at(n, group, &fresh);
        if (fresh)
            *at = read_group(n, group);
        osp_names_push(n, *at);
    }
    return osp_names_stack(n, true);
}

/* "1000-2000", the range of a mapping. */
static bool is_range(osp_str word)
{
    uint64_t start, end;
    osp_str limit = word, first = osp_str_cut(&limit, '-');
    return osp_str_u64(first, 16, &start) && osp_str_u64(limit, 16, &end) && start < end;
}

static bool has_name(osp_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || (unsigned char)c >= 0x80)
            return true;
    }
    return false;
}

/* A line of a legacy form that happens to end in a number: rows `… @ addresses`, heads `NAME profile: total N` and `--- …`,
 * attributes `key = N`, mappings `1000-2000 r-xp …`, columns of numbers. Without their first line the peer refuses those
 * texts, and nobody is helped by a picture of them. */
static bool is_legacy(osp_str stack)
{
    size_t at = osp_str_find(stack, S(" @"));
    osp_str rest = stack;
    if (at < stack.n && at && (stack.p[at - 1] == ']' || (stack.p[at - 1] >= '0' && stack.p[at - 1] <= '9')))
        return true;
    return osp_str_ends(stack, S(" =")) || osp_str_ends(stack, S(" profile: total")) ||
           osp_str_starts(stack, S("--- ")) || is_range(osp_str_cut(&rest, ' ')) || !has_name(stack);
}

static osp_sniffed verdict(size_t good, size_t deep)
{
    return deep * 2 >= good && good ? OSP_MINE : good ? OSP_MAYBE_MINE : OSP_NOT_MINE;
}

/* The beginning of a line that is longer than what is seen: a stack of thousands of frames? */
static osp_sniffed may_be_a_stack(osp_str head)
{
    size_t callers = 0;
    for (size_t i = 0; i < head.n; i++) {
        if ((unsigned char)head.p[i] < ' ' && head.p[i] != '\t')
            return OSP_NOT_MINE;
        callers += head.p[i] == ';';
    }
    return callers >= head.n / 1000 && head.p[0] != '{' && head.p[0] != '[' && head.p[0] != '<' ? OSP_MAYBE_MINE
                                                                                                : OSP_NOT_MINE;
}

static osp_sniffed sniff(osp_str head, size_t size)
{
    size_t good = 0, deep = 0;
    bool whole = size == head.n;
    while (head.n) {
        const char *end = memchr(head.p, '\n', head.n);
        if (!end && !whole)
            return good ? verdict(good, deep) : may_be_a_stack(head);
        osp_str line = next_line(&head), stack;
        int64_t count;
        if (line.n == 0 || line.p[0] == '#')
            continue;
        if (!split_count(line, &stack, &count) || memchr(stack.p, 0, stack.n))
            return OSP_NOT_MINE;
        if (stack.n == 0)
            continue;
        bool has_callers = memchr(stack.p, ';', stack.n);
        if (!has_callers && is_legacy(stack))
            return OSP_NOT_MINE;
        good++;
        deep += has_callers;
    }
    return verdict(good, deep);
}

static osp_profile *read_folded(osp_input *in, osp_err *err)
{
    osp_names n = {.b = osp_builder_new(in->limit, err)};
    if (!n.b)
        return NULL;
    osp_builder_value(n.b, S("samples"), S("count"));
    osp_line_count lines = {0};
    uint64_t number = 0;
    for (osp_str text = osp_span_text(in->file.bytes); text.n && !n.failed;) {
        osp_str line = next_line(&text), stack;
        int64_t count;
        number++;
        if (line.n == 0 || line.p[0] == '#')
            continue;
        lines.lines++;
        if (split_count(line, &stack, &count))
            osp_builder_sample(n.b, read_stack(&n, stack), (osp_labelset_id){0}, &count, 0);
        else if (lines.bad++ == 0)
            lines.first_bad = number;
    }
    osp_builder_head(n.b, &(osp_profile_head){.period_type = S("samples"), .period_unit = S("count"), .period = 1});
    return osp_names_finish(&n, n.failed || osp_lines_judged(&lines, in, err), err);
}

/* ---- writing -------------------------------------------------------------------------------------------------- */

typedef struct {
    osp_str text; /* root first, in the arena of all */
    int64_t value;
} folded_line;

static int by_text(const void *a, const void *b)
{
    const folded_line *x = a, *y = b;
    return osp_str_cmp(x->text, y->text);
}

/* What would end a frame or a line in this form does not stand in a name. */
static void add_name(osp_buf *out, osp_str name)
{
    while (name.n) {
        size_t plain = 0;
        while (plain < name.n && name.p[plain] != ';' && (unsigned char)name.p[plain] >= ' ')
            plain++;
        osp_buf_add(out, osp_str_head(name, plain));
        if (plain < name.n)
            osp_buf_byte(out, name.p[plain] == ';' ? ':' : ' ');
        name = osp_str_skip(name, plain + 1);
    }
}

static void add_unnamed(const osp_profile *p, osp_location_id at, osp_buf *out)
{
    osp_str file = osp_str_base(osp_text(p, p->mappings.row[p->locations.mapping[at.i].i].file));
    if (file.n == 0)
        osp_buf_add(out, S("[unknown]"));
    else if (file.p[0] == '[')
        add_name(out, file);
    else {
        osp_buf_byte(out, '[');
        add_name(out, file);
        osp_buf_byte(out, ']');
    }
}

static void add_stack(const osp_profile *p, osp_stack stack, bool annotate, osp_buf *out)
{
    size_t start = out->n;
    for (uint32_t i = stack.n; i-- > 0;) {
        osp_location_id at = stack.loc[i];
        uint32_t first = p->locations.first[at.i], end = p->locations.first[at.i + 1];
        bool kernel =
            annotate && osp_str_eq(osp_text(p, p->mappings.row[p->locations.mapping[at.i].i].file), OSP_KERNEL_FILE);
        if (first == end) {
            if (out->n > start)
                osp_buf_byte(out, ';');
            add_unnamed(p, at, out);
        }
        for (uint32_t l = end; l-- > first;) {
            if (out->n > start)
                osp_buf_byte(out, ';');
            add_name(out, osp_text(p, p->functions.row[p->locations.line[l].fn.i].name));
            if (annotate && l + 1 < end)
                osp_buf_add(out, S("_[i]"));
            else if (kernel)
                osp_buf_add(out, S("_[k]"));
        }
    }
}

/* Each distinct stack once, sorted by its text. */
static bool write_stacks(const osp_profile *p, uint32_t value, bool annotate, osp_buf *out, osp_err *err)
{
    folded_line *line = calloc((size_t)p->stacks.n + 1, sizeof *line);
    size_t *start = calloc((size_t)p->stacks.n + 1, sizeof *start);
    osp_location_id *room = osp_stack_room(p);
    osp_buf text = osp_buf_of(out->max);
    bool ok = line && start && room;
    for (uint32_t s = 0; ok && s < p->stacks.n; s++) {
        start[s] = text.n;
        add_stack(p, osp_stack_read(p, (osp_stack_id){s}, room), annotate, &text);
    }
    for (uint32_t i = 0; ok && i < p->samples.n; i++)
        osp_add(&line[p->samples.stack[i].i].value, p->samples.value[value][i]);
    for (uint32_t s = 0; ok && text.n && s < p->stacks.n; s++) /* else all are empty */
        line[s].text = (osp_str){text.p + start[s], (s + 1 < p->stacks.n ? start[s + 1] : text.n) - start[s]};
    ok = ok && !text.failed;
    if (ok)
        qsort(line, p->stacks.n, sizeof *line, by_text);
    for (uint32_t s = 0; ok && s < p->stacks.n; s++) {
        if (s + 1 < p->stacks.n && osp_str_eq(line[s].text, line[s + 1].text)) {
            osp_add(&line[s + 1].value, line[s].value);
            continue;
        }
        if (line[s].value == 0)
            continue;
        osp_buf_add(out, line[s].text);
        osp_buf_fmt(out, " %lld\n", (long long)line[s].value);
    }
    osp_buf_drop(&text);
    free(room);
    free(start);
    free(line);
    return ok || osp_fail_memory(err, "writing folded stacks");
}

static bool write_folded(const osp_profile *p, uint32_t value, osp_buf *out, osp_err *err)
{
    return write_stacks(p, value, false, out, err);
}

static bool write_annotated(const osp_profile *p, uint32_t value, osp_buf *out, osp_err *err)
{
    return write_stacks(p, value, true, out, err);
}

const osp_format osp_format_folded = {
    .name = "folded",
    .summary = "folded stacks, as flame graph scripts read and write them",
    .ending = ".folded .collapsed .txt",
    .sniff = sniff,
    .read = read_folded,
    .write = write_folded,
};

const osp_format osp_format_annotated = {
    .name = "annotated",
    .summary = "folded stacks whose frames say _[k] kernel and _[i] inlined",
    .ending = "",
    .write = write_annotated,
};
