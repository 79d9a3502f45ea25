/* SPDX-License-Identifier: Apache-2.0 */
/* Java's heap and contention profiles, and the names behind these and its CPU profiles (cpu.c):
 *
 *     --- heapz 1 ---                                 or --- contentionz 1 ---
 *     format = java
 *     resolution = bytes                              the unit of the first number below
 *               7048     1 @ 0x00000003 0x00000004    bytes (or delay), how many; the rest stands for frames, leaf first
 *
 *      0x00000003 com.example.function03 (source.java:03)
 *      0x00000004 com.example.function04 (lib/libexample.so)
 *      0x00000005 GC
 *
 * Heap values are unsampled at 512 KiB, contention is multiplied by the sampling period. */
#include "format/java.h"
#include "base/hash.h"
#include "format/pattern.h"

#include <stdlib.h>

enum { HEAP_RATE = 524288 };

static osp_str text_of(osp_group g) { return (osp_str){g.p, g.n}; }

/* ---- names ---------------------------------------------------------------------------------------------------- */

typedef struct {
    osp_pattern *line, *file_line, *path;
    osp_intern functions; /* the first file that a function is seen in is its file */
    osp_str *file;
    size_t file_cap;
} names;

/* filepath.Base: slashes at the end do not count, "" is ".", and slashes alone are one. */
static osp_str base_of(osp_str path)
{
    osp_str all = path;
    while (path.n && path.p[path.n - 1] == '/')
        path.n--;
    if (path.n == 0)
        return all.n ? S("/") : S(".");
    return osp_str_base(path);
}

static osp_place_name parse_name(const names *t, osp_str text)
{
    osp_group g[3];
    osp_place_name name = {.named = true};
    if (osp_pattern_find(t->file_line, text.p, text.n, g, 3)) {
        name.function = text_of(g[0]), name.file = text_of(g[1]);
        if (!osp_go_int(text_of(g[2]), 10, &name.line) || name.line < 0)
            name.line = 0;
    } else if (osp_pattern_find(t->path, text.p, text.n, g, 2)) {
        name.function = text_of(g[0]), name.file = base_of(text_of(g[1]));
    } else if (osp_str_has(text, S("generated stub/JIT"))) {
        name.function = S("STUB");
    } else {
        name.function = text;
    }
    return name;
}

static bool share_file(names *t, osp_place_name *name)
{
    bool fresh = false;
    void *files = t->file;
    uint32_t id = osp_intern_put(&t->functions, name->function, &fresh);
    if (id == UINT32_MAX || !osp_grow(&files, &t->file_cap, (size_t)id + 1, sizeof name->file))
        return false;
    t->file = files;
    if (fresh)
        t->file[id] = name->file;
    name->file = t->file[id];
    return true;
}

static bool one_name(osp_bare *b, names *t, osp_str line, osp_place_name *to, osp_err *err)
{
    osp_group g[2];
    uint64_t addr;
    if (line.n == 0 || !osp_pattern_find(t->line, line.p, line.n, g, 2))
        return true;
    if (!osp_str_u64(text_of(g[0]), 16, &addr))
        return osp_fail(err, OSP_EFORMAT, "the location 0x%.*s does not fit 64 bits",
                        STRF(osp_str_head(text_of(g[0]), 40)));
    uint32_t place = osp_bare_place(b, addr);
    if (place == UINT32_MAX)
        return true;
    to[place] = parse_name(t, text_of(g[1]));
    return share_file(t, &to[place]) || osp_fail_memory(err, "reading names");
}

static bool read_names(osp_bare *b, osp_str text, osp_place_name *to, osp_err *err)
{
    names t = {.line = osp_pattern_new("^\\s*0x([[:xdigit:]]+)\\s+(.*)\\s*$"),
               .file_line = osp_pattern_new("^(.*)\\s+\\((.+):(-?[[:digit:]]+)\\)$"),
               .path = osp_pattern_new("^(.*)\\s+\\((.*)\\)$")};
    bool ok = (t.line && t.file_line && t.path && to) || osp_fail_memory(err, "reading names");
    while (ok && text.n)
        ok = one_name(b, &t, osp_go_trim(osp_str_cut(&text, '\n')), to, err);
    osp_pattern_drop(t.line);
    osp_pattern_drop(t.file_line);
    osp_pattern_drop(t.path);
    osp_intern_drop(&t.functions);
    free(t.file);
    return ok;
}

osp_profile *osp_java_finish(osp_bare *b, osp_str text, osp_err *err)
{
    if (!osp_bare_locate(b, err))
        return NULL;
    osp_place_name *name = calloc(b->place.n + 1, sizeof *name);
    osp_profile *p = read_names(b, text, name, err) ? osp_bare_finish(b, name, err) : NULL;
    free(name);
    return p;
}

/* ---- heap and contention -------------------------------------------------------------------------------------- */

typedef struct {
    osp_bare b;
    osp_str rest; /* of the text */
    bool heap;    /* else contention */
} java;

/* The next line that ends, trimmed; it stays in rest until take_line(). */
static bool see_line(const java *j, osp_str *line)
{
    const char *end = j->rest.n ? memchr(j->rest.p, '\n', j->rest.n) : NULL;
    if (end)
        *line = osp_go_trim((osp_str){j->rest.p, (size_t)(end - j->rest.p)});
    return end != NULL;
}

static void take_line(java *j) { osp_str_cut(&j->rest, '\n'); }

static bool attribute(java *j, osp_str key, osp_str value, osp_err *err)
{
    int64_t ms;
    osp_bare *b = &j->b;
    if (osp_str_eq(key, S("format")))
        return osp_str_eq(value, S("java")) || osp_fail(err, OSP_EABSENT, "the format is not java");
    if (osp_str_eq(key, S("resolution"))) {
        b->ntype = 0;
        osp_bare_type(b, j->heap ? S("inuse_objects") : S("contentions"), S("count"));
        osp_bare_type(b, j->heap ? S("inuse_space") : S("delay"), value);
        return true;
    }
    if (!j->heap && osp_str_eq(key, S("sampling period"))) {
        b->head.period_type = S("contentions");
        b->head.period_unit = S("count");
        return osp_go_int(value, 0, &b->head.period) ||
               osp_fail(err, OSP_EFORMAT, "the sampling period is no number");
    }
    if (!j->heap && osp_str_eq(key, S("ms since reset"))) {
        if (!osp_go_int(value, 0, &ms))
            return osp_fail(err, OSP_EFORMAT, "`ms since reset` is no number");
        b->head.duration_ns = (int64_t)((uint64_t)ms * 1000000);
        return true;
    }
    return osp_fail(err, OSP_EABSENT, "unknown attribute `%.*s`", STRF(osp_str_head(key, 40)));
}

static bool attributes(java *j, osp_err *err)
{
    osp_str line;
    osp_pattern *p = osp_pattern_new("([\\w ]+)=([\\w ]+)");
    bool ok = p || osp_fail_memory(err, "reading a Java profile");
    for (; ok && see_line(j, &line); take_line(j)) {
        osp_group g[2];
        if (line.n == 0)
            continue;
        if (!osp_pattern_find(p, line.p, line.n, g, 2))
            break;
        ok = attribute(j, osp_go_trim(text_of(g[0])), osp_go_trim(text_of(g[1])), err);
    }
    osp_pattern_drop(p);
    return ok;
}

static bool sample(java *j, const osp_group *g, osp_err *err)
{
    osp_bare *b = &j->b;
    int64_t value[2], bytes = 0;
    if (!osp_bare_frames(b, text_of(g[2]), 0))
        return osp_fail(err, OSP_EFORMAT, "a sample's location does not fit 64 bits");
    if (!osp_go_int(text_of(g[1]), 0, &value[0]) || !osp_go_int(text_of(g[0]), 0, &value[1]))
        return osp_fail(err, OSP_EFORMAT, "`%.*s %.*s` are no two numbers of 64 bits",
                        STRF(osp_str_head(text_of(g[0]), 40)), STRF(osp_str_head(text_of(g[1]), 40)));
    if (j->heap) {
        if (value[0] == 0)
            return osp_fail(err, OSP_EFORMAT, "a sample's second value is zero");
        bytes = osp_mean(value[1], value[0]);
        osp_unsample(&value[0], &value[1], HEAP_RATE);
    } else if (b->head.period) {
        value[0] = (int64_t)((uint64_t)value[0] * (uint64_t)b->head.period);
        value[1] = (int64_t)((uint64_t)value[1] * (uint64_t)b->head.period);
    }
    if (b->ntype == 0)
        return osp_fail(err, OSP_EFORMAT, "missing sample type information: there is no `resolution`");
    osp_bare_sample_of(b, value, bytes);
    return true;
}

static bool samples(java *j, osp_err *err)
{
    osp_str line;
    osp_pattern *p = osp_pattern_new(" *(\\d+) +(\\d+) +@ +([ x0-9a-f]*)");
    bool ok = p || osp_fail_memory(err, "reading a Java profile");
    for (; ok && see_line(j, &line); take_line(j)) {
        osp_group g[3];
        if (line.n == 0)
            continue;
        if (!osp_pattern_find(p, line.p, line.n, g, 3))
            break;
        ok = sample(j, g, err);
    }
    osp_pattern_drop(p);
    return ok;
}

static osp_profile *read_java(osp_input *in, osp_err *err)
{
    java j = {.rest = osp_span_text(in->file.bytes)};
    osp_str line;
    bool ok = see_line(&j, &line);
    j.heap = ok && osp_str_eq(line, S("--- heapz 1 ---"));
    if (!ok || (!j.heap && !osp_str_eq(line, S("--- contentionz 1 ---")))) {
        osp_fail(err, OSP_EABSENT, "the first line is another");
        return NULL;
    }
    take_line(&j);
    osp_bare_init(&j.b, in);
    j.b.sized = j.heap;
    osp_profile *p = attributes(&j, err) && samples(&j, err) ? osp_java_finish(&j.b, j.rest, err) : NULL;
    osp_bare_drop(&j.b);
    return p;
}

static osp_sniffed sniff(osp_str head, size_t size)
{
    (void)size;
    osp_str line = osp_go_trim(osp_str_cut(&head, '\n'));
    bool mine = osp_str_eq(line, S("--- heapz 1 ---")) || osp_str_eq(line, S("--- contentionz 1 ---"));
    return mine ? OSP_MINE : OSP_NOT_MINE;
}

const osp_format osp_format_java = {
    .name = "java",
    .summary = "Java heap or contention profile",
    .ending = "",
    .sniff = sniff,
    .read = read_java,
};
