/* SPDX-License-Identifier: Apache-2.0 */
/* pprof's help: of the command line, of the shell, of one command or option. Made of the tables, in the order of the
 * peer's. */
#include "cli/pprof_cli.h"

static osp_str first_line(const char *lines)
{
    osp_str rest = osp_str_from(lines);
    return osp_str_cut(&rest, '\n');
}

static void row(osp_buf *out, const char *indent, const char *dash, const char *name, osp_str text)
{
    size_t from = out->n;
    osp_buf_fmt(out, "%s%s%s", indent, dash, name);
    size_t width = strlen(indent) + 16, used = out->n - from;
    osp_buf_fill(out, ' ', used < width ? width - used : 0);
    osp_buf_fmt(out, " %.*s\n", STRF(text));
}

static void add_commands(osp_buf *out, const char *dash)
{
    for (const osp_pprof_command *c = osp_pprof_commands(); c->name; c++)
        row(out, "    ", dash, c->name, osp_str_from(c->summary));
}

/* The field that comes next by name; NULL after the last. */
static const osp_field *field_after(const osp_field *f)
{
    const osp_field *next = NULL;
    for (const osp_field *i = osp_fields; i->name; i++)
        if ((!f || strcmp(i->name, f->name) > 0) && (!next || strcmp(i->name, next->name) < 0))
            next = i;
    return next;
}

static void add_options(osp_buf *out, const char *dash)
{
    osp_buf_add(out, S("\n  Options:\n"));
    for (const osp_field *f = NULL; (f = field_after(f));)
        if (!f->choices)
            row(out, "    ", dash, f->name, first_line(f->help));
    osp_buf_add(out, S("\n  Groups of options (one of each at most):\n"));
    for (const osp_field *f = NULL; (f = field_after(f));) {
        if (!f->choices)
            continue;
        row(out, "    ", "", f->name, first_line(f->help));
        for (const osp_choice *c = f->choices; c->name; c++)
            row(out, "      ", dash, c->name, first_line(c->help));
    }
}

void osp_pprof_usage(osp_buf *out)
{
    osp_buf_add(out, S("usage:\n\n"
                       "Write a report of a profile:\n\n"
                       "   pprof -REPORT [flags] [binary] <source> ...\n\n"
                       "Without a report, ask for one after the other in a shell:\n\n"
                       "   pprof [flags] [binary] <source> ...\n\n"
                       "Look at it in a browser:\n\n"
                       "   osprey flame <source> -o flame.html\n\n"
                       "Details:\n"
                       "  Reports (one at most):\n"));
    add_commands(out, "-");
    add_options(out, "-");
    osp_buf_add(out, S("\n  Sources, several of which are added up:\n"
                       "    profile.pb.gz         a file, compressed or not, in any form osprey reads\n"
                       "    http://host/path      what a server answers\n"
                       "    host:port             the CPU profile of a Go server\n"
                       "    -seconds N            let the server measure for so long\n"
                       "    -timeout N            wait so many seconds at most\n"
                       "    -base source          subtract another profile; more than one add up\n"
                       "    -diff_base source     the same, with percentages of that profile\n"
                       "    -buildid id           build id of the main binary, if the profile says none\n"
                       "    -add_comment text     keep a text with the profile\n"
                       "    -all_frames           keep the frames that the profile wants to be dropped\n"
                       "    -tls_cert -tls_key -tls_ca  files for https\n"
                       "    -symbolize=           where names come from, colon list:\n"
                       "      none                  they stay as they are\n"
                       "      local                 from binaries here\n"
                       "      fastlocal             from their symbol tables alone\n"
                       "      remote                from where the profile came from\n"
                       "      force                 even where the profile has names\n"
                       "      demangle=             none, templates, full\n"
                       "    binary                the file of the first mapping\n"
                       "\n"
                       "  Other flags:\n"
                       "    -http [host]:[port]   the web UI: not in this build yet\n"
                       "    -no_browser           with -http: open no browser\n"
                       "    -json                 answer with one JSON object: top, tree, peek, traces, tags\n"
                       "    -json_bytes N         its size at most; 0 = no limit\n"
                       "    -tools                taken for pprof's sake; osprey needs no tools\n"
                       "\n"
                       "  Sample types by their old flags:\n"
                       "    -inuse_space -inuse_objects -alloc_space -alloc_objects -contentions\n"
                       "    -total_delay          -sample_index=delay\n"
                       "    -mean_delay           -mean -sample_index=delay\n"
                       "\n"
                       "  Environment:\n"
                       "    PPROF_TMPDIR          where fetched profiles are kept (or else in $HOME/pprof)\n"
                       "    PPROF_BINARY_PATH     colon list of directories with binaries ($HOME/pprof/binaries)\n"
                       "    BROWSER               program that shows -web and -weblist\n"));
}

void osp_pprof_shell_help(osp_buf *out)
{
    osp_buf_add(out, S("  Commands:\n"));
    add_commands(out, "");
    row(out, "    ", "", "o/options", S("list the options and their values"));
    row(out, "    ", "", "q/quit/exit/^D", S("leave"));
    add_options(out, "");
    osp_buf_add(out, S("  :   clear focus, ignore, hide, tagfocus and tagignore\n\n"
                       "  type \"help <cmd|option>\" for more\n"));
}

void osp_pprof_command_help(const osp_pprof_command *c, osp_buf *out)
{
    osp_buf_fmt(out, "%s\n  Usage:\n    %s", c->summary, c->name);
    if (c->report->takes_argument)
        osp_buf_add(out, S(" <func_regexp>"));
    osp_buf_add(out, S(" [n] [focus_regexp]* [-ignore_regexp]* [-cum]"));
    osp_buf_add(out, c->viewer ? S("\n") : S(" [>file] [| command]\n"));
    if (c->report->takes_argument)
        osp_buf_add(out, S("    func_regexp says of which functions\n"));
    osp_buf_add(out, S("    n: at most so many nodes\n"
                       "    focus_regexp: only samples that match; ignore_regexp: none that match\n"
                       "    -cum: sort by cumulative weight\n"));
    if (!c->viewer)
        osp_buf_add(out, S("    >file: write it to a file; | command: give it to a program\n"));
    osp_buf_byte(out, '\n');
}

static void add_help(osp_buf *out, const char *lines) { osp_buf_fmt(out, "%s\n", lines); }

bool osp_pprof_field_help(osp_str name, const osp_profile *p, osp_buf *out)
{
    const osp_choice *choice;
    const osp_field *f = osp_field_named(name, &choice);
    if (!f)
        return false;
    add_help(out, choice ? choice->help : f->help);
    if (f->at == offsetof(osp_config, sample_index)) {
        osp_buf_add(out, S("Here: "));
        for (uint32_t i = 0; i < p->values.n; i++)
            osp_buf_fmt(out, "%s%.*s", i ? ", " : "", STRF(osp_text(p, p->values.type[i].type)));
        osp_buf_byte(out, '\n');
    }
    for (const osp_choice *c = choice ? NULL : f->choices; c && c->name; c++)
        row(out, "  ", "", c->name, first_line(c->help));
    osp_buf_byte(out, '\n');
    return true;
}
