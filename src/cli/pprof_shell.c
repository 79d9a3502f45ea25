/* SPDX-License-Identifier: Apache-2.0 */
/* pprof's shell. A line is an assignment (name=value), a word about the shell itself, or a command that makes a report;
 * the profile stays decoded between them. Reports and, where nobody edits the line, prompts go to stdout, all else to
 * stderr. */
#include "cli/pprof_cli.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

typedef struct {
    osp_pprof_session *s;
    osp_arena texts; /* what was assigned */
    bool over;
} shell;

static void say(const shell *sh, osp_str text) { osp_pprof_say(sh->s, false, text); }
static void complain(const shell *sh, const osp_err *err) { osp_pprof_say(sh->s, true, osp_str_from(err->msg)); }

/* ---- options -------------------------------------------------------------------------------------------------- */

/* Copy all texts of the config into a new arena, so that what was overwritten is given back. */
static bool keep_texts(shell *sh, osp_config *c, osp_err *err)
{
    osp_arena fresh;
    bool ok = true;
    osp_arena_init(&fresh, SIZE_MAX / 2);
    for (const osp_field *f = osp_fields; f->name && ok; f++) {
        osp_str *text = (osp_str *)(void *)((char *)c + f->at);
        if (f->kind != OSP_FIELD_TEXT || text->n == 0)
            continue;
        *text = osp_arena_str(&fresh, *text);
        ok = text->p || osp_fail_memory(err, "keeping an option");
    }
    if (ok) {
        osp_arena_drop(&sh->texts);
        sh->texts = fresh;
        sh->s->config = *c;
    } else {
        osp_arena_drop(&fresh);
    }
    return ok;
}

static bool assign(shell *sh, const osp_field *f, const osp_choice *choice, osp_str value, bool with_value,
                   osp_err *err)
{
    osp_config c = sh->s->config;
    const osp_profile *p = sh->s->profile;
    if (!with_value && f->kind != OSP_FIELD_BOOL && !choice)
        return osp_fail(err, OSP_EUSAGE, "please specify a value, e.g. %s=<val>", f->name);
    if (f->at == offsetof(osp_config, sample_index)) {
        uint32_t index;
        if (!osp_sample_index(p, value, &index, err))
            return false;
        value = osp_text(p, p->values.type[index].type);
    }
    if (choice) {
        bool on = true;
        if (with_value && !(osp_flag_bool(value, &on) && on))
            return osp_fail(err, OSP_EUSAGE, "unknown config field \"%s\"", choice->name);
        value = osp_str_from(choice->name);
    }
    return osp_field_set(f, &c, value, err) && keep_texts(sh, &c, err);
}

/* "name=value //: comment", or a name alone. False if it is neither. */
static bool is_assignment(shell *sh, osp_str line)
{
    osp_str value = line, name = osp_str_cut(&value, '=');
    bool with_value = name.n < line.n;
    const osp_choice *choice;
    const osp_field *f = osp_field_named(osp_go_trim(name), &choice);
    if (!f)
        return false;
    for (size_t i = value.n; i >= 3; i--)
        if (memcmp(value.p + i - 3, "//:", 3) == 0) {
            value = osp_str_head(value, i - 3);
            break;
        }
    osp_err err = {0};
    if (!assign(sh, f, choice, osp_go_trim(value), with_value, &err))
        complain(sh, &err);
    return true;
}

static void add_types(const osp_profile *p, osp_buf *out)
{
    osp_buf_byte(out, '[');
    for (uint32_t i = 0; i < p->values.n; i++)
        osp_buf_fmt(out, "%s%.*s", i ? " | " : "", STRF(osp_text(p, p->values.type[i].type)));
    osp_buf_byte(out, ']');
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static void add_choices(const osp_choice *choices, osp_buf *out)
{
    const char *name[16];
    size_t n = 0;
    for (; choices[n].name && n < 16; n++)
        name[n] = choices[n].name;
    qsort(name, n, sizeof *name, by_name);
    for (size_t i = 0; i < n; i++)
        osp_buf_fmt(out, "%s%s", i ? " | " : "[", name[i]);
    osp_buf_byte(out, ']');
}

static void add_option(const shell *sh, const osp_field *f, osp_buf *out)
{
    const osp_profile *p = sh->s->profile;
    osp_buf value = osp_buf_of(SIZE_MAX / 2), comment = osp_buf_of(SIZE_MAX / 2);
    bool is_index = f->at == offsetof(osp_config, sample_index);
    osp_field_text(f, &sh->s->config, &value);
    if (f->choices) {
        add_choices(f->choices, &comment);
        if (value.n == 0)
            osp_buf_add(&value, S("(default)"));
    } else if (is_index) {
        if (value.n == 0 && p->values.n)
            osp_buf_add(&value, osp_text(p, p->values.type[p->values.n - 1].type));
        add_types(p, &comment);
    } else if (f->at == offsetof(osp_config, nodecount) && sh->s->config.nodecount == -1) {
        osp_buf_add(&comment, S("default"));
    } else if (value.n == 0) {
        osp_buf_add(&value, S("\"\""));
    }
    osp_buf_fmt(out, "  %-25s = ", f->name);
    size_t columns = osp_str_columns(osp_buf_str(&value));
    osp_buf_add(out, osp_buf_str(&value));
    osp_buf_fill(out, ' ', columns < 20 ? 20 - columns : 0);
    osp_buf_fmt(out, " %s%.*s\n", comment.n ? "//: " : "", STRF(osp_buf_str(&comment)));
    osp_buf_drop(&value);
    osp_buf_drop(&comment);
}

static int by_field(const void *a, const void *b)
{
    return strcmp((*(const osp_field *const *)a)->name, (*(const osp_field *const *)b)->name);
}

static void list_options(const shell *sh)
{
    const osp_field *sorted[64];
    size_t n = 0;
    osp_buf out = osp_buf_of(SIZE_MAX / 2);
    for (const osp_field *f = osp_fields; f->name && n < 64; f++)
        if (f->at != offsetof(osp_config, source_path))
            sorted[n++] = f;
    qsort(sorted, n, sizeof *sorted, by_field);
    for (size_t i = 0; i < n; i++)
        add_option(sh, sorted[i], &out);
    say(sh, osp_buf_str(&out));
    osp_buf_drop(&out);
}

/* ---- words about the shell ------------------------------------------------------------------------------------ */

static void help(const shell *sh, osp_str words)
{
    osp_buf out = osp_buf_of(SIZE_MAX / 2), about = osp_buf_of(SIZE_MAX / 2);
    for (osp_str word; (word = osp_go_cut_field(&words)).n;) {
        if (about.n)
            osp_buf_byte(&about, ' ');
        osp_buf_add(&about, word);
    }
    osp_str name = osp_buf_str(&about);
    const osp_pprof_command *c = osp_pprof_command_named(name);
    bool known = true;
    if (name.n == 0)
        osp_pprof_shell_help(&out);
    else if (c)
        osp_pprof_command_help(c, &out);
    else
        known = osp_pprof_field_help(name, sh->s->profile, &out);
    if (!known)
        osp_buf_fmt(&out, "Unknown command: %.*s", STRF(name));
    osp_pprof_say(sh->s, !known, osp_buf_str(&out));
    osp_buf_drop(&about);
    osp_buf_drop(&out);
}

static bool is_any(osp_str word, osp_str a, osp_str b, osp_str c)
{
    return osp_str_eq(word, a) || osp_str_eq(word, b) || osp_str_eq(word, c);
}

static void report(shell *sh, osp_str line)
{
    osp_arena once;
    osp_err err = {0};
    osp_pprof_line asked;
    osp_arena_init(&once, SIZE_MAX / 2);
    if (!osp_pprof_line_read(line, &sh->s->config, &once, &asked, &err) || !osp_pprof_report(sh->s, &asked, &err)) {
        if (err.msg[0])
            complain(sh, &err);
        else
            sh->over = true; /* nobody reads stdout */
    }
    osp_arena_drop(&once);
}

static void obey(shell *sh, osp_str line)
{
    if (is_assignment(sh, line))
        return;
    osp_str rest = line, word = osp_go_cut_field(&rest);
    if (word.n == 0)
        return;
    if (is_any(word, S("o"), S("options"), S("options")))
        list_options(sh);
    else if (is_any(word, S("q"), S("quit"), S("exit")))
        sh->over = true;
    else if (osp_str_eq(word, S("help")))
        help(sh, rest);
    else
        report(sh, line);
}

/* A line that stands for others: ":", a sample type, total_TYPE, mean_TYPE. */
static bool obey_shortcut(shell *sh, osp_str line)
{
    const osp_profile *p = sh->s->profile;
    if (osp_str_eq(line, S(":"))) {
        static const char *const clear[] = {"focus=", "ignore=", "hide=", "tagfocus=", "tagignore="};
        for (size_t i = 0; i < sizeof clear / sizeof *clear; i++)
            obey(sh, osp_str_from(clear[i]));
        return true;
    }
    osp_str type = line;
    bool total = osp_str_starts(line, S("total_")), mean = osp_str_starts(line, S("mean_"));
    for (int with_head = 0; with_head < 2; with_head++) {
        for (uint32_t i = 0; i < p->values.n; i++) {
            if (!osp_str_eq(type, osp_text(p, p->values.type[i].type)))
                continue;
            osp_err err = {0};
            const osp_choice *none;
            if (with_head)
                obey(sh, mean ? S("mean=1") : S("mean=0"));
            if (!assign(sh, osp_field_named(S("sample_index"), &none), NULL, type, true, &err))
                complain(sh, &err);
            return true;
        }
        if (!total && !mean)
            return false;
        type = osp_str_skip(line, total ? 6 : 5);
    }
    return false;
}

/* ---- the shell ------------------------------------------------------------------------------------------------ */

static void greet(shell *sh)
{
    osp_report_opts o;
    osp_err err = {0};
    osp_buf out = osp_buf_of(SIZE_MAX / 2);
    int64_t total;
    osp_pprof_say(sh->s, true, sh->s->unit_notes);
    if (osp_pprof_opts(sh->s, &sh->s->config, &o, &err) &&
        osp_report_labels(sh->s->profile, &o, &out, &total, &err)) {
        say(sh, out.n ? osp_buf_str(&out) : S("\n"));
        if (total == 0 && sh->s->profile->values.n > 1) {
            say(sh, S("No samples were found with the default sample value type."));
            say(sh, S("Try \"sample_index\" command to analyze different sample values."));
        }
    }
    osp_buf_drop(&out);
    say(sh, S("Entering interactive mode (type \"help\" for commands, \"o\" for options)"));
}

bool osp_pprof_shell(osp_pprof_session *s, osp_err *err)
{
    shell sh = {.s = s};
    osp_str line;
    s->interactive = true;
    s->config.compact_labels = true;
    osp_arena_init(&sh.texts, 0);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGPIPE, &ignore, NULL); /* a program behind | that stops reading ends the pipe, not us */
    greet(&sh);
    osp_prompt *prompt = osp_prompt_open(s, err);
    if (!prompt)
        return false;
    while (!sh.over && osp_prompt_line(prompt, "(pprof) ", &line, err)) {
        line = osp_go_trim(line);
        if (!obey_shortcut(&sh, line))
            obey(&sh, line);
        while (waitpid(-1, NULL, WNOHANG) > 0) /* viewers that were closed */
            ;
    }
    osp_prompt_close(prompt);
    osp_arena_drop(&sh.texts);
    return err->code == OSP_OK;
}
