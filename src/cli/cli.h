/* SPDX-License-Identifier: Apache-2.0 */
/* cli/cli.h: a command is one const descriptor in one file, cmd_<name>.c. The word in cli/meson.build adds it to the
 * table, the help, the completions and the man page. Only this room prints and exits. */
#ifndef OSP_CLI_H
#define OSP_CLI_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <signal.h>

/* Exit statuses. `osprey pprof` keeps its peer's own (0, 2). */
enum { OSP_EXIT_DONE = 0, OSP_EXIT_FAILED = 1, OSP_EXIT_USAGE = 2, OSP_EXIT_FOUND = 3 };

typedef struct osp_option {
    const char *name; /* "duration": --duration, and -duration too */
    char letter;      /* 'd', or 0 */
    const char *arg;  /* "SECONDS"; NULL for a switch */
    const char *help; /* one line; the default stands at its end: "(5)" */
} osp_option;

/* What the command line said, after parsing by the command's table. Options may stand before or after operands; what
 * follows "--" is kept apart. */
typedef struct osp_cli {
    const struct osp_command *command;
    const char *const *value; /* by option index: NULL = not given, "" = a given switch */
    char **operand;
    int noperand;
    char **rest; /* after "--", NULL-terminated; NULL if there was no "--" */
    int nrest;
    bool colour;   /* stdout is a terminal that wants colour */
    bool progress; /* stderr is a terminal */
    int columns;   /* of the terminal, 80 if unknown */
} osp_cli;

typedef struct osp_command {
    const char *name;
    const char *args;                          /* "PID | -- COMMAND" */
    const char *summary;                       /* one line, lower case, no dot */
    const char *const *examples;               /* NULL-terminated, without "osprey" in front: "why 4711" */
    const osp_option *options;                 /* ended by .name = NULL; --help, --color are added for all */
    bool own_words;                            /* the command parses its words itself: operand[] holds all of them */
    const osp_option *(*own_option)(size_t i); /* its options then, for help and completions; NULL past the last */
    int (*run)(const osp_cli *cli);
} osp_command;

extern const osp_command *const osp_commands[]; /* NULL-terminated, generated */

/* The value of an option by its name (NULL if not given); asserts that the command has it. */
const char *osp_cli_value(const osp_cli *cli, const char *option);
static inline bool osp_cli_given(const osp_cli *cli, const char *option)
{
    return osp_cli_value(cli, option) != NULL;
}

/* The value as a number, of SECONDS with or without a unit (500ms, 1s, 2m, 1h); fallback if not given. False after printing what is wrong: return OSP_EXIT_USAGE. */
bool osp_cli_number(const osp_cli *cli, const char *option, double min, double max, double fallback, double *out);

/* One sentence on stderr, "osprey: ...". Returns OSP_EXIT_FAILED, or OSP_EXIT_USAGE for OSP_EUSAGE. */
int osp_cli_fail(const osp_err *err);
/* A remark on stderr, "osprey: ...". */
void osp_cli_say(osp_str line);
/* Wrong words: "osprey why: MESSAGE" and "try osprey help why" on stderr. Returns OSP_EXIT_USAGE. */
int osp_cli_usage(const osp_cli *cli, const char *fmt, ...) OSP_PRINTF(2, 3);

/* The pid named by operand 0 (or -p PID). False after printing; *status is what to return. */
bool osp_cli_pid(const osp_cli *cli, int *pid, int *status);

/* The same for "PID | -- COMMAND": *pid = 0 if rest[] is a command to start. */
bool osp_cli_target(const osp_cli *cli, int *pid, int *status);

/* Print a finished text to stdout; false after printing why not (a full disk, a closed pipe is silent). */
bool osp_cli_print(osp_str text);
/* Print all that is in out, and drop it. Returns the status that was given, or that of a failure, which it has told. */
int osp_cli_answer(osp_buf *out, int status);

/* ---- terminal ---------------------------------------------------------------------------------------------- */

/* One line of progress on stderr, rewritten in place; nothing if stderr is no terminal. done() wipes it. */
void osp_progress(const osp_cli *cli, const char *fmt, ...) OSP_PRINTF(2, 3);
void osp_progress_done(const osp_cli *cli);

typedef enum {
    OSP_PLAIN,
    OSP_BOLD,
    OSP_DIM,
    OSP_RED,
    OSP_GREEN,
    OSP_YELLOW,
    OSP_BLUE,
    OSP_MAGENTA,
    OSP_CYAN,
} osp_colour;
/* text in that colour if cli->colour, else as it is; control characters in it, line ends too, become '?', so that a name
 * cannot speak to the terminal. Widths count the text only. */
void osp_paint(const osp_cli *cli, osp_buf *out, osp_colour c, const char *fmt, ...) OSP_PRINTF(4, 5);
/* The same of a text, cut with "…" past so many columns; 0 = not at all. */
void osp_paint_cut(const osp_cli *cli, osp_buf *out, osp_colour c, osp_str text, size_t room);

/* Make text[0, n) harmless to a terminal, in place: control characters (with keep_lines: but for line ends and tabs) and
 * bytes that are not UTF-8 become '?'. Returns how many bytes are left. */
size_t osp_harmless(char *text, size_t n, bool keep_lines);

/* Install SIGINT and SIGTERM handlers that set the returned flag; a second signal kills. */
const volatile sig_atomic_t *osp_stop_flag(void);

#endif
