/* SPDX-License-Identifier: Apache-2.0 */
/* cli/pprof_cli.h: the parts of `osprey pprof`: words of the command line, lines of the shell, help, and where a
 * report goes. */
#ifndef OSP_PPROF_CLI_H
#define OSP_PPROF_CLI_H

#include "base/arena.h"
#include "base/go.h"
#include "cli/cli.h"
#include "report/report.h"
#include "source/source.h"

/* ---- pprof_commands.c: what can be asked ---------------------------------------------------------------------- */

/* A program that shows a file. */
typedef struct osp_viewer {
    const char *name;    /* of the command: "web" */
    const char *report;  /* the report it shows: "svg" */
    const char *ending;  /* of the file it is given */
    const char *program; /* "evince", with arguments; NULL = a browser */
    const char *summary;
} osp_viewer;

/* A command of the shell and, with a dash before it, a flag: a report, or a viewer of one. */
typedef struct osp_pprof_command {
    const char *name, *summary;
    const osp_report *report;
    const osp_viewer *viewer; /* NULL: the report is printed, or saved */
} osp_pprof_command;

/* By name; ended by .name = NULL. */
const osp_pprof_command *osp_pprof_commands(void);
const osp_pprof_command *osp_pprof_command_named(osp_str name);

/* ---- pprof_words.c: the command line -------------------------------------------------------------------------- */

typedef struct osp_pprof_words {
    bool help;
    osp_config config;
    const osp_pprof_command *command; /* NULL: the shell */
    osp_str argument;                 /* of the command */
    osp_str http;
    bool no_browser;
    osp_source_opts source;
} osp_pprof_words;

/* Read the words by the grammar of Go's flag package, but flags may also stand behind sources. *notes gets lines for
 * stderr, also on failure: what the reader may have meant. All texts point into words or the arena. */
bool osp_pprof_words_read(char *const *words, size_t n, osp_arena *a, osp_pprof_words *out, osp_buf *notes,
                          osp_err *err) OSP_CHECKED;

/* The flags, for help, man page and completions. NULL past the last. */
const osp_option *osp_pprof_option(size_t i);

/* ---- pprof_line.c: a line of the shell ------------------------------------------------------------------------ */

typedef struct osp_pprof_line {
    const osp_pprof_command *command;
    osp_str argument;  /* of the command */
    osp_config config; /* with what the line said for this once */
    osp_str pipe;      /* a shell's command that gets the report; "" = none */
} osp_pprof_line;

/* Read a command with its arguments: "top10 -cum net/http -json > file". Texts point into line or the arena. */
bool osp_pprof_line_read(osp_str line, const osp_config *config, osp_arena *a, osp_pprof_line *out,
                         osp_err *err) OSP_CHECKED;

/* ---- pprof_help.c --------------------------------------------------------------------------------------------- */

void osp_pprof_usage(osp_buf *out);      /* of the command line */
void osp_pprof_shell_help(osp_buf *out); /* of the shell */
void osp_pprof_command_help(const osp_pprof_command *c, osp_buf *out);
/* Of an option or a choice; with the sample types of p for sample_index. False if there is no such name. */
bool osp_pprof_field_help(osp_str name, const osp_profile *p, osp_buf *out);

/* ---- pprof_output.c: from a report to a person or a file ------------------------------------------------------ */

typedef struct osp_pprof_session {
    const osp_cli *cli;
    osp_source *source;
    const osp_profile *profile; /* the source's */
    osp_str unit_notes;         /* said before each report: labels with several units */
    bool difference;            /* a base was given */
    osp_str main_file;          /* the binary named on the command line */
    bool interactive;           /* in the shell */
    bool legend_shown;          /* of columns; once is enough */
    osp_config config;
} osp_pprof_session;

/* The options of a report: those of a config, and what the session knows. */
bool osp_pprof_opts(const osp_pprof_session *s, const osp_config *c, osp_report_opts *out, osp_err *err) OSP_CHECKED;

/* Make the report and bring it where the line says. */
bool osp_pprof_report(osp_pprof_session *s, const osp_pprof_line *line, osp_err *err) OSP_CHECKED;

/* A line on stderr, red where it is an error for a person; no text of it speaks to the terminal. Nothing for "". */
void osp_pprof_say(const osp_pprof_session *s, bool is_error, osp_str text);

/* ---- pprof_shell.c, pprof_prompt.c ---------------------------------------------------------------------------- */

/* Ask until the end. Returns false on an error of reading. */
bool osp_pprof_shell(osp_pprof_session *s, osp_err *err) OSP_CHECKED;

/* Reads lines: with editing, history and completion from a terminal, plainly from elsewhere. */
typedef struct osp_prompt osp_prompt;
osp_prompt *osp_prompt_open(const osp_pprof_session *s, osp_err *err);
void osp_prompt_close(osp_prompt *p);
/* The next line, without its end; it lives until the next call. False at the end of input, or with err->code set. */
bool osp_prompt_line(osp_prompt *p, const char *prompt, osp_str *out, osp_err *err) OSP_CHECKED;

/* ---- pprof_history.c ------------------------------------------------------------------------------------------ */

/* The lines of former sessions, appended to lines, and where new ones go; -1 if they cannot be kept. Close it. */
int osp_pprof_history_open(osp_buf *lines);
void osp_pprof_history_add(int fd, osp_str line);

/* ---- pprof_complete.c ----------------------------------------------------------------------------------------- */

/* What can stand at the end of a line that is being typed. */
typedef struct osp_completion_list {
    size_t typed;   /* how many bytes at the line's end are to be replaced */
    osp_str insert; /* by what: all the candidates agree on, at least what was typed */
    bool whole;     /* it is complete: a blank may follow */
    uint32_t n;     /* candidates, of which the first few are kept */
    osp_str few[40];
} osp_completion_list;

bool osp_pprof_complete(const osp_profile *p, osp_str line, osp_arena *a, osp_completion_list *out);

#endif
