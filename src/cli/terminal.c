/* SPDX-License-Identifier: Apache-2.0 */
/* What we know about the terminal, and everything that is written to it. */
#include "base/file.h"
#include "cli/cli_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

void osp_terminal_read(osp_cli *cli, const char *when)
{
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    struct winsize size;
    if (when && strcmp(when, "auto") != 0)
        cli->colour = strcmp(when, "always") == 0;
    else
        cli->colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour) && term && strcmp(term, "dumb") != 0;
    cli->progress = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
    cli->columns = 80;
    if ((ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 || ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0) &&
        size.ws_col >= 20)
        cli->columns = size.ws_col;
}

bool osp_cli_print(osp_str text)
{
    while (text.n) {
        ssize_t n = write(STDOUT_FILENO, text.p, text.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            if (errno != EPIPE)
                fprintf(stderr, "osprey: writing the output: %s\n", strerrordesc_np(errno));
            return false;
        }
        text = osp_str_skip(text, (size_t)n);
    }
    return true;
}

int osp_cli_answer(osp_buf *out, int status)
{
    osp_err err;
    if (out->failed) {
        osp_fail_memory(&err, "writing the answer");
        status = osp_cli_fail(&err);
    } else if (!osp_cli_print(osp_buf_str(out))) {
        status = OSP_EXIT_FAILED;
    }
    osp_buf_drop(out);
    return status;
}

size_t osp_harmless(char *text, size_t n, bool keep_lines)
{
    size_t to = 0;
    for (size_t at = 0; at < n;) {
        uint8_t c = (uint8_t)text[at];
        size_t length = osp_str_utf8((osp_str){text + at, n - at});
        bool kept = keep_lines && (c == '\n' || c == '\t');
        bool control = (c < 0x20 && !kept) || c == 0x7f || (c == 0xc2 && length == 2 && (uint8_t)text[at + 1] < 0xa0);
        if (length == 0 || control) {
            text[to++] = '?';
            at += length ? length : 1;
            continue;
        }
        memmove(text + to, text + at, length);
        to += length;
        at += length;
    }
    return to;
}

/* A line on stderr. What it says may hold names that others chose. */
static void complain(const char *fmt, ...) OSP_PRINTF(1, 2);
static void complain(const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    size_t left = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    osp_str line = {text, osp_harmless(text, left, true)};
    fprintf(stderr, "%.*s\n", STRF(line));
}

void osp_cli_say(osp_str line) { complain("osprey: %.*s", STRF(line)); }

int osp_cli_fail(const osp_err *err)
{
    complain("osprey: %s", err->msg);
    return err->code == OSP_EUSAGE ? OSP_EXIT_USAGE : OSP_EXIT_FAILED;
}

int osp_cli_usage(const osp_cli *cli, const char *fmt, ...)
{
    char message[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    complain("osprey %s: %s\ntry  osprey help %s", cli->command->name, message, cli->command->name);
    return OSP_EXIT_USAGE;
}

/* ---- progress ---------------------------------------------------------------------------------------------- */

static bool progress_shown;

/* The longest head of s that takes at most so many columns. */
static osp_str head_columns(osp_str s, size_t columns)
{
    size_t i = 0;
    for (size_t n = 0; i < s.n; i++) {
        n += ((uint8_t)s.p[i] & 0xc0) != 0x80;
        if (n > columns)
            break;
    }
    return osp_str_head(s, i);
}

void osp_progress(const osp_cli *cli, const char *fmt, ...)
{
    if (!cli->progress)
        return;
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    osp_str all = {text, osp_harmless(text, strlen(text), false)};
    osp_str line = head_columns(all, (size_t)cli->columns - 1);
    fprintf(stderr, "\r%.*s\033[K", STRF(line));
    fflush(stderr);
    progress_shown = true;
}

void osp_progress_done(const osp_cli *cli)
{
    if (cli->progress && progress_shown)
        fputs("\r\033[K", stderr);
    progress_shown = false;
}

/* ---- colour ------------------------------------------------------------------------------------------------ */

static const char *const sgr[] = {
    [OSP_PLAIN] = "",    [OSP_BOLD] = "1",  [OSP_DIM] = "2",      [OSP_RED] = "31",  [OSP_GREEN] = "32",
    [OSP_YELLOW] = "33", [OSP_BLUE] = "34", [OSP_MAGENTA] = "35", [OSP_CYAN] = "36",
};

void osp_paint(const osp_cli *cli, osp_buf *out, osp_colour c, const char *fmt, ...)
{
    bool paint = cli->colour && c != OSP_PLAIN;
    if (paint)
        osp_buf_fmt(out, "\033[%sm", sgr[c]);
    size_t from = out->n;
    va_list ap;
    va_start(ap, fmt);
    osp_buf_vfmt(out, fmt, ap);
    va_end(ap);
    out->n = from + (out->n > from ? osp_harmless(out->p + from, out->n - from, false) : 0);
    if (paint)
        osp_buf_add(out, S("\033[0m"));
}

void osp_paint_cut(const osp_cli *cli, osp_buf *out, osp_colour c, osp_str text, size_t room)
{
    if (room == 0 || osp_str_columns(text) <= room) {
        osp_paint(cli, out, c, "%.*s", STRF(text));
        return;
    }
    size_t keep = 0;
    for (size_t i = 0; i + 1 < room && keep < text.n; i++) {
        size_t n = osp_str_utf8(osp_str_skip(text, keep));
        keep += n ? n : 1;
    }
    osp_paint(cli, out, c, "%.*s", STRF(osp_str_head(text, keep)));
    osp_buf_add(out, S("…"));
}

/* ---- signals ----------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t stop;

/* async-signal-safe */
static void on_stop(int signal)
{
    (void)signal;
    stop = 1;
}

const volatile sig_atomic_t *osp_stop_flag(void)
{
    /* SA_RESETHAND: the second signal finds the default action and kills. No SA_RESTART: waiting calls return. */
    struct sigaction act = {.sa_handler = on_stop, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&act.sa_mask);
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    struct sigaction before; /* the terminal is gone: keep what was sampled; nohup's wish to go on is respected */
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler == SIG_DFL)
        sigaction(SIGHUP, &act, NULL);
    return &stop;
}
