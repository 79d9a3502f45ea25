/* SPDX-License-Identifier: Apache-2.0 */
/* A line of pprof's shell that asks for a report:
 *
 *   COMMAND [ARGUMENT] [N] [REGEXP]... [-REGEXP]... [-cum] [> FILE] [| SHELL COMMAND]
 *
 * What it says counts for this once. Several regular expressions become one, joined by |. Digits at the end of a
 * command are a number: top10. */
#include "cli/pprof_cli.h"

/* ---- blanks --------------------------------------------------------------------------------------------------- */

/* How many bytes the blank takes that s begins with (Unicode's White_Space); 0 if it begins with none. */
static size_t blank(osp_str s)
{
    const uint8_t *b = (const uint8_t *)s.p;
    if (s.n == 0)
        return 0;
    if (b[0] < 0x80)
        return b[0] == ' ' || (b[0] >= '\t' && b[0] <= '\r');
    if (s.n >= 2 && b[0] == 0xc2)
        return b[1] == 0x85 || b[1] == 0xa0 ? 2 : 0;
    if (s.n < 3)
        return 0;
    uint32_t three = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2];
    bool is = three == 0xe19a80 || (three >= 0xe28080 && three <= 0xe2808a) || three == 0xe280a8 ||
              three == 0xe280a9 || three == 0xe280af || three == 0xe2819f || three == 0xe38080;
    return is ? 3 : 0;
}

osp_str osp_word_cut(osp_str *line)
{
    size_t n, end = 0;
    while ((n = blank(*line)))
        *line = osp_str_skip(*line, n);
    while (end < line->n && !blank(osp_str_skip(*line, end)))
        end++;
    osp_str word = osp_str_head(*line, end);
    *line = osp_str_skip(*line, end);
    return word;
}

osp_str osp_blanks_trim(osp_str s)
{
    size_t n, end = 0;
    while ((n = blank(s)))
        s = osp_str_skip(s, n);
    for (size_t i = 0; i < s.n;) {
        n = blank(osp_str_skip(s, i));
        i += n ? n : 1;
        end = n ? end : i;
    }
    return osp_str_head(s, end);
}

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
    while (n && name->p[n - 1] >= '0' && name->p[n - 1] <= '9')
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
        osp_str value = digits.n ? digits : osp_word_cut(&rest);
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
    for (osp_str word = digits.n ? digits : osp_word_cut(&rest); word.n; word = osp_word_cut(&rest)) {
        int64_t number;
        if (is_number(word, &number)) {
            out->config.nodecount = number;
        } else if (word.p[0] == '>') {
            osp_str file = word.n > 1 ? osp_str_skip(word, 1) : osp_word_cut(&rest);
            if (file.n == 0)
                return osp_fail(err, OSP_EUSAGE, "unexpected end of line after >");
            out->config.output = file;
        } else if (word.p[0] == '|') {
            out->pipe = osp_blanks_trim((osp_str){word.p + 1, (size_t)(rest.p + rest.n - word.p) - 1});
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
    osp_str name = osp_word_cut(&line), digits = {0};
    *out = (osp_pprof_line){.command = command_of(&name, &digits), .config = *config};
    if (!out->command)
        return no_command(name, digits, line, err);
    const osp_report *report = out->command->report;
    if (report->takes_argument) {
        out->argument = digits.n ? digits : osp_word_cut(&line);
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
