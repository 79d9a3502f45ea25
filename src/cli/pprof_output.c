/* SPDX-License-Identifier: Apache-2.0 */
/* Where a report of pprof goes: into a file, to another program, to a viewer, or onto standard output; what is no text
 * never onto a terminal. */
#include "base/file.h"
#include "cli/pprof_cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

void osp_pprof_say(const osp_pprof_session *s, bool is_error, osp_str text)
{
    if (text.n == 0)
        return;
    osp_buf line = osp_buf_of(SIZE_MAX / 2);
    bool red = is_error && s->interactive && s->cli->colour && s->cli->progress;
    osp_buf_add(&line, text);
    if (!osp_str_ends(text, S("\n")))
        osp_buf_byte(&line, '\n');
    if (isatty(STDERR_FILENO))
        line.n = osp_harmless(line.p, line.n, true);
    fprintf(stderr, "%s%.*s%s", red ? "\033[31m" : "", STRF(osp_buf_str(&line)), red ? "\033[0m" : "");
    osp_buf_drop(&line);
}

static void say_file(const osp_pprof_session *s, const char *what, const char *path)
{
    osp_buf line = osp_buf_of(SIZE_MAX / 2);
    osp_buf_fmt(&line, "%s%s", what, path);
    osp_pprof_say(s, false, osp_buf_str(&line));
    osp_buf_drop(&line);
}

/* ---- files with numbers --------------------------------------------------------------------------------------- */

enum { PATH_ROOM = 4096 };

/* Write to the first of STEM001.ENDING, 002, … that is not there yet. */
static bool write_numbered(osp_str stem, const char *ending, osp_str bytes, char path[PATH_ROOM], osp_err *err)
{
    char dotted[32];
    snprintf(dotted, sizeof dotted, ".%s", ending);
    int fd = osp_create_numbered(stem, dotted, path, PATH_ROOM);
    if (fd < 0 && errno == EEXIST)
        return osp_fail(err, OSP_EIO, "could not create file of the form %.*sNNN.%s", STRF(stem), ending);
    if (fd < 0)
        return osp_fail_errno(err, errno, "%s", path);
    bool ok = osp_write_fd(fd, bytes, path, err);
    if (close(fd) != 0 && ok)
        ok = osp_fail_errno(err, errno, "%s", path);
    if (!ok)
        unlink(path);
    return ok;
}

/* ---- other programs ------------------------------------------------------------------------------------------- */

/* Start argv with stdin from in (-1: as ours), as a program is started from a shell. The pid, or -1. */
static pid_t start(char *const *argv, int in, bool own_group, osp_err *err)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t ordinary;
    pid_t pid = -1;
    sigemptyset(&ordinary);
    sigaddset(&ordinary, SIGPIPE);
    sigaddset(&ordinary, SIGXFSZ);
    sigaddset(&ordinary, SIGINT);
    sigaddset(&ordinary, SIGQUIT);
    if (posix_spawn_file_actions_init(&files) != 0) {
        osp_fail_memory(err, "starting a program");
        return -1;
    }
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&files);
        osp_fail_memory(err, "starting a program");
        return -1;
    }
    int e = in >= 0 ? posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO) : 0;
    if (!e)
        e = posix_spawnattr_setsigdefault(&attributes, &ordinary);
    if (!e)
        e = posix_spawnattr_setflags(&attributes,
                                     (short)(POSIX_SPAWN_SETSIGDEF | (own_group ? POSIX_SPAWN_SETPGROUP : 0)));
    if (!e)
        e = posix_spawnp(&pid, argv[0], &files, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    if (e) {
        osp_fail_errno(err, e, "cannot run %s", argv[0]);
        return -1;
    }
    return pid;
}

/* While another program has the terminal, its ^C is not ours. */
typedef struct {
    struct sigaction on_interrupt, on_quit;
} held;

static held hold_signals(void)
{
    held h;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGINT, &ignore, &h.on_interrupt);
    sigaction(SIGQUIT, &ignore, &h.on_quit);
    return h;
}

static void release_signals(const held *h)
{
    sigaction(SIGINT, &h->on_interrupt, NULL);
    sigaction(SIGQUIT, &h->on_quit, NULL);
}

static void wait_for(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* Give the text to a command of the shell. One that stops reading is not to blame. */
static bool write_pipe(osp_str command, osp_str text, osp_err *err)
{
    int ends[2];
    char *words = strndup(command.p, command.n);
    if (!words)
        return osp_fail_memory(err, "starting a program");
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, words, NULL};
    if (pipe2(ends, O_CLOEXEC) != 0) {
        free(words);
        return osp_fail_errno(err, errno, "starting %.*s", STRF(osp_str_head(command, 80)));
    }
    const held h = hold_signals();
    pid_t pid = start(argv, ends[0], false, err);
    close(ends[0]);
    free(words);
    osp_err ignored; /* the reader has seen enough */
    bool written = pid >= 0 && osp_write_fd(ends[1], text, "the pipe", &ignored);
    (void)written;
    close(ends[1]);
    if (pid >= 0)
        wait_for(pid);
    release_signals(&h);
    return pid >= 0;
}

/* ---- viewers -------------------------------------------------------------------------------------------------- */

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);
    return value && *value;
}

/* Start a viewer, given as words separated by blanks, on a file. */
static pid_t start_viewer(const char *program, char *path, bool background, osp_err *err)
{
    enum { MOST_WORDS = 16 };
    char words[1024], *argv[MOST_WORDS + 2], *save = NULL;
    size_t n = 0;
    osp_str_z(osp_str_from(program), words, sizeof words);
    for (char *w = strtok_r(words, " ", &save); w && n < MOST_WORDS; w = strtok_r(NULL, " ", &save))
        argv[n++] = w;
    argv[n] = path;
    argv[n + 1] = NULL;
    if (n == 0) {
        osp_fail(err, OSP_EUSAGE, "no program to show %s", path);
        return -1;
    }
    int null = background ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
    pid_t pid = start(argv, null, background, err);
    osp_close_fd(&null);
    return pid;
}

/* The file stays where it is: a browser that runs already reads it after the program that was started has ended. */
static bool view(const osp_pprof_session *s, const osp_viewer *v, osp_str text, osp_err *err)
{
    static const char *const browsers[] = {"chrome",  "google-chrome",    "chromium",
                                           "firefox", "sensible-browser", "xdg-open"};
    const char *folder = is_set("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    char path[PATH_ROOM];
    bool display = is_set("DISPLAY") || is_set("WAYLAND_DISPLAY"), by_name = !v->program && is_set("BROWSER");
    osp_buf stem = osp_buf_of(PATH_ROOM);
    osp_buf_fmt(&stem, "%s/pprof", folder);
    bool written = write_numbered(osp_buf_str(&stem), v->ending, text, path, err);
    osp_buf_drop(&stem);
    if (!written)
        return false;
    if (!display && !by_name) {
        say_file(s, "No display to show it on; the report is in ", path);
        return true;
    }
    pid_t pid = -1;
    if (v->program)
        pid = start_viewer(v->program, path, s->interactive, err);
    else if (by_name)
        pid = start_viewer(getenv("BROWSER"), path, s->interactive, err);
    for (size_t i = 0; pid < 0 && !v->program && display && i < sizeof browsers / sizeof *browsers; i++)
        pid = start_viewer(browsers[i], path, s->interactive, err);
    if (pid < 0 && !v->program)
        return osp_fail(err, OSP_EABSENT, "no browser is installed; the report is in %.120s", path);
    if (pid < 0)
        return osp_fail_in(err, "the report is in %.120s", path);
    if (!s->interactive) {
        const held h = hold_signals();
        wait_for(pid);
        release_signals(&h);
    }
    return true;
}

/* ---- reports -------------------------------------------------------------------------------------------------- */

static bool print(osp_pprof_session *s, const osp_pprof_command *c, osp_buf *text, osp_err *err)
{
    bool terminal = isatty(STDOUT_FILENO);
    if (terminal && c->report->legend && !s->legend_shown && text->n) {
        osp_buf line = osp_buf_of(512);
        osp_paint(s->cli, &line, OSP_DIM, "%s", c->report->legend);
        fprintf(stderr, "%.*s\n", STRF(osp_buf_str(&line)));
        osp_buf_drop(&line);
        s->legend_shown = true;
    }
    if (terminal && text->n) /* a name in a stranger's profile shall not speak to it */
        text->n = osp_harmless(text->p, text->n, true);
    return osp_cli_print(osp_buf_str(text)) || osp_fail(err, OSP_EIO, "%s", ""); /* it has said why */
}

static bool deliver(osp_pprof_session *s, const osp_pprof_line *line, osp_buf *text, osp_err *err)
{
    const osp_pprof_command *c = line->command;
    char path[PATH_ROOM];
    if (line->pipe.n) {
        if (!c->report->ending && isatty(STDOUT_FILENO) && text->n)
            text->n = osp_harmless(text->p, text->n, true);
        return write_pipe(line->pipe, osp_buf_str(text), err);
    }
    if (line->config.output.n) {
        if (line->config.output.n >= sizeof path)
            return osp_fail(err, OSP_EUSAGE, "the name of the file is too long");
        say_file(s, "Generating report in ", osp_str_z(line->config.output, path, sizeof path));
        return osp_file_write(path, osp_buf_str(text), err);
    }
    if (c->viewer)
        return view(s, c->viewer, osp_buf_str(text), err);
    if (c->report->ending && (s->interactive || isatty(STDOUT_FILENO))) {
        if (!write_numbered(S("profile"), c->report->ending, osp_buf_str(text), path, err))
            return false;
        say_file(s, "Generating report in ", path);
        return true;
    }
    return print(s, c, text, err);
}

static osp_object *object_of(void *source, osp_mapping_id m, osp_err *err)
{
    return osp_source_object(source, m, err);
}

bool osp_pprof_opts(const osp_pprof_session *s, const osp_config *c, osp_report_opts *out, osp_err *err)
{
    if (!osp_report_opts_of(c, s->profile, out, err))
        return false;
    out->difference = s->difference;
    out->main_file = s->main_file;
    osp_source_prepare(s->source, &out->query);
    out->object_of = object_of;
    out->object_ctx = s->source;
    return true;
}

static void say_unmatched(const osp_pprof_session *s, uint32_t unmatched)
{
    static const char *const name[] = {"Focus",     "Ignore",  "Hide",    "Show",    "ShowFrom", "TagFocus",
                                       "TagIgnore", "TagShow", "TagHide", "TagRoot", "TagLeaf"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (unmatched & 1u << i) {
            char line[80];
            snprintf(line, sizeof line, "%s expression matched no samples", name[i]);
            osp_pprof_say(s, true, osp_str_from(line));
        }
}

/* In the peer's order: labels as frames, how filters were understood, then the filters. */
static void say_notes(const osp_pprof_session *s, const osp_answer *a)
{
    const uint32_t frames = OSP_TAG_ROOT | OSP_TAG_LEAF;
    say_unmatched(s, a->unmatched & frames);
    osp_pprof_say(s, true, osp_buf_str(&a->notes));
    say_unmatched(s, a->unmatched & ~frames);
}

static bool pour(void *none, osp_str text)
{
    (void)none;
    return osp_cli_print(text);
}

/* Does the report go to stdout as it is? */
static bool goes_straight_out(const osp_pprof_line *line)
{
    const osp_pprof_command *c = line->command;
    return !line->pipe.n && !line->config.output.n && !c->viewer && !isatty(STDOUT_FILENO) && !c->report->ending;
}

bool osp_pprof_report(osp_pprof_session *s, const osp_pprof_line *line, osp_err *err)
{
    osp_report_opts o;
    osp_answer answer = osp_answer_new();
    bool ok = osp_pprof_opts(s, &line->config, &o, err);
    if (ok) {
        o.argument = line->argument;
        answer.pour = goes_straight_out(line) ? pour : NULL;
        osp_pprof_say(s, true, s->unit_notes);
        ok = osp_report_write(line->command->report, s->profile, &o, &answer, err);
        say_notes(s, &answer);
    }
    ok = ok && deliver(s, line, &answer.text, err);
    osp_answer_drop(&answer);
    return ok;
}
