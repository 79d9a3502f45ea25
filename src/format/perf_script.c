/* SPDX-License-Identifier: Apache-2.0 */
/* What `perf script` prints (tools/perf/builtin-script.c), with any set of fields that has a line a sample:
 *
 *     # captured on    : Thu Nov 19 10:00:00 2026            comments, with --header
 *     beta two 24863 [001] 13161.103806:    2004008   cpu-clock:        comm [pid/]tid [cpu] time: period event:
 *     <TAB>     3fbc0 msort_with_tmp+0x260 (inlined)                    addr symbol+offset (file), leaf first
 *     <TAB>     3fd35 __GI___qsort_r+0xb5 (/usr/lib/libc.so.6)
 *       qsort_r.c:123                                                   with -F +srcline
 *                                                                       an empty line
 *
 * Without call chains the frame stands behind the event on its line. An (inlined) frame stands before the one it was
 * inlined into. Addresses are the file's, or the process's where there is no call chain: they are kept as they are.
 * Not read: branch stacks, registers, the arguments that tracepoints print. */
#include "format/details.h"
#include "format/names.h"

#include <stdlib.h>

static bool all_digits(osp_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!osp_is_digit(s.p[i]))
            return false;
    return s.n > 0;
}

static osp_str next_word(osp_str *s)
{
    while (s->n && (s->p[0] == ' ' || s->p[0] == '\t'))
        *s = osp_str_skip(*s, 1);
    size_t n = 0;
    while (n < s->n && s->p[n] != ' ' && s->p[n] != '\t')
        n++;
    osp_str word = osp_str_head(*s, n);
    *s = osp_str_skip(*s, n);
    return word;
}

/* ---- the line of a sample ------------------------------------------------------------------------------------- */

typedef struct {
    osp_str comm, event;
    uint64_t pid, tid, time_ns; /* 0: not there */
    int64_t period;             /* -1: not there */
    osp_str rest;               /* behind the event */
} head_line;

/* "24863" or "24800/24863"; "-1" where the thread was gone already. */
static bool read_ids(osp_str word, head_line *h)
{
    osp_str tid = word, pid = osp_str_cut(&tid, '/');
    h->pid = h->tid = 0;
    if (osp_str_eq(word, S("-1")) || osp_str_eq(word, S("-1/-1")))
        return true;
    if (pid.n == word.n)
        return all_digits(word) && osp_str_u64(word, 10, &h->tid);
    return all_digits(pid) && all_digits(tid) && osp_str_u64(pid, 10, &h->pid) && osp_str_u64(tid, 10, &h->tid);
}

/* "13161.103806:", to nanoseconds. */
static bool read_time(osp_str word, uint64_t *out)
{
    if (word.n < 3 || word.p[word.n - 1] != ':')
        return false;
    osp_str fraction = osp_str_head(word, word.n - 1), seconds = osp_str_cut(&fraction, '.');
    uint64_t s, f;
    if (!all_digits(seconds) || !all_digits(fraction) || fraction.n > 9 || !osp_str_u64(seconds, 10, &s) ||
        !osp_str_u64(fraction, 10, &f))
        return false;
    for (size_t i = fraction.n; i < 9; i++)
        f *= 10;
    return !__builtin_mul_overflow(s, 1000000000u, out) && !__builtin_add_overflow(*out, f, out);
}

/* What follows the ids: [cpu], time:, period, event:. */
static bool read_after_ids(osp_str rest, head_line *h, bool *timed)
{
    *timed = false;
    h->period = -1;
    h->time_ns = 0;
    h->event = S("");
    for (;;) {
        osp_str before = rest, word = next_word(&rest);
        uint64_t n;
        if (word.n == 0)
            return *timed;
        if (word.p[0] == '[' && word.p[word.n - 1] == ']' && h->period < 0) /* the CPU */
            continue;
        if (!*timed && read_time(word, &h->time_ns)) {
            *timed = true;
            continue;
        }
        if (all_digits(word) && h->period < 0) {
            if (!osp_str_u64(word, 10, &n) || n > INT64_MAX)
                return false;
            h->period = (int64_t)n;
            continue;
        }
        if (word.n > 1 && word.p[word.n - 1] == ':') {
            h->event = osp_str_head(word, word.n - 1);
            h->rest = rest;
            return true;
        }
        h->rest = before; /* no event is printed */
        return *timed;
    }
}

/* comm may hold blanks and digits: the first number that the rest fits is the thread. */
static bool read_head_line(osp_str line, head_line *h)
{
    bool indented = line.n && (line.p[0] == ' ' || line.p[0] == '\t'), timed;
    if (line.n == 0 || line.p[0] == '\t')
        return false;
    osp_str rest = line;
    next_word(&rest);
    while (rest.n) {
        osp_str before = rest, word = next_word(&rest);
        if (word.n == 0 || !(osp_is_digit(word.p[0]) || word.p[0] == '-') || !read_ids(word, h) ||
            !read_after_ids(rest, h, &timed))
            continue;
        if (!timed && (indented || osp_str_trim(h->rest).n))
            continue;
        h->comm = osp_str_trim(osp_str_head(line, (size_t)(before.p - line.p)));
        return true;
    }
    return false;
}

/* ---- frames --------------------------------------------------------------------------------------------------- */

typedef struct {
    osp_str symbol, file;
    uint64_t addr;
} frame_line;

static bool looks_like_file(osp_str s)
{
    return s.n && (s.p[0] == '/' || s.p[0] == '[' || osp_str_eq(s, S("inlined")) || memchr(s.p, '/', s.n) ||
                   osp_str_has(s, S(".so")) || osp_str_starts(s, S("anon")) || osp_str_starts(s, S("memfd:")));
}

/* "addr symbol+0x12 (file)"; the file may be missing, or be "/x (deleted)". */
static bool read_frame(osp_str line, frame_line *f)
{
    osp_str word = next_word(&line);
    if (!osp_str_u64(word, 16, &f->addr))
        return false;
    f->symbol = osp_str_trim(line);
    f->file = S("");
    if (f->symbol.n && f->symbol.p[f->symbol.n - 1] == ')') {
        osp_str inside = osp_str_head(f->symbol, f->symbol.n - 1);
        osp_str body = osp_str_ends(inside, S(" (deleted)")) ? osp_str_head(inside, inside.n - 10) : inside;
        size_t open = body.n;
        while (open > 0 && !(body.p[open - 1] == '(' && (open == 1 || body.p[open - 2] == ' ')))
            open--;
        osp_str file = osp_str_skip(body, open);
        if (open && looks_like_file(file)) {
            f->file = file;
            f->symbol = osp_str_trim(osp_str_head(f->symbol, open - 1));
        }
    }
    size_t plus = osp_str_rfind(f->symbol, '+');
    uint64_t offset;
    if (plus < f->symbol.n && osp_str_starts(osp_str_skip(f->symbol, plus), S("+0x")) &&
        osp_str_u64(osp_str_skip(f->symbol, plus + 3), 16, &offset))
        f->symbol.n = plus;
    return true;
}

static bool is_inlined(osp_str line) { return osp_str_ends(line, S("(inlined)")); }

/* "file.c:12" */
static void read_source_line(osp_str line, osp_str *file, int64_t *number)
{
    uint64_t n;
    line = osp_str_trim(line);
    size_t colon = osp_str_rfind(line, ':');
    if (colon < line.n && osp_str_u64(osp_str_skip(line, colon + 1), 10, &n) && n <= INT32_MAX) {
        *file = osp_str_head(line, colon);
        *number = (int64_t)n;
    }
}

/* The lines of one location: frames that were inlined, the frame itself, source lines between them. */
static osp_location_id read_group(osp_names *n, osp_str group)
{
    enum { MOST = 128 };
    osp_line line[MOST];
    frame_line f = {0}, last = {0};
    size_t k = 0;
    while (group.n) {
        osp_str text = osp_str_cut(&group, '\n'), file = S("");
        int64_t number = 0;
        if (k == MOST || !read_frame(text, &f))
            continue;
        last = f;
        osp_str next = group;
        frame_line ignored;
        next = osp_str_cut(&next, '\n');
        if (next.n && !read_frame(next, &ignored))
            read_source_line(next, &file, &number);
        if (!osp_str_eq(f.symbol, S("[unknown]")) && f.symbol.n)
            line[k++] = (osp_line){.fn = osp_builder_function(n->b, f.symbol, S(""), file, 0), .line = number};
    }
    osp_mapping_id mapping = {0};
    if (last.file.n && !osp_str_eq(last.file, S("[unknown]")) && !osp_str_eq(last.file, S("inlined")))
        mapping = osp_builder_mapping(n->b, 0, 0, 0, last.file, S(""), OSP_HAS_ALL);
    return osp_builder_location(n->b, mapping, last.addr, line, k);
}

/* ---- all of it ------------------------------------------------------------------------------------------------ */

typedef struct {
    osp_names names;
    osp_event_tally tally;
    osp_line_count lines;
    osp_string_id key_thread, key_pid, key_tid;
    bool in_sample, complete; /* a sample is open; its last group has its outermost frame */
    uint32_t event;
    osp_labelset_id labels;
    int64_t period;
    osp_str group; /* the lines of the location under construction */
    uint64_t first_ns, last_ns;
    osp_details *details;
    unsigned told; /* a bit for each comment that was taken */
} reader;

static void end_group(reader *r)
{
    if (r->group.n == 0)
        return;
    bool fresh;
    osp_location_id *at = osp_names_at(&r->names, r->group, &fresh);
    if (fresh)
        *at = read_group(&r->names, r->group);
    osp_names_push(&r->names, *at);
    r->group = (osp_str){0};
}

static void end_sample(reader *r)
{
    if (!r->in_sample)
        return;
    end_group(r);
    osp_tally_add(&r->tally, r->event, osp_names_stack(&r->names, false), r->labels, r->period);
    r->in_sample = false;
}

static void begin_sample(reader *r, const head_line *h)
{
    osp_builder *b = r->names.b;
    osp_label label[3];
    size_t n = 0;
    end_sample(r);
    if (h->comm.n)
        label[n++] = (osp_label){.key = r->key_thread, .str = osp_builder_string(b, h->comm)};
    if (h->pid && h->pid <= INT64_MAX)
        label[n++] = (osp_label){.key = r->key_pid, .num = (int64_t)h->pid};
    if (h->tid && h->tid <= INT64_MAX)
        label[n++] = (osp_label){.key = r->key_tid, .num = (int64_t)h->tid};
    r->labels = osp_builder_labels(b, label, n);
    r->event = osp_tally_event(&r->tally, h->event.n ? h->event : S("events"));
    r->period = h->period;
    r->in_sample = true;
    r->complete = false;
    if (h->time_ns) {
        r->first_ns = r->first_ns && r->first_ns < h->time_ns ? r->first_ns : h->time_ns;
        r->last_ns = r->last_ns > h->time_ns ? r->last_ns : h->time_ns;
    }
}

static void add_frame(reader *r, osp_str line)
{
    if (!r->in_sample) /* fields without any head: frames and empty lines alone */
        begin_sample(r, &(head_line){.event = S("events"), .period = -1});
    if (r->complete)
        end_group(r);
    r->complete = !is_inlined(line);
    if (r->group.n == 0)
        r->group = line;
    else
        r->group.n = (size_t)(line.p + line.n - r->group.p);
}

static void add_comment(reader *r, osp_str line)
{
    static const struct {
        const char *begin, *name;
    } worth[] = {{"# cmdline :", "command"},
                 {"# hostname :", "host"},
                 {"# os release :", "kernel"},
                 {"# cpudesc :", "cpu"},
                 {"# captured on ", "captured_on"}};
    for (unsigned i = 0; i < sizeof worth / sizeof *worth; i++) {
        osp_str value = line;
        if (!osp_str_starts(line, osp_str_from(worth[i].begin)) || r->told >> i & 1)
            continue;
        r->told |= 1u << i;
        osp_str_cut(&value, ':');
        osp_builder_comment(r->names.b, osp_str_trim(osp_str_skip(line, 1)));
        osp_detail_text(r->details, "recording", osp_str_from(worth[i].name), osp_str_trim(value));
        if (r->details)
            r->details->commented = true;
    }
}

static void read_line(reader *r, osp_str line, uint64_t number)
{
    head_line h = {.rest = S("")};
    frame_line f;
    if (line.n && line.p[0] == '#') {
        add_comment(r, line);
    } else if (osp_str_trim(line).n == 0) {
        end_sample(r);
    } else if (read_head_line(line, &h)) {
        r->lines.lines++;
        begin_sample(r, &h);
        if (read_frame(h.rest, &f) && f.file.n)
            add_frame(r, osp_str_trim(h.rest));
    } else if (read_frame(line, &f)) {
        add_frame(r, line);
    } else if (r->group.n && (line.p[0] == ' ' || line.p[0] == '\t')) { /* the source line of the frame before */
        r->group.n = (size_t)(line.p + line.n - r->group.p);
    } else {
        r->lines.lines++;
        if (r->lines.bad++ == 0)
            r->lines.first_bad = number;
    }
}

static bool read_lines(reader *r, osp_input *in, osp_err *err)
{
    uint64_t number = 0;
    for (osp_str text = osp_span_text(in->file.bytes); text.n && !r->names.failed && !r->tally.failed;) {
        osp_str line = osp_str_cut(&text, '\n');
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        read_line(r, line, ++number);
    }
    end_sample(r);
    if (r->names.failed)
        return osp_fail_memory(err, "reading the output of perf script");
    r->lines.lines += r->lines.lines == r->lines.bad ? r->tally.ncome : 0;
    return osp_lines_judged(&r->lines, in, err);
}

static osp_profile *read_script(osp_input *in, osp_err *err)
{
    reader r = {.details = in->details};
    osp_builder *b = osp_builder_new(in->limit, err);
    if (!b)
        return NULL;
    r.names.b = r.tally.b = b;
    r.key_thread = osp_builder_string(b, S("thread"));
    r.key_pid = osp_builder_string(b, S("pid"));
    r.key_tid = osp_builder_string(b, S("tid"));
    bool ok = read_lines(&r, in, err);
    osp_profile_head head = {.duration_ns = (int64_t)((r.last_ns - r.first_ns) & INT64_MAX)};
    ok = ok && osp_tally_finish(&r.tally, &head, err);
    if (ok)
        osp_builder_head(b, &head);
    osp_tally_drop(&r.tally);
    return osp_names_finish(&r.names, ok, err);
}

static osp_sniffed sniff(osp_str head, size_t size)
{
    size_t heads = 0, frames = 0;
    head_line h = {.rest = S("")};
    frame_line f;
    if (osp_str_starts(head, S("# ========\n# captured on")))
        return OSP_MINE;
    for (int i = 0; head.n && i < 200; i++) {
        bool last = !memchr(head.p, '\n', head.n);
        osp_str line = osp_str_cut(&head, '\n');
        if (memchr(line.p, 0, line.n))
            return OSP_NOT_MINE;
        if (line.n == 0 || line.p[0] == '#' || (last && size != head.n && (heads || frames)))
            continue;
        if (read_head_line(line, &h))
            heads++;
        else if (read_frame(line, &f) && f.file.n)
            frames++;
        else if (heads + frames == 0)
            return OSP_NOT_MINE;
    }
    return heads && frames ? OSP_MINE : heads || frames ? OSP_MAYBE_MINE : OSP_NOT_MINE;
}

const osp_format osp_format_perf_script = {
    .name = "perf-script",
    .summary = "what `perf script` prints",
    .ending = "",
    .sniff = sniff,
    .read = read_script,
};
