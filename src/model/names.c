/* SPDX-License-Identifier: Apache-2.0 */
/* Readable names, by the peer's rules: a function whose name is its linker name (or that has none) is demangled; a
 * name that only looks like demangled C++ loses its arguments, "(…)" and "<…>". */
#include "model/names.h"

static bool contains_any(osp_str s, const char *set)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] && strchr(set, s.p[i]))
            return true;
    return false;
}

static bool looks_like_cpp(osp_str s)
{
    if (osp_str_has(s, S(".<")) || osp_str_has(s, S("])."))) /* Java's class.<init>; Go's (*Bar[...]).Method */
        return false;
    return contains_any(s, "<>[]") || osp_str_has(s, S("::"));
}

/* s without its outermost open…close pairs and what they hold. A pair that is never closed stays with all that
 * follows it, and so does what follows a close too many. */
static osp_str cut_pairs(osp_arena *a, osp_str s, char open, char close)
{
    char *out = osp_new(a, char, s.n);
    if (!out)
        return s;
    size_t n = 0, depth = 0, first = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == close && depth == 0) {
            memcpy(out + n, s.p + i, s.n - i);
            return (osp_str){out, n + s.n - i};
        }
        if (c == open && depth++ == 0)
            first = n;
        out[n++] = c;
        if (c == close && --depth == 0)
            n = first;
    }
    return (osp_str){out, n};
}

osp_str osp_readable_name(osp_arena *a, osp_str name, osp_str linker_name, const osp_query *q)
{
    if (name.n && !osp_str_eq(name, linker_name))
        return name;
    if (q->demangle) {
        osp_str plain = q->demangle(a, linker_name);
        if (plain.p)
            return plain;
    }
    if (!looks_like_cpp(linker_name))
        return linker_name;
    osp_str brief = q->keep_parameters ? linker_name : cut_pairs(a, linker_name, '(', ')');
    return q->keep_templates ? brief : cut_pairs(a, brief, '<', '>');
}

osp_str osp_pruning_name(osp_str name)
{
    if (name.n && name.p[0] == '.')
        name = osp_str_skip(name, 1);
    static const osp_str reserved[] = {{"(anonymous namespace)", 21}, {"operator()", 10}};
    for (size_t i = 0; i < name.n; i++) {
        osp_str rest = osp_str_skip(name, i);
        if (osp_str_starts(rest, reserved[0]))
            i += reserved[0].n - 1;
        else if (osp_str_starts(rest, reserved[1]))
            i += reserved[1].n - 1;
        else if (name.p[i] == '(')
            return osp_str_head(name, i);
    }
    return name;
}
