/* SPDX-License-Identifier: Apache-2.0 */
/* cli/cli_internal.h: what the files of this room share and commands need not know. */
#ifndef OSP_CLI_INTERNAL_H
#define OSP_CLI_INTERNAL_H

#include "base/arena.h"
#include "base/guess.h"
#include "base/json.h"
#include "cli/cli.h"
#include "format/format.h"
#include "report/report.h"
#include "sample/sample.h"
#include "source/source.h"
#include "symbol/symbol.h"
#include "target/target.h"

/* The command of that name, or NULL. */
const osp_command *osp_command_find(const osp_command *const *table, osp_str name);

/* The i-th option of a command: first its own, then those every command has. NULL past the last. */
const osp_option *osp_command_option(const osp_command *command, size_t i);

/* What stands before its names: "--", or "-" where the command reads its own words by another tool's habits. */
const char *osp_command_dashes(const osp_command *command);

/* Does the command ask for a process (then -p PID says it too), and does it start a program after "--"? */
bool osp_command_takes_pid(const osp_command *command);

/* Sort words into options and operands by the command's table. Everything in *out points into words or the arena.
 * EUSAGE names the word that is wrong and the nearest right one. */
bool osp_cli_parse(const osp_command *command, char *const *words, size_t nwords, osp_arena *a, osp_cli *out,
                   osp_err *err) OSP_CHECKED;

/* A word that is no command: say what the person may have meant. Returns OSP_EXIT_USAGE. */
int osp_cli_unknown_command(osp_str word);

/* Fill in colour, progress and columns from the terminal, the environment and --color=when (NULL: auto). */
void osp_terminal_read(osp_cli *cli, const char *when);

/* Texts made from the table, added to out. */
void osp_help_short(osp_buf *out, const osp_command *const *table);
void osp_help_all(osp_buf *out, const osp_command *const *table, int columns);
void osp_help_command(osp_buf *out, const osp_command *command, int columns);
void osp_help_man(osp_buf *out, const osp_command *const *table);
/* For osprey, or for one command under whose name it is called; false: unknown shell. */
bool osp_completion(osp_buf *out, const osp_command *const *table, const osp_command *alone, osp_str shell);

/* A flame graph as SVG, or in a page around it; appended to out. */
bool osp_flame_graph(const osp_profile *p, const osp_report_opts *o, bool page, osp_buf *out,
                     osp_err *err) OSP_CHECKED;

/* ---- output.c ---------------------------------------------------------------------------------------------- */

/* What is not read again, but is asked for like a form. */
typedef struct osp_picture {
    const char *name, *ending;
    bool (*write)(const osp_profile *p, const osp_report_opts *o, osp_buf *out, osp_err *err);
} osp_picture;
const osp_picture *osp_picture_at(size_t i); /* NULL past the last */

/* The sources of a command that is not pprof: what they and their readers have to say goes to stderr; one that fails is
 * the error. NULL and *err on failure. */
osp_source *osp_cli_open(const osp_cli *cli, const char *const *source, size_t n, osp_err *err);

/* How a profile is to be written: in a form, or else as a picture. */
typedef struct osp_output {
    const osp_format *form;
    const osp_picture *picture;
    osp_pack pack;
} osp_output;

/* As a file's ending says; false if it says nothing. */
bool osp_output_by_ending(const char *path, osp_output *to);
/* The bytes of the file. type: the sample type for what holds one; NULL or "" = the profile's default. */
bool osp_output_make(const osp_profile *p, const osp_output *to, const char *type, osp_buf *out,
                     osp_err *err) OSP_CHECKED;

/* The same in the form that a file's ending names, or else as pprof reads it. */
bool osp_output_for(const osp_profile *p, const char *path, osp_buf *out, osp_err *err) OSP_CHECKED;

/* ---- doctor ------------------------------------------------------------------------------------------------ */

typedef struct osp_ability {
    const char *name; /* "kernel stacks" */
    enum { OSP_CAN, OSP_CANNOT, OSP_NOT_OFFERED } state;
    char why[120];   /* what it gives, or what stands in the way */
    char grant[600]; /* the exact command that grants it; "" if it is granted, or nothing can */
} osp_ability;

enum { OSP_ABILITIES = 8 };

/* What this user can do on this host; self is the path of the running program, for setcap. */
void osp_abilities(const osp_host *host, const char *self, osp_ability out[OSP_ABILITIES]);

/* ---- launch.c: a program that waits to be let go ------------------------------------------------------------ */

typedef struct osp_launch {
    int pid;        /* 0 = none */
    int go, status; /* pipes: a byte lets it exec; its end, or an errno, says how that went */
    const char *name;
} osp_launch;

/* Fork a child that will exec argv (searched in PATH) once released. */
bool osp_launch_start(char **argv, osp_launch *out, osp_err *err) OSP_CHECKED;
/* Let it go; returns once it runs the new program. EABSENT: there is no such program. An osp_sample_opts.release. */
bool osp_launch_release(void *launch, osp_err *err);
/* End: kill the child if it was never released; else wait for it if wait is set. Returns its wait status, or -1. */
int osp_launch_end(osp_launch *l, bool wait);

/* ---- targets.c ---------------------------------------------------------------------------------------------- */

/* Whose samples are taken, where that is more than one pid. */
typedef struct osp_targets {
    osp_cgroup cgroup;
    int *pid; /* the second and later ones; malloc'ed */
} osp_targets;

/* Into opts what the words say, of a command with the options all, cgroup and children. False after saying what is wrong;
 * *status is what to return. t must live as long as opts. */
bool osp_targets_read(const osp_cli *cli, osp_sample_opts *opts, osp_targets *t, int *status);
void osp_targets_drop(osp_targets *t);
/* Start the program that stands after "--", if one does: it waits for the sampler. */
bool osp_targets_launch(const osp_cli *cli, osp_sample_opts *opts, osp_launch *launch, osp_err *err) OSP_CHECKED;

/* ---- recording ---------------------------------------------------------------------------------------------- */

typedef struct osp_recorded {
    osp_recording rec;
    osp_profile *named, *commented; /* each shares with the one before */
    osp_symbol_stats symbols;
    osp_objects *objects; /* its own; NULL: somebody else's */
} osp_recorded;

/* Sample a process as `osprey record` does, with its progress, until the time is over or Ctrl-C: out->commented. */
bool osp_record_for(const osp_cli *cli, int pid, double seconds, osp_recorded *out, osp_err *err) OSP_CHECKED;
/* Give names to what was recorded: r->named. */
bool osp_recorded_name(osp_recorded *r, osp_err *err) OSP_CHECKED;
void osp_recorded_drop(osp_recorded *r);

/* What `-e wait` measured: lines (behind the first `indent` columns), a part of the profile's comment, a part of the
 * JSON object. */
void osp_wait_summary(osp_buf *out, const osp_cli *cli, int indent, const osp_wait_stats *w);
void osp_wait_comment(osp_buf *out, const osp_wait_stats *w);
void osp_wait_json(osp_json *j, const osp_wait_stats *w);
/* How many stacks are complete, and why the others are not. */
void osp_ended_json(osp_json *j, const uint64_t ended[OSP_END_REASONS]);

#endif
