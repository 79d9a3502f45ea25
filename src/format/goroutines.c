/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks of goroutines as Go prints them when it dies, on SIGQUIT, from debug.Stack() and with debug=2; alone or in the midst
 * of a log. Go 1.18 to 1.27:
 *
 *     goroutine 18 gp=0x… m=0 mp=0x… [chan receive, 5 minutes, locked to thread]:
 *     internal/poll.(*pollDesc).waitRead(...)                   inlined into the next: no " +0x…"
 *     	internal/poll/fd_poll_runtime.go:89
 *     internal/poll.(*FD).Accept(0xc0000b4080)
 *     	internal/poll/fd_unix.go:613 +0x28c fp=0x… sp=0x… pc=0x…
 *     ...23 frames elided...                                    ...additional frames elided... in older ones
 *     non-Go function at pc=0x…                                 or, of a cgo symboliser: NAME, then "	file:line pc=0x…"
 *     created by net/http.(*Server).Serve in goroutine 5
 *     	net/http/server.go:3464 +0x485
 *     [originating from goroutine 5]:                           ancestors: not of this stack
 *
 * gp, fp, sp and pc are there in crashes and with GOTRACEBACK=system; "goroutine running on other thread; stack unavailable"
 * stands for a stack that, with GOTRACEBACK=crash, its own thread prints later. Behind the state there may be
 * `, synctest bubble N` and ` labels:{"key": "value"}`. Every line may have a prefix of the log, which is as long on all
 * lines of a stack.
 *
 * A goroutine is a sample of 1, labelled with its state, its wait in minutes, what created it, and its own labels. Not read:
 * goroutine 0, which is a thread's scheduler and no goroutine, and `runtime stack:`. */
#include "base/buf.h"
#include "format/details.h"

#include <stdlib.h>

typedef struct {
    uint64_t id;
    osp_stack_id stack;
    osp_labelset_id labels;
    bool hidden;    /* its stack was not to be had */
    bool elsewhere; /* but stands elsewhere */
} goroutine;

typedef enum { OUTSIDE, FRAMES, CREATOR, ANCESTORS } where;

typedef struct {
    osp_builder *b;
    where where;
    osp_str name;   /* the line before, of which the place is awaited */
    size_t column;  /* where lines of this stack begin, behind the log's prefix */
    goroutine now;  /* the one that is being read */
    osp_line *line; /* of its location that is being read, innermost first */
    osp_location_id *stack;
    osp_label *label;
    goroutine *all;
    size_t nline, nstack, nlabel, nall;
    size_t line_cap, stack_cap, label_cap, all_cap;
    uint64_t schedulers, odd; /* stacks of goroutine 0; lines that were not understood */
    osp_str reason;           /* "panic: …", "fatal error: …", "SIGQUIT: quit": the first, before any stack */
    int64_t longest_wait;     /* minutes */
    uint64_t locked;          /* to threads */
    bool failed;
} dump;

/* ---- words ---------------------------------------------------------------------------------------------------- */

/* Cut the decimal number that *s begins with. */
static bool cut_number(osp_str *s, uint64_t *out)
{
    size_t n = 0;
    while (n < s->n && osp_is_digit(s->p[n]))
        n++;
    bool ok = osp_str_u64(osp_str_head(*s, n), 10, out);
    *s = osp_str_skip(*s, n);
    return ok;
}

/* The hexadecimal number behind the last `key`; 0 if there is none. */
static uint64_t number_after(osp_str s, osp_str key)
{
    uint64_t v = 0;
    size_t at = osp_str_find(s, key);
    if (at == s.n)
        return 0;
    s = osp_str_skip(s, at + key.n);
    osp_str digits = osp_str_cut(&s, ' ');
    return osp_str_u64(digits, 16, &v) ? v : 0;
}

/* Is this the head of a goroutine? Its number, what stands in the brackets, and where it begins. */
static bool head_of(osp_str line, uint64_t *id, osp_str *inside, size_t *column)
{
    const osp_str word = S("goroutine ");
    *column = osp_str_find(line, word);
    osp_str rest = osp_str_skip(line, *column + word.n);
    if (*column == line.n || (*column && !memchr(" \t:|]>", line.p[*column - 1], 6)) || !cut_number(&rest, id) ||
        !osp_str_ends(rest, S("]:")))
        return false;
    if (osp_str_starts(rest, S(" gp=")))
        rest = osp_str_skip(rest, osp_str_find(rest, S(" [")));
    if (!osp_str_starts(rest, S(" [")))
        return false;
    *inside = (osp_str){rest.p + 2, rest.n - 4};
    return true;
}

/* ---- labels --------------------------------------------------------------------------------------------------- */

static void add_label(dump *d, osp_str key, osp_str text, osp_str unit, int64_t num)
{
    void *all = d->label;
    if (!osp_grow(&all, &d->label_cap, d->nlabel + 1, sizeof *d->label)) {
        d->failed = true;
        return;
    }
    d->label = all;
    d->label[d->nlabel++] = (osp_label){.key = osp_builder_string(d->b, key),
                                        .str = osp_builder_string(d->b, text),
                                        .unit = osp_builder_string(d->b, unit),
                                        .num = num};
}

static unsigned hex_digits(osp_str *s, unsigned n)
{
    uint64_t v = 0;
    osp_str digits = osp_str_head(*s, n);
    if (!osp_str_u64(digits, 16, &v))
        return '?';
    *s = osp_str_skip(*s, n);
    return (unsigned)v;
}

static void add_utf8(osp_buf *out, unsigned c)
{
    char bytes[4];
    osp_buf_add(out, (osp_str){bytes, osp_utf8_put(bytes, c)});
}

/* A Go string literal that *s begins with, unquoted into out. */
static bool cut_quoted(osp_str *s, osp_buf *out)
{
    out->n = 0;
    if (!osp_str_starts(*s, S("\"")))
        return false;
    *s = osp_str_skip(*s, 1);
    while (s->n) {
        char c = s->p[0];
        *s = osp_str_skip(*s, 1);
        if (c == '"')
            return true;
        if (c != '\\' || s->n == 0) {
            osp_buf_byte(out, (uint8_t)c);
            continue;
        }
        char e = s->p[0];
        const char *known = memchr("abfnrtv", e, 7);
        *s = osp_str_skip(*s, 1);
        if (e == 'x')
            osp_buf_byte(out, (uint8_t)hex_digits(s, 2));
        else if (e == 'u' || e == 'U')
            add_utf8(out, hex_digits(s, e == 'u' ? 4 : 8) & 0x1fffff);
        else
            osp_buf_byte(out, (uint8_t)(known ? "\a\b\f\n\r\t\v"[strchr("abfnrtv", e) - "abfnrtv"] : e));
    }
    return false;
}

/* {"key": "value", "key": "value"} */
static void own_labels(dump *d, osp_str s)
{
    osp_buf key = osp_buf_of(s.n + 8), value = osp_buf_of(s.n + 8);
    while (cut_quoted(&s, &key) && osp_str_starts(s, S(": "))) {
        s = osp_str_skip(s, 2);
        if (!cut_quoted(&s, &value))
            break;
        add_label(d, osp_buf_str(&key), osp_buf_str(&value), S(""), 0);
        s = osp_str_starts(s, S(", ")) ? osp_str_skip(s, 2) : S("");
    }
    osp_buf_drop(&key);
    osp_buf_drop(&value);
}

/* "chan receive, 5 minutes, locked to thread, synctest bubble 1 labels:{…}" */
static void state_labels(dump *d, osp_str inside)
{
    const osp_str mark = S(" labels:{");
    size_t at = osp_str_find(inside, mark);
    osp_str words = osp_str_head(inside, at);
    osp_str state = osp_str_cut(&words, ',');
    if (osp_str_ends(state, S(" (scan)")))
        state.n -= 7;
    if (state.n)
        add_label(d, S("state"), state, S(""), 0);
    while (words.n) {
        uint64_t n;
        osp_str word = osp_str_trim(osp_str_cut(&words, ',')), rest = word;
        if (cut_number(&rest, &n) && osp_str_eq(rest, S(" minutes")) && n <= INT64_MAX) {
            d->longest_wait = d->longest_wait > (int64_t)n ? d->longest_wait : (int64_t)n;
            add_label(d, S("wait"), S(""), S("minutes"), (int64_t)n);
        } else if (osp_str_eq(word, S("locked to thread"))) {
            d->locked++;
            add_label(d, S("locked"), S("to thread"), S(""), 0);
        } else if (osp_str_starts(word, S("synctest bubble "))) {
            add_label(d, S("synctest bubble"), osp_str_skip(word, 16), S(""), 0);
        }
    }
    if (at < inside.n)
        own_labels(d, osp_str_skip(inside, at + mark.n));
}

/* ---- stacks --------------------------------------------------------------------------------------------------- */

static void add_line(dump *d, osp_str name, osp_str file, int64_t number)
{
    void *all = d->line;
    if (!osp_grow(&all, &d->line_cap, d->nline + 1, sizeof *d->line)) {
        d->failed = true;
        return;
    }
    d->line = all;
    d->line[d->nline++] = (osp_line){.fn = osp_builder_function(d->b, name, name, file, 0), .line = number};
}

/* The lines so far are a location. */
static void end_location(dump *d, uint64_t addr)
{
    void *all = d->stack;
    if (!osp_grow(&all, &d->stack_cap, d->nstack + 1, sizeof *d->stack)) {
        d->failed = true;
        return;
    }
    d->stack = all;
    d->stack[d->nstack++] = osp_builder_location(d->b, (osp_mapping_id){0}, addr, d->line, d->nline);
    d->nline = 0;
}

/* A frame that stands for those that are not there. */
static void add_gap(dump *d, osp_str what)
{
    if (d->nline)
        end_location(d, 0);
    add_line(d, what, S(""), 0);
    end_location(d, 0);
}

static void end_goroutine(dump *d)
{
    void *all = d->all;
    if (d->where == OUTSIDE)
        return;
    d->where = OUTSIDE;
    d->name = (osp_str){0};
    if (d->nline)
        end_location(d, 0);
    if (d->now.id == 0) {
        d->schedulers++;
        return;
    }
    if (!osp_grow(&all, &d->all_cap, d->nall + 1, sizeof *d->all)) {
        d->failed = true;
        return;
    }
    d->all = all;
    d->now.stack = osp_builder_stack(d->b, d->stack, d->nstack);
    d->now.labels = osp_builder_labels(d->b, d->label, d->nlabel);
    d->all[d->nall++] = d->now;
}

/* "NAME(ARGUMENTS)" and "	FILE:LINE +0x… fp=0x… sp=0x… pc=0x…". */
static void frame(dump *d, osp_str name, osp_str place)
{
    uint64_t pc = number_after(place, S(" pc=0x")), number = 0;
    bool foreign = pc && !osp_str_has(place, S(" fp=0x")), offset = osp_str_has(place, S(" +0x")), inlined = false;
    if (!foreign && osp_str_ends(name, S(")"))) {
        size_t open = osp_str_rfind(name, '(');
        inlined = !offset && osp_str_eq(osp_str_skip(name, open), S("(...)"));
        name = osp_str_head(name, open);
    }
    if (osp_str_eq(name, S("panic")))
        name = S("runtime.gopanic");
    osp_str file = osp_str_trim(place);
    file.n = osp_str_find(file, offset ? S(" +0x") : S(" pc=0x"));
    size_t colon = osp_str_rfind(file, ':');
    if (colon < file.n && osp_str_u64(osp_str_skip(file, colon + 1), 10, &number) && number <= INT64_MAX)
        file.n = colon;
    else
        number = 0;
    if (osp_str_starts(file, S("pc=0x")))
        file.n = 0;
    add_line(d, name, file, (int64_t)number);
    if (!inlined) /* callers are known by where they go on */
        end_location(d, pc && d->nstack ? pc - 1 : pc);
}

static void created_by(dump *d, osp_str line)
{
    osp_str name = osp_str_skip(line, 11);
    name.n = osp_str_find(name, S(" in goroutine "));
    if (name.n)
        add_label(d, S("created by"), name, S(""), 0);
    d->where = CREATOR;
    d->name = (osp_str){0};
}

static void one_place(dump *d, osp_str line)
{
    if (d->name.n) {
        frame(d, d->name, line);
        d->name = (osp_str){0};
    } else if (osp_str_has(line, S("stack unavailable"))) {
        d->now.hidden = true;
        add_gap(d, S("[stack unavailable]"));
    } else {
        d->odd++;
    }
}

/* A line of a stack that is neither its head nor its end. */
static void one_line(dump *d, osp_str line)
{
    if (d->where == ANCESTORS || (d->where == CREATOR && (line.p[0] == '\t' || line.p[0] == ' ')))
        return;
    if (line.p[0] == '\t' || line.p[0] == ' ') {
        one_place(d, line);
        return;
    }
    d->odd += d->name.n > 0;
    d->name = (osp_str){0};
    if (osp_str_starts(line, S("created by "))) {
        created_by(d, line);
    } else if (osp_str_starts(line, S("[originating from goroutine "))) {
        d->where = ANCESTORS;
    } else if (osp_str_starts(line, S("...")) && osp_str_ends(line, S("frames elided..."))) {
        add_gap(d, S("[frames elided]"));
    } else if (osp_str_starts(line, S("non-Go function at pc=0x"))) {
        if (d->nline)
            end_location(d, 0);
        end_location(d, number_after(line, S(" at pc=0x")));
    } else if (d->where == FRAMES) {
        d->name = line;
    }
}

/* Why Go printed all this: "panic: …", "fatal error: …", "SIGQUIT: quit". */
static bool is_reason(osp_str line)
{
    size_t n = 3;
    if (osp_str_starts(line, S("panic: ")) || osp_str_starts(line, S("fatal error: ")))
        return true;
    while (n < line.n && line.p[n] >= 'A' && line.p[n] <= 'Z')
        n++;
    return osp_str_starts(line, S("SIG")) && n > 3 && osp_str_starts(osp_str_skip(line, n), S(": "));
}

static void read_text(dump *d, osp_str text)
{
    while (text.n && !d->failed) {
        osp_str line = osp_str_cut(&text, '\n'), inside;
        uint64_t id;
        size_t column;
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        if (osp_str_ends(line, S("]:")) && head_of(line, &id, &inside, &column)) {
            end_goroutine(d);
            d->where = FRAMES;
            d->column = column;
            d->now = (goroutine){.id = id};
            d->nline = d->nstack = d->nlabel = 0;
            if (id)
                state_labels(d, inside);
            continue;
        }
        if (d->where == OUTSIDE) {
            if (!d->reason.n && !d->nall && is_reason(line))
                d->reason = osp_str_head(line, 300);
            continue;
        }
        line = osp_str_skip(line, d->column);
        if (line.n == 0)
            end_goroutine(d);
        else
            one_line(d, line);
    }
    end_goroutine(d);
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

static int by_id(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* Of a goroutine whose stack its own thread has printed, the line that says so is no second goroutine. */
static void drop_hidden(dump *d)
{
    size_t n = 0;
    uint64_t *id = calloc(d->nall + 1, sizeof *id);
    for (size_t i = 0; id && i < d->nall; i++)
        if (!d->all[i].hidden)
            id[n++] = d->all[i].id;
    if (n)
        qsort(id, n, sizeof *id, by_id);
    for (size_t i = 0; n && i < d->nall; i++)
        d->all[i].elsewhere = d->all[i].hidden && bsearch(&d->all[i].id, id, n, sizeof *id, by_id);
    d->failed |= !id;
    free(id);
}

static void say_note(const dump *d, osp_input *in)
{
    osp_buf note = osp_buf_of(sizeof in->note);
    if (d->odd)
        osp_buf_fmt(&note, "%llu lines inside of stacks were not understood", (unsigned long long)d->odd);
    if (d->schedulers)
        osp_buf_fmt(&note, "%sgoroutine 0 (a thread's scheduler) is left out", note.n ? "; " : "");
    osp_str_z(osp_buf_str(&note), in->note, sizeof in->note);
    osp_buf_drop(&note);
}

static void say_details(const dump *d, osp_details *to)
{
    static const char group[] = "dump";
    osp_detail_text(to, group, S("reason"), d->reason);
    int64_t ns;
    if (d->longest_wait && !__builtin_mul_overflow(d->longest_wait, (int64_t)60 * 1000000000, &ns))
        osp_detail_number(to, group, S("longest_wait"), OSP_DETAIL_NS, ns, "");
    if (d->locked)
        osp_detail_number(to, group, S("locked_to_thread"), OSP_DETAIL_COUNT, (int64_t)d->locked, "");
}

static osp_profile *read_goroutines(osp_input *in, osp_err *err)
{
    dump d = {.b = osp_builder_new(in->limit, err)};
    if (!d.b)
        return NULL;
    osp_profile *p = NULL;
    osp_builder_value(d.b, S("goroutine"), S("count"));
    read_text(&d, osp_span_text(in->file.bytes));
    drop_hidden(&d);
    for (size_t i = 0; i < d.nall; i++)
        if (!d.all[i].elsewhere)
            osp_builder_sample(d.b, d.all[i].stack, d.all[i].labels, &(int64_t){1}, 0);
    osp_profile_head head = {.period = 1, .period_type = S("goroutine"), .period_unit = S("count")};
    osp_builder_head(d.b, &head);
    say_note(&d, in);
    say_details(&d, in->details);
    if (d.failed)
        osp_fail_memory(err, "reading goroutines");
    else if (d.nall == 0)
        osp_fail(err, OSP_EABSENT, "there is no line `goroutine N [state]:`");
    if (d.failed || d.nall == 0)
        osp_builder_drop(d.b);
    else
        p = osp_builder_finish(d.b, err);
    free(d.line);
    free(d.stack);
    free(d.label);
    free(d.all);
    return p;
}

/* A dump may come after any amount of a log, but a log has lines. */
static osp_sniffed sniff(osp_str head, size_t size)
{
    bool whole = head.n == size;
    size_t lines = 0;
    if (memchr(head.p, 0, head.n))
        return OSP_NOT_MINE;
    for (; head.n; lines++) {
        osp_str line = osp_str_trim(osp_str_cut(&head, '\n')), inside;
        uint64_t id;
        size_t column;
        if (osp_str_ends(line, S("]:")) && head_of(line, &id, &inside, &column))
            return OSP_MINE;
    }
    return whole || lines < 8 ? OSP_NOT_MINE : OSP_MAYBE_MINE;
}

const osp_format osp_format_goroutines = {
    .name = "goroutines",
    .summary = "stacks of goroutines (debug=2, SIGQUIT, a crash of Go)",
    .ending = "",
    .sniff = sniff,
    .read = read_goroutines,
};
