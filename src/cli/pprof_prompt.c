/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the lines of pprof's shell. From a terminal with libedit: editing, history, completion, ^C to drop a line; the
 * prompt is on stderr then. From elsewhere, and on a dumb terminal, as they come, with the prompt on stdout, as the
 * peer has it. */
#include "cli/pprof_cli.h"

#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

enum { LONGEST = 1 << 20 };

struct osp_prompt {
    const osp_pprof_session *session;
    const char *prompt;
    EditLine *edit; /* NULL: lines are read as they come */
    History *history;
    int kept;     /* the file of lines, or -1 */
    bool dropped; /* by ^C */
    osp_buf line;
};

/* ---- completion ----------------------------------------------------------------------------------------------- */

/* The candidates in columns under the line. */
static void list(const osp_prompt *p, const osp_completion_list *l)
{
    enum { MOST = sizeof l->few / sizeof *l->few };
    uint32_t n = l->n < MOST ? l->n : MOST;
    size_t widest = 1, columns = (size_t)p->session->cli->columns;
    for (uint32_t i = 0; i < n; i++)
        widest = osp_str_columns(l->few[i]) > widest ? osp_str_columns(l->few[i]) : widest;
    size_t across = columns / (widest + 2) ? columns / (widest + 2) : 1;
    osp_buf out = osp_buf_of(SIZE_MAX / 2);
    for (uint32_t i = 0; i < n; i++) {
        osp_buf_add(&out, i % across == 0 ? S("\n") : S("  "));
        osp_buf_add(&out, l->few[i]);
        size_t used = osp_str_columns(l->few[i]);
        if ((i + 1) % across != 0 && i + 1 < n)
            osp_buf_fill(&out, ' ', widest - used);
    }
    if (l->n > n)
        osp_buf_fmt(&out, "\n... and %u more", l->n - n);
    osp_buf_byte(&out, '\n');
    out.n = osp_harmless(out.p, out.n, true);
    fprintf(stderr, "%.*s", STRF(osp_buf_str(&out)));
    osp_buf_drop(&out);
}

static unsigned char on_tab(EditLine *edit, wint_t key)
{
    osp_prompt *p;
    osp_completion_list found;
    osp_arena a;
    unsigned char then = CC_ERROR;
    (void)key;
    el_get(edit, EL_CLIENTDATA, &p);
    const LineInfo *l = el_line(edit);
    osp_str line = {l->buffer, (size_t)(l->cursor - l->buffer)};
    osp_arena_init(&a, SIZE_MAX / 2);
    if (osp_pprof_complete(p->session->profile, line, &a, &found)) {
        osp_str typed = osp_str_skip(line, line.n - found.typed);
        bool more = !osp_str_eq(typed, found.insert);
        osp_str text = osp_arena_fmt(&a, "%.*s%s", STRF(found.insert), found.whole ? " " : "");
        if (found.n > 1 && !more) {
            list(p, &found);
            then = CC_REDISPLAY;
        } else if (text.p) {
            el_deletestr(edit, (int)osp_str_columns(typed)); /* it counts characters */
            then = el_insertstr(edit, text.p) == 0 ? CC_REFRESH : CC_ERROR;
        }
    }
    osp_arena_drop(&a);
    return then;
}

/* ---- editing -------------------------------------------------------------------------------------------------- */

static unsigned char on_cancel(EditLine *edit, wint_t key)
{
    osp_prompt *p;
    (void)key;
    el_get(edit, EL_CLIENTDATA, &p);
    p->dropped = true;
    fputs("^C\n", stderr);
    return CC_NEWLINE;
}

/* What the kernel makes of a ^D that is pressed while the terminal changes its mode. */
static unsigned char on_nothing(EditLine *edit, wint_t key)
{
    (void)edit;
    (void)key;
    return CC_NORM;
}

static char *prompt_of(EditLine *edit)
{
    osp_prompt *p;
    el_get(edit, EL_CLIENTDATA, &p);
    return (char *)(uintptr_t)p->prompt;
}

static void remember(osp_prompt *p, osp_str line)
{
    HistEvent event;
    char text[1 << 12]; /* a longer line is not worth it */
    if (line.n && line.n < sizeof text)
        history(p->history, &event, H_ENTER, osp_str_z(line, text, sizeof text));
}

static void remember_former_sessions(osp_prompt *p)
{
    osp_buf lines = osp_buf_of(1 << 24);
    p->kept = osp_pprof_history_open(&lines);
    for (osp_str rest = osp_buf_str(&lines); rest.n;)
        remember(p, osp_str_cut(&rest, '\n'));
    osp_buf_drop(&lines);
}

static bool open_editor(osp_prompt *p, osp_err *err)
{
    HistEvent event;
    setlocale(LC_CTYPE, ""); /* names of functions may have letters of any script */
    p->edit = el_init("osprey", stdin, stderr, stderr);
    p->history = history_init();
    if (!p->edit || !p->history)
        return osp_fail_memory(err, "preparing the terminal");
    history(p->history, &event, H_SETSIZE, 1000);
    history(p->history, &event, H_SETUNIQUE, 1);
    remember_former_sessions(p);
    el_set(p->edit, EL_CLIENTDATA, p);
    el_set(p->edit, EL_PROMPT, prompt_of);
    el_set(p->edit, EL_EDITOR, "emacs");
    el_set(p->edit, EL_HIST, history, p->history);
    el_set(p->edit, EL_SIGNAL, 1);
    /* wide: libedit loses its copies of narrow names */
    el_wset(p->edit, EL_ADDFN, L"pprof-complete", L"complete what is typed", on_tab);
    el_wset(p->edit, EL_ADDFN, L"pprof-cancel", L"drop the line", on_cancel);
    el_wset(p->edit, EL_ADDFN, L"pprof-nothing", L"do nothing", on_nothing);
    el_set(p->edit, EL_BIND, "^I", "pprof-complete", NULL);
    el_set(p->edit, EL_BIND, "^@", "pprof-nothing", NULL);
    el_set(p->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_set(p->edit, EL_BIND, "^C", "pprof-cancel", NULL);
    el_source(p->edit, NULL);
    return true;
}

/* One line, with ^C as a key like others; ^Z still stops us. */
static const char *ask_editor(osp_prompt *p, int *n)
{
    struct termios before, now;
    bool known = tcgetattr(STDIN_FILENO, &before) == 0;
    p->dropped = false;
    if (known) {
        now = before;
        now.c_cc[VINTR] = _POSIX_VDISABLE;
        tcsetattr(STDIN_FILENO, TCSADRAIN, &now);
    }
    errno = 0;
    const char *line = el_gets(p->edit, n);
    int e = errno;
    if (known)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    errno = e;
    return line;
}

static bool edited_line(osp_prompt *p, osp_str *out, osp_err *err)
{
    int n;
    do {
        const char *line = ask_editor(p, &n);
        if (!line || n <= 0) {
            fputc('\n', stderr);
            return n < 0 && errno ? osp_fail_errno(err, errno, "reading the terminal") : false;
        }
        *out = osp_str_trim((osp_str){line, (size_t)n});
        if (out->n && !p->dropped) {
            remember(p, *out);
            osp_pprof_history_add(p->kept, *out);
        }
    } while (p->dropped);
    return true;
}

/* ---- without editing ------------------------------------------------------------------------------------------ */

static bool plain_line(osp_prompt *p, osp_str *out, osp_err *err)
{
    int c;
    if (!osp_cli_print(osp_str_from(p->prompt)))
        return false;
    p->line.n = 0;
    while ((c = getc_unlocked(stdin)) != EOF && c != '\n')
        osp_buf_byte(&p->line, (uint8_t)c);
    *out = osp_buf_str(&p->line);
    if (p->line.failed)
        return osp_fail(err, OSP_ELIMIT, "a line of more than %d bytes", LONGEST);
    return c != EOF || p->line.n > 0;
}

/* ---- lines ---------------------------------------------------------------------------------------------------- */

osp_prompt *osp_prompt_open(const osp_pprof_session *s, osp_err *err)
{
    const char *term = getenv("TERM");
    osp_prompt *p = calloc(1, sizeof *p);
    if (!p) {
        osp_fail_memory(err, "opening the shell");
        return NULL;
    }
    *p = (osp_prompt){.session = s, .kept = -1, .line = osp_buf_of(LONGEST)};
    bool edit = isatty(STDIN_FILENO) && isatty(STDERR_FILENO) && term && *term && strcasecmp(term, "dumb") != 0;
    if (edit && !open_editor(p, err)) {
        osp_prompt_close(p);
        return NULL;
    }
    return p;
}

void osp_prompt_close(osp_prompt *p)
{
    if (p->edit)
        el_end(p->edit);
    if (p->history)
        history_end(p->history);
    osp_close_fd(&p->kept);
    osp_buf_drop(&p->line);
    free(p);
}

bool osp_prompt_line(osp_prompt *p, const char *prompt, osp_str *out, osp_err *err)
{
    p->prompt = prompt;
    return p->edit ? edited_line(p, out, err) : plain_line(p, out, err);
}
