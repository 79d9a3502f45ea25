/* SPDX-License-Identifier: Apache-2.0 */
/* Help and the man page, from the table of commands: what is not in the table is not promised, and what is in it is
 * explained everywhere in the same words. */
#include "cli/cli_internal.h"

#include <stdio.h>

static bool starts_lower(const char *s) { return s[0] >= 'a' && s[0] <= 'z'; }

/* A summary as a sentence: the first letter large, a dot at the end. */
static void add_sentence(osp_buf *out, const char *summary)
{
    if (starts_lower(summary)) {
        osp_buf_byte(out, (uint8_t)(summary[0] - 'a' + 'A'));
        summary++;
    }
    osp_buf_fmt(out, "%s.", summary);
}

/* text from column `at`, its lines broken at blanks, further lines indented to that column. */
static void add_wrapped(osp_buf *out, osp_str text, size_t at, size_t columns)
{
    size_t width = columns > at + 20 ? columns - at : 20, used = 0;
    bool first = true;
    while (text.n) {
        osp_str word = osp_str_cut(&text, ' ');
        size_t n = osp_str_columns(word);
        if (!first && used + 1 + n > width) {
            osp_buf_byte(out, '\n');
            osp_buf_fill(out, ' ', at);
            used = 0;
        } else if (!first) {
            osp_buf_byte(out, ' ');
            used++;
        }
        osp_buf_add(out, word);
        used += n;
        first = false;
    }
    osp_buf_byte(out, '\n');
}

/* left, padded to the column `at`, then text. */
static void add_row(osp_buf *out, osp_str left, size_t at, const char *text, size_t columns)
{
    osp_buf_add(out, left);
    size_t n = osp_str_columns(left);
    if (n + 1 >= at) {
        osp_buf_byte(out, '\n');
        n = 0;
    }
    osp_buf_fill(out, ' ', at - n);
    add_wrapped(out, osp_str_from(text), at, columns);
}

void osp_help_short(osp_buf *out, const osp_command *const *table)
{
    char left[128];
    for (int line = 0; *table && line < 5; table++) {
        if (strcmp((*table)->name, "help") == 0)
            continue;
        snprintf(left, sizeof left, "osprey %s", (*table)->examples[0]);
        add_row(out, osp_str_from(left), 30, (*table)->summary, 200);
        line++;
    }
    add_row(out, S("osprey help"), 30, "all commands; osprey help COMMAND explains one", 200);
}

void osp_help_all(osp_buf *out, const osp_command *const *table, int columns)
{
    osp_buf_add(out, S("osprey says where Go, cgo and C processes spend their time, and why.\n\n"
                       "    osprey COMMAND [OPTIONS] [OPERANDS]\n\n"));
    char left[64];
    for (; *table; table++) {
        snprintf(left, sizeof left, "  %s", (*table)->name);
        add_row(out, osp_str_from(left), 14, (*table)->summary, (size_t)columns);
    }
    osp_buf_add(out, S("\nosprey help COMMAND explains one. Options may stand before or after operands.\n"
                       "A bare number is a process id. Exit status: 0 done, 1 failed, 2 wrong usage,\n"
                       "3 `why` found a cause.\n"));
}

static void add_option_left(osp_buf *out, const char *dashes, const osp_option *o)
{
    if (o->letter)
        osp_buf_fmt(out, "-%c, ", o->letter);
    else
        osp_buf_fill(out, ' ', 4);
    osp_buf_fmt(out, "%s%s%s%s", dashes, o->name, o->arg ? " " : "", o->arg ? o->arg : "");
}

void osp_help_command(osp_buf *out, const osp_command *command, int columns)
{
    add_sentence(out, command->summary);
    osp_buf_fmt(out, "\n\n    osprey %s%s%s\n\nExamples:\n", command->name, command->args[0] ? " " : "",
                command->args);
    for (const char *const *e = command->examples; *e; e++)
        osp_buf_fmt(out, "    osprey %s\n", *e);
    const osp_option *o;
    for (size_t i = 0; (o = osp_command_option(command, i)); i++) {
        osp_buf left = osp_buf_of(256);
        osp_buf_add(&left, S("  "));
        add_option_left(&left, osp_command_dashes(command), o);
        if (i == 0)
            osp_buf_add(out, S("\nOptions:\n"));
        add_row(out, osp_buf_str(&left), 28, o->help, (size_t)columns);
        osp_buf_drop(&left);
    }
}

/* ---- man page ---------------------------------------------------------------------------------------------- */

/* Text for roff: dashes that are typed stay dashes, and nothing at a line's start is taken for a request. */
static void add_roff(osp_buf *out, osp_str s)
{
    if (s.n && (s.p[0] == '.' || s.p[0] == '\''))
        osp_buf_add(out, S("\\&"));
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '-')
            osp_buf_add(out, S("\\-"));
        else if (s.p[i] == '\\')
            osp_buf_add(out, S("\\e"));
        else
            osp_buf_byte(out, (uint8_t)s.p[i]);
    }
}

static void add_roff_z(osp_buf *out, const char *s) { add_roff(out, osp_str_from(s)); }

static void man_command(osp_buf *out, const osp_command *command)
{
    osp_buf_add(out, S(".SS \"osprey "));
    add_roff_z(out, command->name);
    osp_buf_add(out, command->args[0] ? S(" ") : S(""));
    add_roff_z(out, command->args);
    osp_buf_add(out, S("\"\n"));
    osp_buf sentence = osp_buf_of(1024);
    add_sentence(&sentence, command->summary);
    add_roff(out, osp_buf_str(&sentence));
    osp_buf_drop(&sentence);
    osp_buf_add(out, S("\n.PP\n.nf\n.RS 4\n"));
    for (const char *const *e = command->examples; *e; e++) {
        osp_buf_add(out, S("osprey "));
        add_roff_z(out, *e);
        osp_buf_byte(out, '\n');
    }
    osp_buf_add(out, S(".RE\n.fi\n"));
    const osp_option *o;
    for (size_t i = 0; (o = osp_command_option(command, i)); i++) {
        osp_buf_add(out, S(".TP\n"));
        if (o->letter)
            osp_buf_fmt(out, "\\fB\\-%c\\fR, ", o->letter);
        osp_buf_add(out, S("\\fB"));
        add_roff_z(out, osp_command_dashes(command));
        add_roff_z(out, o->name);
        osp_buf_add(out, S("\\fR"));
        if (o->arg)
            osp_buf_fmt(out, " \\fI%s\\fR", o->arg);
        osp_buf_byte(out, '\n');
        add_roff_z(out, o->help);
        osp_buf_byte(out, '\n');
    }
}

void osp_help_man(osp_buf *out, const osp_command *const *table)
{
    osp_buf_add(out,
                S(".TH OSPREY 1 \"\" \"osprey " OSP_VERSION "\" \"User commands\"\n"
                  ".SH NAME\nosprey \\- say where Go, cgo and C processes spend their time, and why\n"
                  ".SH SYNOPSIS\n.B osprey\n.I COMMAND\n[\\fIOPTIONS\\fR] [\\fIOPERANDS\\fR]\n"
                  ".SH DESCRIPTION\n"
                  "Options may stand before or after operands, with one dash or two, and their values after a\n"
                  "blank or an equals sign. A bare number is a process id. Called under the name \\fBpprof\\fR,\n"
                  "the program is \\fBosprey pprof\\fR.\n"
                  ".SH COMMANDS\n"));
    for (; *table; table++)
        man_command(out, *table);
    osp_buf_add(
        out, S(".SH EXIT STATUS\n.TP\n0\nDone.\n.TP\n1\nFailed; one sentence on standard error says why.\n"
               ".TP\n2\nWrong usage.\n.TP\n3\n\\fBosprey why\\fR found a cause.\n"
               ".SH ENVIRONMENT\n.TP\n\\fBNO_COLOR\\fR\nIf set and not empty, no colours.\n"
               ".TP\n\\fBOSPREY_MEMORY\\fR\nHow much memory input may cost: bytes, or a number with K, M, G or T.\n"
               "Otherwise half of the machine's, and at most 16 GiB.\n"
               ".TP\n\\fBOSPREY_NO_GRAPHVIZ\\fR\nIf set, call graphs are laid out without Graphviz's "
               "library.\n"
               ".TP\n\\fBPPROF_TMPDIR\\fR, \\fBPPROF_BINARY_PATH\\fR, \\fBBROWSER\\fR\nAs \\fBgo tool pprof\\fR "
               "has them.\n"));
}
