/* SPDX-License-Identifier: Apache-2.0 */
/* A line of pprof's shell that asks for a report:
 *
 *   COMMAND [ARGUMENT] [N] [REGEXP]... [-REGEXP]... [-cum] [> FILE] [| SHELL COMMAND]
 *
 * What it says counts for this once. Several regular expressions become one, joined by |. Digits at the end of a
 * command are a number: top10. */
#include "cli/pprof_cli.h"

/* ---- the line ------------------------------------------------------------------------------------------------- */

/* A number of 32 bits, with or without a sign. */
static bool is_number(osp_str s, int64_t *out)
{
    uint64_t v;
    bool minus = s.n && s.p[0] == '-', sign = minus || (s.n && s.p[0] == '+');
    if (!osp_str_u64(osp_str_skip(s, sign), 10, &v) || v > (uint64_t)INT32_MAX + minus)
        return false;
    *out = minus ? -(int64_t)v : (int64_t)v;
    return true;
}

/* Find the command; digits behind a name that is none are given back. */
static const osp_pprof_command *command_of(osp_str *name, osp_str *digits)
{
    const osp_pprof_command *c = osp_pprof_command_named(*name);
    size_t n = name->n;
    while (n && osp_is_digit(name->p[n - 1]))
        n--;
    if (c || n == 0 || n == name->n)
        return c;
    *digits = osp_str_skip(*name, n);
    *name = osp_str_head(*name, n);
    return osp_pprof_command_named(*name);
}

static bool no_command(osp_str name, osp_str digits, osp_str rest, osp_err *err)
{
    const osp_choice *choice;
    const osp_field *f = osp_field_named(name, &choice);
    if (f && (choice || !f->choices)) {
        osp_str value = digits.n ? digits : osp_go_cut_field(&rest);
        return osp_fail(err, OSP_EUSAGE, "did you mean: %.*s=%.*s", STRF(name),
                        STRF(value.n ? osp_str_head(value, 100) : S("<val>")));
    }
    osp_buf shown = osp_buf_of(400);
    osp_buf_quote(&shown, osp_str_head(name, 90));
    osp_fail(err, OSP_EUSAGE, "unrecognized command: %.*s", STRF(osp_buf_str(&shown)));
    osp_buf_drop(&shown);
    return false;
}

static void add_pattern(osp_buf *all, osp_str pattern)
{
    if (all->n && pattern.n)
        osp_buf_byte(all, '|');
    osp_buf_add(all, pattern);
}

typedef struct {
    osp_buf focus, ignore;
} patterns;

/* What stands behind the command; digits of its own come first. */
static bool read_words(osp_str digits, osp_str rest, patterns *to, osp_pprof_line *out, osp_err *err)
{
    for (osp_str word = digits.n ? digits : osp_go_cut_field(&rest); word.n; word = osp_go_cut_field(&rest)) {
        int64_t number;
        if (is_number(word, &number)) {
            out->config.nodecount = number;
        } else if (word.p[0] == '>') {
            osp_str file = word.n > 1 ? osp_str_skip(word, 1) : osp_go_cut_field(&rest);
            if (file.n == 0)
                return osp_fail(err, OSP_EUSAGE, "unexpected end of line after >");
            out->config.output = file;
        } else if (word.p[0] == '|') {
            out->pipe = osp_go_trim((osp_str){word.p + 1, (size_t)(rest.p + rest.n - word.p) - 1});
            return out->pipe.n || osp_fail(err, OSP_EUSAGE, "unexpected end of line after |");
        } else if (osp_str_eq(word, S("-cum")) || osp_str_eq(word, S("--cum"))) {
            out->config.sort = S("cum");
        } else if (word.p[0] == '-') {
            add_pattern(&to->ignore, osp_str_skip(word, 1));
        } else {
            add_pattern(&to->focus, word);
        }
    }
    return true;
}

static bool keep_pattern(const osp_buf *pattern, osp_arena *a, osp_str *to, osp_err *err)
{
    if (pattern->n)
        *to = osp_arena_str(a, osp_buf_str(pattern));
    return to->p || !pattern->n || osp_fail_memory(err, "reading a command");
}

bool osp_pprof_line_read(osp_str line, const osp_config *config, osp_arena *a, osp_pprof_line *out, osp_err *err)
{
    osp_str name = osp_go_cut_field(&line), digits = {0};
    *out = (osp_pprof_line){.command = command_of(&name, &digits), .config = *config};
    if (!out->command)
        return no_command(name, digits, line, err);
    const osp_report *report = out->command->report;
    if (report->takes_argument) {
        out->argument = digits.n ? digits : osp_go_cut_field(&line);
        digits = S("");
        if (out->argument.n == 0)
            return osp_fail(err, OSP_EUSAGE, "command %s requires an argument", out->command->name);
    }
    patterns p = {osp_buf_of(SIZE_MAX / 2), osp_buf_of(SIZE_MAX / 2)};
    bool tags = strcmp(out->command->name, "tags") == 0, ok = read_words(digits, line, &p, out, err);
    ok = ok && keep_pattern(&p.focus, a, tags ? &out->config.tagfocus : &out->config.focus, err) &&
         keep_pattern(&p.ignore, a, tags ? &out->config.tagignore : &out->config.ignore, err);
    if (ok && (p.focus.failed || p.ignore.failed))
        ok = osp_fail_memory(err, "reading a command");
    osp_buf_drop(&p.focus);
    osp_buf_drop(&p.ignore);
    if (out->config.nodecount == -1 && report->shell_node_count)
        out->config.nodecount = report->shell_node_count;
    return ok;
}
