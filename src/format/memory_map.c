/* SPDX-License-Identifier: Apache-2.0 */
/* The memory map behind a legacy profile: lines of /proc/PID/maps, or the brief form
 *
 *     start-end [perms] object-file [(@offset)] [build-id]
 *
 * both perhaps behind a log's prefix ("I0102 … file.cc:12] "), and assignments (attr=value), by which $attr is replaced in
 * all lines that follow. Lines of other kinds are skipped, mappings that are not executable too.
 *
 * What a line is, the peer's regular expressions say, with HEX = (?:0x)?([[:xdigit:]]+):
 *
 *     range    ^\s*HEX[\s-]?\s*HEX:?
 *     perms    (?:\s+([-rwxp]+))?
 *     proc     range perms (?:\s+([[:xdigit:]]+))?\s+[[:xdigit:]]+:[[:xdigit:]]+\s+[[:digit:]]+(?:\s+(\S+))?
 *     brief    range perms (?:\s+(\S+))?(?:\s+\(@([[:xdigit:]]+)\))?(?:\s+([[:xdigit:]]+))?
 *
 * A map has a million lines if somebody means ill, so they are read by hand here, by the same rules: only the range can be
 * cut in two ways, everything behind it in one. A test compares the two. */
#include "format/legacy.h"

#include "base/hash.h"

#include <stdlib.h>

bool osp_is_map_head(osp_str line)
{
    return osp_str_has(line, S("--- Memory map: ---")) || osp_str_has(line, S("MAPPED_LIBRARIES:"));
}

/* ---- assignments ---------------------------------------------------------------------------------------------- */

/* Names as a tree of their bytes; of those that match at a place, the one assigned first wins. Both the steps in the tree
 * and the bytes that replacements add are counted against a budget that grows with the input: `b=$a$a`, `c=$b$b`, … would
 * double the text with every line. */
typedef struct {
    struct edge {
        uint64_t key; /* node << 8 | byte, + 1; 0 = free */
        uint32_t to;
    } * edge;
    size_t nedge;
    uint32_t nnode; /* node 0 is the root, behind the '$' */
    uint32_t *rank; /* by node: 1 + number of the name that ends here, 0 = none */
    size_t rank_cap;
    osp_str *value; /* by number of the name */
    size_t nvalue, value_cap;
    uint64_t steps, growth; /* what is left of the budget */
    osp_buf line;           /* the line with its replacements made */
} names;

static struct edge *edge_at(const names *t, uint64_t key)
{
    size_t at = osp_hash_pair(key, 0) & (t->nedge - 1);
    while (t->edge[at].key && t->edge[at].key != key)
        at = (at + 1) & (t->nedge - 1);
    return &t->edge[at];
}

static bool room_for_edge(names *t)
{
    void *ranks = t->rank;
    if (!osp_grow(&ranks, &t->rank_cap, (size_t)t->nnode + 2, sizeof *t->rank))
        return false;
    t->rank = ranks;
    if ((size_t)t->nnode * 2 < t->nedge)
        return true;
    struct edge *old = t->edge;
    size_t n = t->nedge;
    t->nedge = n ? n * 2 : 256;
    t->edge = calloc(t->nedge, sizeof *t->edge);
    for (size_t i = 0; t->edge && i < n; i++)
        if (old[i].key)
            *edge_at(t, old[i].key) = old[i];
    free(old);
    return t->edge && t->nnode < UINT32_MAX - 2;
}

static bool assign(names *t, osp_str name, osp_str value)
{
    uint32_t node = 0;
    void *values = t->value;
    if (!room_for_edge(t))
        return false;
    if (t->nnode == 0)
        t->rank[t->nnode++] = 0;
    for (size_t i = 0; i < name.n; i++) {
        uint64_t key = ((uint64_t)node << 8 | (uint8_t)name.p[i]) + 1;
        struct edge *e = edge_at(t, key);
        if (!e->key) {
            *e = (struct edge){key, t->nnode};
            t->rank[t->nnode++] = 0;
        }
        node = e->to;
        if (!room_for_edge(t))
            return false;
    }
    if (t->rank[node])
        return true;
    if (!osp_grow(&values, &t->value_cap, t->nvalue + 1, sizeof value))
        return false;
    t->value = values;
    t->value[t->nvalue++] = value;
    t->rank[node] = (uint32_t)t->nvalue;
    return true;
}

/* The name assigned first of those that s (behind a '$') begins with: its rank and length; 0 if there is none. */
static uint32_t first_name(names *t, osp_str s, size_t *length)
{
    uint32_t node = 0, best = t->nnode ? t->rank[0] : 0;
    *length = 0;
    for (size_t i = 0; t->nedge && i < s.n && t->steps; i++, t->steps--) {
        const struct edge *e = edge_at(t, ((uint64_t)node << 8 | (uint8_t)s.p[i]) + 1);
        if (!e->key)
            break;
        node = e->to;
        if (t->rank[node] && (!best || t->rank[node] < best)) {
            best = t->rank[node];
            *length = i + 1;
        }
    }
    return best;
}

/* The line with all names replaced: a view of it, or of t->line. */
static bool replace(names *t, osp_str line, osp_str *out, osp_err *err)
{
    *out = line;
    if (t->nvalue == 0 || !osp_str_has(line, S("$")))
        return true;
    t->line.n = 0;
    while (line.n) {
        size_t length, plain = osp_str_find(line, S("$"));
        osp_buf_add(&t->line, osp_str_head(line, plain));
        line = osp_str_skip(line, plain);
        if (line.n == 0)
            break;
        uint32_t rank = first_name(t, osp_str_skip(line, 1), &length);
        osp_str with = rank ? t->value[rank - 1] : S("$");
        if (with.n > t->growth || t->steps == 0)
            return osp_fail(err, OSP_ELIMIT, "the memory map's assignments replace too much");
        t->growth -= with.n;
        osp_buf_add(&t->line, with);
        line = osp_str_skip(line, 1 + length);
    }
    *out = osp_buf_str(&t->line);
    return !t->line.failed || osp_fail_memory(err, "reading mappings");
}

/* ---- lines ---------------------------------------------------------------------------------------------------- */

typedef struct {
    osp_bare *b;
    names names;
} reading;

enum { SPACE = 1, HEX = 2, PERM = 4, DIGIT = 8, WORD = 16 };

static unsigned class_of(char c)
{
    if (c >= '0' && c <= '9')
        return HEX | DIGIT | WORD;
    if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
        return HEX | WORD;
    if (c == 'r' || c == 'w' || c == 'x' || c == 'p' || c == '-')
        return PERM | WORD;
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r' ? SPACE : WORD;
}

static bool is_space(char c) { return class_of(c) == SPACE; }

/* How many bytes of that class stand there. */
static size_t run(osp_str s, size_t at, unsigned class)
{
    size_t n = 0;
    while (at + n < s.n && class_of(s.p[at + n]) & class)
        n++;
    return n;
}

/* (?:\s+([class]+))?: the end of it. */
static size_t run_behind_blanks(osp_str s, size_t at, unsigned class, osp_str *out)
{
    size_t blanks = run(s, at, SPACE), n = blanks ? run(s, at + blanks, class) : 0;
    if (n == 0)
        return at;
    *out = (osp_str){s.p + at + blanks, n};
    return at + blanks + n;
}

/* HEX: the end of it, 0 if there is none. */
static size_t hex_at(osp_str s, size_t at, osp_str *digits)
{
    if (osp_str_starts(osp_str_skip(s, at), S("0x")) && run(s, at + 2, HEX))
        at += 2;
    *digits = osp_str_head(osp_str_skip(s, at), run(s, at, HEX));
    return digits->n ? at + digits->n : 0;
}

/* The range without its colon; its end, 0 if there is none. Where no second number follows the first, or (again) where what
 * follows is no mapping, the last digit of the first is the second. */
static size_t range(osp_str s, bool again, osp_map_line *m)
{
    *m = (osp_map_line){0};
    size_t at = hex_at(s, run(s, 0, SPACE), &m->start), end;
    if (at == 0)
        return 0;
    size_t next = at + (at < s.n && (s.p[at] == '-' || is_space(s.p[at])));
    if (!again && (end = hex_at(s, next + run(s, next, SPACE), &m->limit)) != 0)
        return end;
    return m->start.n-- >= 2 ? hex_at(s, at - 1, &m->limit) : 0;
}

static bool proc_from(osp_str s, size_t at, osp_map_line *m)
{
    osp_str device = {0}, inode = {0}, offset = {0};
    at += at < s.n && s.p[at] == ':';
    at = run_behind_blanks(s, at, PERM, &m->perms);
    size_t end = run_behind_blanks(s, at, HEX, &offset);
    if (offset.n && end < s.n && is_space(s.p[end])) {
        m->offset = offset;
        at = end;
    }
    at = run_behind_blanks(s, at, HEX, &device);
    if (!device.n || at == s.n || s.p[at] != ':' || run(s, at + 1, HEX) == 0)
        return false;
    at += 1 + run(s, at + 1, HEX);
    at = run_behind_blanks(s, at, DIGIT, &inode);
    run_behind_blanks(s, at, WORD, &m->file);
    return inode.n > 0;
}

static void brief_from(osp_str s, size_t at, osp_map_line *m)
{
    at += at < s.n && s.p[at] == ':';
    at = run_behind_blanks(s, at, PERM, &m->perms);
    at = run_behind_blanks(s, at, WORD, &m->file);
    size_t open = at + run(s, at, SPACE), digits;
    if (open > at && osp_str_starts(osp_str_skip(s, open), S("(@")) && (digits = run(s, open + 2, HEX)) != 0 &&
        open + 2 + digits < s.n && s.p[open + 2 + digits] == ')') {
        m->offset = (osp_str){s.p + open + 2, digits};
        at = open + 2 + digits + 1;
    }
    run_behind_blanks(s, at, HEX, &m->build_id);
}

bool osp_map_line_of(osp_str s, osp_map_line *out)
{
    for (int again = 0; again < 2; again++) {
        size_t end = range(s, again, out);
        if (end && proc_from(s, end, out))
            return true;
    }
    size_t end = range(s, false, out);
    if (end)
        brief_from(s, end, out);
    return end > 0;
}

/* Without the prefix of a log: "anything:123] ". */
static osp_str without_log(osp_str line)
{
    size_t end = 0;
    while (end < line.n && line.p[end] != '[' && line.p[end] != ']')
        end++;
    if (end + 1 >= line.n || line.p[end] != ']' || !is_space(line.p[end + 1]))
        return line;
    size_t at = end;
    while (at && line.p[at - 1] >= '0' && line.p[at - 1] <= '9')
        at--;
    return at < end && at >= 2 && line.p[at - 1] == ':' ? osp_str_skip(line, end + 2) : line;
}

/* A text that outlives the line: lines are views of the input unless something was replaced in them. */
static osp_str lasting(reading *r, osp_str s, bool replaced)
{
    if (!replaced || s.n == 0)
        return s;
    osp_str copy = osp_arena_str(&r->b->texts, s);
    r->b->failed |= !copy.p;
    return copy;
}

/* True if the line is a mapping; it is added if it is executable. */
static bool mapping_of(reading *r, osp_str line, bool replaced)
{
    osp_map_line l;
    if (!osp_map_line_of(line, &l))
        return false;
    if (l.perms.n && !memchr(l.perms.p, 'x', l.perms.n))
        return true;
    osp_bare_mapping m = {.file = l.file.n ? l.file : S(""), .build_id = l.build_id.n ? l.build_id : S("")};
    if (!osp_str_u64(l.start, 16, &m.start) || !osp_str_u64(l.limit, 16, &m.limit) ||
        (l.offset.n && !osp_str_u64(l.offset, 16, &m.offset)))
        return false;
    m.file = lasting(r, m.file, replaced);
    m.build_id = lasting(r, m.build_id, replaced);
    r->b->failed |= !osp_bare_mapping_of(r->b, m);
    return true;
}

static bool one_line(reading *r, osp_str raw, osp_err *err)
{
    osp_str line;
    raw = without_log(raw);
    if (!replace(&r->names, raw, &line, err))
        return false;
    bool replaced = line.p != raw.p;
    if (mapping_of(r, line, replaced))
        return true;
    osp_str value = line, name = osp_str_cut(&value, '=');
    if (name.n == line.n)
        return true;
    name = osp_go_trim(name);
    value = lasting(r, osp_go_trim(value), replaced);
    r->b->failed |= !assign(&r->names, name, value);
    return true;
}

/* ---- mappings that belong together ---------------------------------------------------------------------------- */

static bool agree(osp_str a, osp_str b) { return a.n == 0 || b.n == 0 || osp_str_eq(a, b); }

static bool continues(const osp_bare_mapping *a, const osp_bare_mapping *b)
{
    return agree(a->file, b->file) && agree(a->build_id, b->build_id) && a->limit == b->start &&
           (a->offset == 0 || b->offset == 0 || a->offset + (a->limit - a->start) == b->offset);
}

static void join_neighbours(osp_bare *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->nmapping; i++) {
        const osp_bare_mapping *m = &b->mapping[i];
        osp_bare_mapping *last = n ? &b->mapping[n - 1] : NULL;
        if (!last || !continues(last, m)) {
            b->mapping[n++] = *m;
            continue;
        }
        last->limit = m->limit;
        if (m->file.n)
            last->file = m->file;
        if (m->build_id.n)
            last->build_id = m->build_id;
    }
    b->nmapping = n;
}

/* ".so" at the end, or followed by a dot or underscore and a digit. */
static bool is_library(osp_str file)
{
    while (file.n) {
        file = osp_str_skip(file, osp_str_find(file, S(".so")));
        if (file.n == 3 ||
            (file.n > 4 && (file.p[3] == '.' || file.p[3] == '_') && file.p[4] >= '0' && file.p[4] <= '9'))
            return true;
        file = osp_str_skip(file, 3);
    }
    return false;
}

/* Is this the main program? "(deleted)" does not count, wherever it stands. */
static bool is_program(osp_bare *b, osp_str file)
{
    const osp_str gone = S("(deleted)");
    if (osp_str_has(file, gone)) {
        osp_buf rest = osp_buf_of(file.n);
        while (file.n) {
            size_t at = osp_str_find(file, gone);
            osp_buf_add(&rest, osp_str_head(file, at));
            file = osp_str_skip(file, at + gone.n);
        }
        file = osp_arena_str(&b->texts, osp_buf_str(&rest));
        osp_buf_drop(&rest);
    }
    file = osp_go_trim(file);
    return file.n && !is_library(file) && file.p[0] != '[';
}

static void program_first(osp_bare *b)
{
    for (size_t i = 0; i < b->nmapping; i++) {
        if (!is_program(b, b->mapping[i].file))
            continue;
        osp_bare_mapping first = b->mapping[0];
        b->mapping[0] = b->mapping[i];
        b->mapping[i] = first;
        return;
    }
}

/* ---- the whole map -------------------------------------------------------------------------------------------- */

bool osp_bare_map(osp_bare *b, osp_go_lines *s, osp_err *err)
{
    reading r = {.b = b};
    uint64_t size = s->rest.n;
    r.names.steps = size * 2 + (1 << 20);
    r.names.growth = size * 8 + (1 << 20);
    r.names.line = osp_buf_of(size * 16 + (2 << 20));
    bool ok = true;
    while (ok && osp_go_next_line(s))
        ok = one_line(&r, s->line, err);
    ok = ok && osp_go_lines_ended(s, err);
    if (ok && b->failed)
        ok = osp_fail_memory(err, "reading mappings");
    free(r.names.edge);
    free(r.names.rank);
    free(r.names.value);
    osp_buf_drop(&r.names.line);
    join_neighbours(b);
    program_first(b);
    return ok;
}

bool osp_bare_sections(osp_bare *b, osp_go_lines *s, osp_err *err)
{
    while (!osp_is_map_head(s->line) && osp_go_next_line(s))
        ;
    return osp_go_lines_ended(s, err) && osp_bare_map(b, s, err);
}
