/* SPDX-License-Identifier: Apache-2.0 */
/* Names of C++ and Rust functions, as pprof shows them: brief ones without parameters, return type and template arguments,
 * where of the functions that enclose a local one "()" stays; the same with template arguments; and full ones. */
#include "object_internal.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdlib.h>

enum { LONGEST_NAME = 4096 };

/* ---- demangling, bounded --------------------------------------------------------------------------------------- */

/* In a mangled name each part may repeat the parts before it, so 400 bytes can stand for gigabytes, and libiberty
 * writes them all. It hands them over piece by piece: when there is no more room we jump out of it. (Its own state
 * lies on its stack, so nothing is lost by that.) */
typedef struct {
    char *out;
    size_t n, size;
    jmp_buf full;
} sink;

static void take_piece(const char *piece, size_t n, void *ctx)
{
    sink *s = ctx;
    if (n >= s->size - s->n)
        longjmp(s->full, 1);
    memcpy(s->out + s->n, piece, n);
    s->n += n;
}

bool osp_demangle_into(const char *linker_name, int options, char *out, size_t size)
{
    sink s = {.out = out, .size = size};
    if (setjmp(s.full))
        return false;
    bool ok = rust_demangle_callback(linker_name, options, take_piece, &s);
    if (!ok) {
        s.n = 0;
        ok = cplus_demangle_v3_callback(linker_name, options, take_piece, &s);
    }
    out[s.n] = 0;
    return ok;
}

/* ---- shortening ------------------------------------------------------------------------------------------------ */

/* The operator token that s starts with (after "operator"), if it could be taken for a bracket. */
static size_t operator_token(const char *s)
{
    static const char *const token[] = {"<=>", "<<=", ">>=", "->*", "<<", ">>", "<=", ">=", "->", "<", ">"};
    for (size_t i = 0; i < sizeof token / sizeof *token; i++)
        if (strncmp(s, token[i], strlen(token[i])) == 0)
            return strlen(token[i]);
    return 0;
}

/* If s starts with the parameters of an enclosing function, "(int) const::", the place behind them. */
static const char *past_enclosing_parameters(const char *s)
{
    size_t depth = 0;
    if (strncmp(s, "(anonymous namespace)", 21) == 0)
        return NULL;
    do {
        depth += *s == '(';
        depth -= *s == ')';
        s++;
    } while (*s && depth);
    static const char *const after[] = {" const", " volatile", " &&", " &"};
    const char *behind = s;
    for (size_t i = 0; i < sizeof after / sizeof *after; i++)
        if (strncmp(behind, after[i], strlen(after[i])) == 0)
            behind += strlen(after[i]);
    return depth == 0 && strncmp(behind, "::", 2) == 0 ? s : NULL;
}

/* The brackets that are open: a '>' ends template arguments only if a '<' was the last to open. */
typedef struct {
    char open[256];
    size_t n, angles;
} brackets;

static void see_bracket(brackets *b, char c)
{
    if ((c == '(' || c == '<') && b->n < sizeof b->open) {
        b->open[b->n++] = c;
        b->angles += c == '<';
    } else if ((c == ')' || c == '>') && b->n && b->open[b->n - 1] == (c == ')' ? '(' : '<')) {
        b->n--;
        b->angles -= c == '>';
    }
}

/* Shortens s in place. */
static void shorten(char *s, bool keep_templates)
{
    char *out = s;
    brackets b = {.n = 0};
    for (const char *from = s, *to; *from;) {
        if (strncmp(from, "operator", 8) == 0) {
            size_t token = operator_token(from + 8), n = 8 + token;
            if (b.angles == 0 || keep_templates) {
                memmove(out, from, n);
                out += n;
            }
            from += n;
            from += !keep_templates && token && from[0] == ' ' && from[1] == '<';
        } else if ((b.angles == 0 || keep_templates) && *from == '(' && (to = past_enclosing_parameters(from))) {
            *out++ = '(';
            *out++ = ')';
            from = to;
        } else {
            size_t before = b.angles;
            if (*from != '>' || from == s || from[-1] != '-')
                see_bracket(&b, *from);
            if ((before == 0 && b.angles == 0) || keep_templates)
                *out++ = *from;
            from++;
        }
    }
    *out = 0;
}

static void make_brief(char *s) { shorten(s, false); }
static void keep_templates(char *s) { shorten(s, true); }

/* Cuts " [clone .cold]", of which there may be several. */
static void cut_clones(char *s)
{
    char *clone = strstr(s, " [clone ");
    if (clone)
        *clone = 0;
}

/* libiberty writes "> >", but after an empty pack of arguments ">>": always the former, in the arena. */
static osp_str with_gaps(osp_arena *arena, osp_str s)
{
    size_t n = 0, most = s.n + s.n / 2 + 1;
    char *out = osp_new(arena, char, most);
    for (size_t i = 0; out && i < s.n; i++) {
        osp_str rest = osp_str_skip(s, i);
        size_t token = osp_str_starts(rest, S("operator")) ? 8 + operator_token(rest.p + 8) : 0;
        if (token) {
            memcpy(out + n, rest.p, token);
            n += token;
            i += token - 1;
            continue;
        }
        if (s.p[i] == '>' && n && out[n - 1] == '>')
            out[n++] = ' ';
        out[n++] = s.p[i];
    }
    return (osp_str){out, n};
}

static osp_str readable(osp_arena *arena, osp_str linker_name, int options, void (*edit)(char *))
{
    char z[LONGEST_NAME];
    if (osp_str_starts(linker_name, S("__Z")))
        linker_name = osp_str_skip(linker_name, 1);
    if (!osp_is_mangled(linker_name) || linker_name.n >= sizeof z || memchr(linker_name.p, 0, linker_name.n))
        return (osp_str){NULL, 0};
    char *text = malloc(OSP_LONGEST_DEMANGLED);
    osp_str out = {NULL, 0};
    if (text && osp_demangle_into(osp_str_z(linker_name, z, sizeof z), options, text, OSP_LONGEST_DEMANGLED)) {
        edit(text);
        out = edit == make_brief ? osp_arena_str(arena, osp_str_from(text)) : with_gaps(arena, osp_str_from(text));
    }
    free(text);
    return out;
}

osp_str osp_brief_name(osp_arena *arena, osp_str linker_name)
{
    return readable(arena, linker_name, DMGL_ANSI, make_brief);
}

osp_str osp_template_name(osp_arena *arena, osp_str linker_name)
{
    return readable(arena, linker_name, DMGL_ANSI, keep_templates);
}

osp_str osp_full_name(osp_arena *arena, osp_str linker_name)
{
    return readable(arena, linker_name, DMGL_PARAMS | DMGL_ANSI, cut_clones);
}
