/* SPDX-License-Identifier: Apache-2.0 */
/* The whole terminal: alternate screen, raw keys. The state is global, since handlers of signals must find it. */
#include "cli/fullscreen.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { ESCAPE_MS = 50, INPUT = 256 };

#define ENTER_SCREEN "\033[?1049h\033[?25l\033[?7l"
#define LEAVE_SCREEN "\033[0m\033[?7h\033[?25h\033[?1049l"

static struct {
    volatile sig_atomic_t open; /* the terminal is ours: it must be given back */
    volatile sig_atomic_t stop; /* the signal that wants us to end */
    struct termios before;
    int in;         /* keys: standard input, or /dev/tty; -1 = closed */
    bool own_in;    /* it was opened here */
    int pipe[2];    /* signals wake the loop by it */
    osp_grid shown; /* what the terminal shows */
    bool known;     /* it does */
    char input[INPUT];
    size_t ninput;
} tty = {.in = -1, .pipe = {-1, -1}};

static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
enum { NENDS = sizeof ends / sizeof *ends, NCRASHES = sizeof crashes / sizeof *crashes };
static struct sigaction ends_before[NENDS], crashes_before[NCRASHES], winch_before;

/* ---- signals --------------------------------------------------------------------------------------------------- */

/* async-signal-safe: write and tcsetattr are. */
static void give_back(void)
{
    if (!tty.open)
        return;
    tty.open = 0;
    (void)!write(STDOUT_FILENO, LEAVE_SCREEN, sizeof LEAVE_SCREEN - 1);
    tcsetattr(tty.in, TCSANOW, &tty.before);
}

/* async-signal-safe */
static void on_end(int signal)
{
    int e = errno;
    if (tty.stop) { /* the second time: nobody listens */
        give_back();
        _exit(128 + signal);
    }
    tty.stop = signal;
    (void)!write(tty.pipe[1], "s", 1);
    errno = e;
}

/* async-signal-safe */
static void on_resize(int signal)
{
    int e = errno;
    (void)signal;
    (void)!write(tty.pipe[1], "w", 1);
    errno = e;
}

/* async-signal-safe: the terminal first, then what would have happened anyway. */
static void on_crash(int signal)
{
    give_back();
    for (int i = 0; i < NCRASHES; i++)
        if (crashes[i] == signal)
            sigaction(signal, &crashes_before[i], NULL);
    raise(signal);
}

static void watch_signals(void)
{
    struct sigaction end = {.sa_handler = on_end}, size = {.sa_handler = on_resize, .sa_flags = SA_RESTART},
                     crash = {.sa_handler = on_crash, .sa_flags = SA_NODEFER};
    for (int i = 0; i < NENDS; i++) {
        sigaction(ends[i], &end, &ends_before[i]);
        if (ends_before[i].sa_handler == SIG_IGN) /* nohup's wish */
            sigaction(ends[i], &ends_before[i], NULL);
    }
    for (int i = 0; i < NCRASHES; i++)
        sigaction(crashes[i], &crash, &crashes_before[i]);
    sigaction(SIGWINCH, &size, &winch_before);
}

static void unwatch_signals(void)
{
    for (int i = 0; i < NENDS; i++)
        sigaction(ends[i], &ends_before[i], NULL);
    for (int i = 0; i < NCRASHES; i++)
        sigaction(crashes[i], &crashes_before[i], NULL);
    sigaction(SIGWINCH, &winch_before, NULL);
}

/* ---- open and close -------------------------------------------------------------------------------------------- */

bool osp_fullscreen_possible(void)
{
    const char *term = getenv("TERM");
    if (!term || !*term || strcmp(term, "dumb") == 0 || !isatty(STDOUT_FILENO))
        return false;
    if (isatty(STDIN_FILENO))
        return true;
    OSP_AUTO_CLOSE int fd = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return fd >= 0;
}

static void take(void)
{
    struct termios raw = tty.before;
    raw.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    tty.open = 1;
    tcsetattr(tty.in, TCSANOW, &raw);
    (void)!write(STDOUT_FILENO, ENTER_SCREEN, sizeof ENTER_SCREEN - 1);
    tty.known = false;
}

bool osp_fullscreen_open(osp_err *err)
{
    tty.own_in = !isatty(STDIN_FILENO);
    tty.in = tty.own_in ? open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY) : STDIN_FILENO;
    if (tty.in < 0 || tcgetattr(tty.in, &tty.before) != 0)
        return osp_fail_errno(err, errno, "no keys can be read from this terminal");
    if (pipe2(tty.pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        return osp_fail_errno(err, errno, "taking the terminal");
    tty.stop = 0;
    tty.ninput = 0;
    watch_signals();
    take();
    return true;
}

void osp_fullscreen_close(void)
{
    if (tty.in < 0)
        return;
    give_back();
    unwatch_signals();
    osp_close_fd(&tty.pipe[0]);
    osp_close_fd(&tty.pipe[1]);
    if (tty.own_in)
        osp_close_fd(&tty.in);
    tty.in = -1;
    osp_grid_drop(&tty.shown);
}

void osp_fullscreen_obey(void)
{
    if (tty.stop)
        raise(tty.stop);
}

void osp_fullscreen_forget(void) { tty.known = false; }

/* ---- out ------------------------------------------------------------------------------------------------------- */

void osp_fullscreen_size(int *columns, int *rows)
{
    struct winsize size = {0};
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row;
    *columns = known ? size.ws_col : 80;
    *rows = known ? size.ws_row : 24;
}

bool osp_fullscreen_show(const osp_grid *g, osp_palette palette)
{
    osp_buf out = osp_buf_of(16 << 20);
    osp_err ignored; /* whoever called wants to know whether, not why */
    osp_grid_draw(tty.known ? &tty.shown : NULL, g, palette, &out);
    bool ok = !out.failed && (out.n == 0 || osp_write_fd(STDOUT_FILENO, osp_buf_str(&out), "terminal", &ignored));
    osp_buf_drop(&out);
    bool same = tty.shown.columns == g->columns && tty.shown.rows == g->rows;
    tty.known = ok && (same || osp_grid_size(&tty.shown, g->columns, g->rows));
    if (tty.known)
        memcpy(tty.shown.cell, g->cell, (size_t)g->columns * (size_t)g->rows * sizeof *g->cell);
    return ok;
}

/* ---- in -------------------------------------------------------------------------------------------------------- */

static void suspend(void)
{
    give_back();
    kill(0, SIGTSTP); /* all of us, as the terminal would do it */
    take();
}

static uint32_t from_signals(void)
{
    char c;
    uint32_t key = OSP_KEY_NONE;
    while (read(tty.pipe[0], &c, 1) == 1)
        key = OSP_KEY_RESIZE;
    return tty.stop ? OSP_KEY_STOP : key;
}

/* A key of what has been read; OSP_KEY_NONE if none is whole. */
static uint32_t from_input(bool final)
{
    uint32_t key;
    size_t used = osp_key_decode((osp_str){tty.input, tty.ninput}, final, &key);
    tty.ninput -= used;
    memmove(tty.input, tty.input + used, tty.ninput);
    if (used == 0)
        return OSP_KEY_NONE;
    if (key != OSP_CTRL('z'))
        return key;
    suspend();
    return OSP_KEY_RESIZE;
}

uint32_t osp_fullscreen_key(int wait_ms, int wake)
{
    uint64_t until = osp_monotonic_ns() / 1000000 + (uint64_t)(wait_ms < 0 ? 0 : wait_ms);
    for (;;) {
        uint32_t key = from_input(false);
        if (key != OSP_KEY_NONE)
            return key;
        uint64_t now = osp_monotonic_ns() / 1000000;
        int left = wait_ms < 0 ? -1 : now < until ? (int)(until - now) : 0;
        bool waits = tty.ninput > 0; /* an escape: is it a key, or the head of one? */
        struct pollfd fd[] = {{.fd = tty.in, .events = POLLIN},
                              {.fd = tty.pipe[0], .events = POLLIN},
                              {.fd = waits ? -1 : wake, .events = POLLIN}};
        int n = poll(fd, 3, waits ? ESCAPE_MS : left);
        if ((key = from_signals()) != OSP_KEY_NONE)
            return key;
        if (n == 0 && waits && (key = from_input(true)) != OSP_KEY_NONE)
            return key;
        if (n == 0 || fd[2].revents)
            return OSP_KEY_NONE;
        if (fd[0].revents == 0)
            continue;
        ssize_t got = read(tty.in, tty.input + tty.ninput, sizeof tty.input - tty.ninput);
        if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
            return OSP_KEY_STOP; /* the terminal is gone */
        tty.ninput += got > 0 ? (size_t)got : 0;
    }
}

/* ---- another program ------------------------------------------------------------------------------------------- */

void osp_fullscreen_run(char *const *argv)
{
    static const char hint[] = "\npress a key to go back ";
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    give_back();
    sigaction(SIGINT, &ignore, &before); /* Ctrl-C is for the other program */
    pid_t pid = fork();
    if (pid == 0) {
        unwatch_signals();
        execv("/proc/self/exe", argv);
        _exit(127);
    }
    int status;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    sigaction(SIGINT, &before, NULL);
    (void)!write(STDOUT_FILENO, hint, sizeof hint - 1);
    struct termios raw = tty.before;
    raw.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
    tcsetattr(tty.in, TCSANOW, &raw);
    struct pollfd fd = {.fd = tty.in, .events = POLLIN};
    char c;
    if (poll(&fd, 1, -1) > 0)
        (void)!read(tty.in, &c, 1);
    tty.ninput = 0;
    take();
}
