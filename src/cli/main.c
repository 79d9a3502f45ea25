/* SPDX-License-Identifier: Apache-2.0 */
/* osprey COMMAND …: finds the command in the table, reads its options, runs it. Nothing else happens here. */
#include "cli/cli_internal.h"

#include "base/limit.h"

#include <fcntl.h>
#include <sys/resource.h>

static int print_help(void (*write)(osp_buf *out, const osp_command *const *table))
{
    osp_buf out = osp_buf_of(1 << 16);
    write(&out, osp_commands);
    bool ok = osp_cli_print(osp_buf_str(&out));
    osp_buf_drop(&out);
    return ok ? OSP_EXIT_DONE : OSP_EXIT_FAILED;
}

static bool wants_help(const char *word)
{
    return strcmp(word, "-h") == 0 || strcmp(word, "-help") == 0 || strcmp(word, "--help") == 0;
}

static int explain(const osp_cli *cli)
{
    osp_buf out = osp_buf_of(1 << 16);
    osp_help_command(&out, cli->command, cli->columns);
    bool ok = osp_cli_print(osp_buf_str(&out));
    osp_buf_drop(&out);
    return ok ? OSP_EXIT_DONE : OSP_EXIT_FAILED;
}

static int run(const osp_command *command, char **words, size_t nwords, osp_arena *a)
{
    osp_cli cli;
    osp_err err = {0};
    if (!osp_cli_parse(command, words, nwords, a, &cli, &err)) {
        if (err.code != OSP_EUSAGE)
            return osp_cli_fail(&err);
        cli.command = command;
        return osp_cli_usage(&cli, "%s", err.msg);
    }
    const char *when = command->own_words ? NULL : osp_cli_value(&cli, "color");
    if (when && strcmp(when, "auto") != 0 && strcmp(when, "always") != 0 && strcmp(when, "never") != 0)
        return osp_cli_usage(&cli, "option --color wants auto, always or never, not `%s`", when);
    osp_terminal_read(&cli, when);
    if (!command->own_words && osp_cli_given(&cli, "help"))
        return explain(&cli);
    return command->run(&cli);
}

/* Files are mapped to read them. One that another program cuts short meanwhile cannot be read to its end: say so,
 * instead of dying without a word. async-signal-safe */
static void on_cut_file(int signal)
{
    static const char text[] = "osprey: a file was cut short by another program while it was read; try again\n";
    (void)signal;
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written; /* nobody is left to tell */
    _exit(OSP_EXIT_FAILED);
}

/* Where stdin, stdout or stderr is closed, the next file opened would get its number, and what we print would go
 * into it. Hold the place by something that cannot be written to. */
static void hold_standard_files(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO)
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (fd > STDERR_FILENO)
        close(fd);
}

/* OSPREY_MEMORY holds for all we take, not only for what decoders know about. (A sanitizer's shadow would count.) */
static bool limit_memory(osp_err *err)
{
    size_t most;
    if (!osp_memory_said(&most, err))
        return false;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    struct rlimit now;
    if (most && getrlimit(RLIMIT_DATA, &now) == 0 && most < now.rlim_cur) {
        now.rlim_cur = most;
        setrlimit(RLIMIT_DATA, &now);
    }
#endif
    return true;
}

int main(int argc, char **argv)
{
    hold_standard_files();
    struct sigaction cut = {.sa_handler = on_cut_file};
    sigemptyset(&cut.sa_mask);
    sigaction(SIGBUS, &cut, NULL);
    struct sigaction quietly = {.sa_handler = SIG_IGN};
    sigaction(SIGXFSZ, &quietly, NULL); /* a file beyond ulimit -f is an error of the write that makes it */
    osp_err err;
    if (!limit_memory(&err))
        return osp_cli_fail(&err);
    osp_str called = argc > 0 ? osp_str_base(osp_str_from(argv[0])) : S("osprey");
    const osp_command *command = osp_str_eq(called, S("pprof")) ? osp_command_find(osp_commands, called) : NULL;
    int first = 1; /* of the command's words */
    if (!command) {
        if (argc < 2)
            return print_help(osp_help_short);
        osp_str word = osp_str_from(argv[1]);
        if (wants_help(argv[1]))
            word = S("help");
        else if (osp_str_eq(word, S("--version")) || osp_str_eq(word, S("-version")))
            word = S("version");
        command = osp_command_find(osp_commands, word);
        if (!command)
            return osp_cli_unknown_command(word);
        first = 2;
    }
    osp_arena a;
    osp_arena_init(&a, 64u << 20);
    int status = run(command, argv + first, (size_t)(argc - first), &a);
    osp_arena_drop(&a);
    return status;
}
