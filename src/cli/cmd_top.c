/* SPDX-License-Identifier: Apache-2.0 */
/* osprey top: what runs now. Processes, their threads and goroutines, their functions; live, or as plain tables where there
 * is no terminal. */
#include "base/clock.h"
#include "cli/fullscreen.h"
#include "cli/ps_watch.h"
#include "cli/top_keys.h"
#include "cli/top_worker.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const size_t ARENA_LIMIT = 512 << 20;
/* Of samples; until the first list of processes has a CPU column; until the first samples are there to be seen. */
static const double WINDOW_S = 5, FIRST_S = 0.3, FIRST_SLICE_S = 0.25;
enum { USUAL_HZ = 199, PLAIN_ROWS = 35, PLAIN_LEAST = 12, PLAIN_FRAME = 5, PLAIN_COLUMNS = 110 };

static const osp_option options[] = {
    {"all", 'a', NULL, "processes without Go too"},
    {"interval", 'd', "SECONDS", "from one refresh to the next (1)"},
    {"count", 'n', "COUNT", "end after so many refreshes (0: never)"},
    {"frequency", 'F', "HZ", "samples per second of CPU time (199)"},
    {"no-bpf", 0, NULL, "use perf events with copied stacks even where BPF works"},
    {"json", 0, NULL, "measure one interval and print one JSON object"},
    {0},
};

typedef struct {
    const osp_cli *cli;
    osp_palette palette;
    osp_top_sampling sampling;
    unsigned count; /* refreshes to make; 0 = without end */

    osp_top_state state;
    osp_ps_watch *watch;
    osp_top_worker *worker; /* of the process that is open */
    osp_process *process;
    osp_top_model *model;
    uint64_t next_ns;   /* the next refresh */
    unsigned refreshes; /* made */

    osp_arena facts; /* of the last refresh: */
    osp_ps ps;       /* all processes, or the open one alone */
    osp_top_thread *thread;
    uint32_t nthread;
    osp_thread *thread_before; /* malloc'ed */
    uint32_t nthread_before;
    uint64_t threads_ns;

    osp_arena rows; /* of the last question: */
    osp_top_list list;
    osp_ps filtered;
    char note[sizeof(osp_err)];
} top;

/* ---- a process opened and closed ---------------------------------------------------------------------------------- */

static void close_process(top *t)
{
    osp_top_worker_stop(t->worker);
    t->worker = NULL;
    osp_process_close(t->process);
    t->process = NULL;
    if (t->model)
        osp_top_model_clear(t->model);
    free(t->thread_before);
    t->thread_before = NULL;
    t->nthread_before = t->nthread = 0;
    t->note[0] = 0;
}

static bool open_process(top *t, osp_err *err)
{
    t->process = osp_process_open(t->state.pid, err);
    if (!t->process)
        return false;
    t->sampling.pid = t->state.pid;
    t->worker = osp_top_worker_start(&t->sampling, err);
    return t->worker != NULL;
}

/* ---- facts ------------------------------------------------------------------------------------------------------ */

static int by_tid(const void *tid, const void *thread)
{
    int a = *(const int *)tid, b = ((const osp_thread *)thread)->tid;
    return (a > b) - (a < b);
}

static const osp_thread *thread_before(const top *t, int tid)
{
    return t->nthread_before ? bsearch(&tid, t->thread_before, t->nthread_before, sizeof *t->thread_before, by_tid)
                             : NULL;
}

/* The threads as they are, and what each did since the last refresh. */
static void read_threads(top *t)
{
    osp_thread *now;
    uint32_t n;
    osp_err ignored; /* it has ended: what was seen last stays */
    uint64_t at_ns = osp_monotonic_ns();
    t->nthread = 0;
    if (!t->process || !osp_process_threads(t->process, &t->facts, &now, &n, &ignored))
        return;
    double wall = t->nthread_before ? (double)(at_ns - t->threads_ns) : 0;
    t->thread = osp_new(&t->facts, osp_top_thread, n);
    for (uint32_t i = 0; t->thread && i < n; i++) {
        const osp_thread *then = thread_before(t, now[i].tid);
        osp_top_thread *out = &t->thread[t->nthread++];
        *out = (osp_top_thread){.tid = now[i].tid, .state = now[i].state};
        memcpy(out->name, now[i].name, sizeof out->name);
        if (wall > 0) {
            out->cpu = (double)(now[i].run_ns - (then ? then->run_ns : 0)) / wall;
            out->queue = (double)(now[i].wait_ns - (then ? then->wait_ns : 0)) / wall;
        }
    }
    void *copy = realloc(t->thread_before, (n + 1) * sizeof *now);
    if (!copy)
        return;
    t->thread_before = copy;
    memcpy(copy, now, n * sizeof *now);
    t->nthread_before = n;
    t->threads_ns = at_ns;
}

/* How many there were. */
static unsigned take_slices(top *t)
{
    osp_top_slice s;
    osp_err ignored; /* without memory a slice is lost */
    unsigned n = 0;
    for (; t->worker && osp_top_worker_slice(t->worker, &s); n++) {
        (void)!osp_top_model_add(t->model, &s, &ignored);
        osp_top_slice_drop(&s);
    }
    return n;
}

/* Everything anew, as the interval wants it. */
static bool refresh(top *t, osp_err *err)
{
    osp_ps ps;
    osp_arena now;
    osp_arena_init(&now, ARENA_LIMIT);
    t->refreshes++;
    if (!osp_ps_watch_look(t->watch, t->state.all, t->state.pid, &now, &ps, err)) {
        osp_arena_drop(&now);
        return t->state.pid && err->code == OSP_EABSENT; /* it has ended: what was known last stays */
    }
    osp_arena_drop(&t->facts);
    t->facts = now;
    t->ps = ps;
    read_threads(t);
    return true;
}

/* Rows of processes that have the filter in their name, in their order. */
static bool ask_processes(top *t, osp_str filter, osp_err *err)
{
    t->filtered = t->ps;
    t->filtered.row = osp_new(&t->rows, osp_ps_row, t->ps.n + 1);
    t->filtered.n = 0;
    if (!t->filtered.row)
        return osp_fail_memory(err, "listing processes");
    for (uint32_t i = 0; i < t->ps.n; i++)
        if (osp_top_has(t->ps.row[i].process.name, filter))
            t->filtered.row[t->filtered.n++] = t->ps.row[i];
    const char *order = osp_top_order(OSP_TOP_PROCESSES, t->state.order[OSP_TOP_PROCESSES]);
    osp_ps_sort(&t->filtered, osp_str_from(order));
    t->list = (osp_top_list){.ps = &t->filtered};
    return true;
}

/* The rows that the level shown asks for. */
static bool ask(top *t, osp_err *err)
{
    const osp_top_level *l = &t->state.level[t->state.depth];
    osp_arena_drop(&t->rows);
    t->list = (osp_top_list){0};
    osp_str filter = osp_str_from(l->filter);
    if (l->view == OSP_TOP_PROCESSES)
        return ask_processes(t, filter, err);
    const osp_top_question q = {.view = l->view,
                                .order = t->state.order[l->view],
                                .tid = l->tid,
                                .group = l->group,
                                .reason = l->reason,
                                .focus = l->focus,
                                .filter = filter,
                                .thread = t->thread,
                                .nthread = t->nthread};
    osp_top_row *row;
    if (!osp_top_rows(t->model, &q, &t->rows, &row, &t->list.n, err))
        return false;
    t->list.row = row;
    return true;
}

static osp_top_head head_of(top *t)
{
    osp_top_head head = {.sum = osp_top_model_sum(t->model), .refresh_s = t->sampling.refresh_s};
    head.note = t->worker ? osp_top_worker_note(t->worker, t->note, sizeof t->note) : osp_str_from(t->note);
    if (t->state.pid && t->ps.n == 1 && t->ps.row[0].process.pid == t->state.pid)
        head.process = &t->ps.row[0];
    return head;
}

/* ---- full screen --------------------------------------------------------------------------------------------------- */

static bool show(top *t, osp_grid *g, osp_err *err)
{
    int columns, rows;
    osp_fullscreen_size(&columns, &rows);
    if ((g->columns != columns || g->rows != rows) && !osp_grid_size(g, columns, rows))
        return osp_fail_memory(err, "drawing");
    osp_top_head head = head_of(t);
    osp_top_paint(&t->state, &head, &t->list, g);
    return osp_fullscreen_show(g, t->palette) || osp_fail(err, OSP_EIO, "the terminal is gone");
}

static void run_why(const top *t)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%d", t->state.pid);
    char *const argv[] = {(char[]){"osprey"}, (char[]){"why"}, pid, NULL};
    osp_fullscreen_run(argv);
}

/* What the last key wishes of the process. */
static bool grant(top *t, osp_err *err)
{
    switch (t->state.wish) {
    case OSP_WISH_OPEN:
        close_process(t);
        t->next_ns = 0;
        if (open_process(t, err))
            break;
        snprintf(t->note, sizeof t->note, "%s", err->msg);
        t->state.pid = 0;
        t->state.depth = 0;
        break;
    case OSP_WISH_CLOSE:
        close_process(t);
        t->next_ns = 0;
        break;
    case OSP_WISH_WHY:
        run_why(t);
        break;
    case OSP_WISH_LOOK:
        t->next_ns = 0;
        break;
    default:
        break;
    }
    return true;
}

static bool press(top *t, const osp_grid *g, uint32_t key, osp_err *err)
{
    osp_top_press(&t->state, &t->list, osp_top_visible(g->rows), key);
    return grant(t, err);
}

static int wait_ms(const top *t)
{
    uint64_t now = osp_monotonic_ns();
    return t->next_ns > now ? (int)((t->next_ns - now) / 1000000) + 1 : 0;
}

static bool is_over(const top *t) { return t->state.wish == OSP_WISH_QUIT || (t->count && t->refreshes >= t->count); }

static bool live(top *t, osp_err *err)
{
    osp_grid g = {0};
    bool ok = true, fresh = true;
    while (ok && !is_over(t)) {
        if (!t->state.paused)
            take_slices(t);
        if (osp_monotonic_ns() >= t->next_ns && (!t->state.paused || fresh)) {
            ok = refresh(t, err);
            t->next_ns = osp_monotonic_ns() + (uint64_t)((fresh ? FIRST_S : t->sampling.refresh_s) * 1e9);
            fresh = false;
        }
        ok = ok && ask(t, err) && show(t, &g, err);
        if (!ok || is_over(t))
            break;
        int wake = t->worker && !t->state.paused ? osp_top_worker_wake(t->worker) : -1;
        uint32_t key = osp_fullscreen_key(t->state.paused ? -1 : wait_ms(t), wake);
        if (key == OSP_KEY_STOP)
            break;
        if (key == OSP_KEY_RESIZE)
            osp_fullscreen_forget();
        else if (key != OSP_KEY_NONE)
            ok = press(t, &g, key, err);
        fresh = fresh || t->next_ns == 0;
    }
    osp_grid_drop(&g);
    return ok;
}

/* ---- plain tables -------------------------------------------------------------------------------------------------- */

/* Print a text that was made. */
static bool print(osp_buf *out, osp_err *err)
{
    if (out->failed)
        return osp_fail_memory(err, "printing");
    return osp_cli_print(osp_buf_str(out)) || osp_fail(err, OSP_EIO, "nobody reads any more");
}

static bool print_processes(top *t, osp_err *err)
{
    osp_buf out = osp_buf_of(64 << 20);
    bool ok = ask(t, err);
    if (ok)
        osp_ps_table(t->cli, &t->filtered, 0, &out);
    osp_buf_byte(&out, '\n');
    ok = ok && print(&out, err);
    osp_buf_drop(&out);
    return ok;
}

static bool print_process(top *t, osp_err *err)
{
    osp_grid g = {0};
    osp_buf out = osp_buf_of(1 << 20);
    bool ok = ask(t, err);
    int rows = t->list.n < PLAIN_ROWS - PLAIN_FRAME ? (int)t->list.n + PLAIN_FRAME : PLAIN_ROWS;
    rows = rows > PLAIN_LEAST ? rows : PLAIN_LEAST;
    ok = ok && (osp_grid_size(&g, PLAIN_COLUMNS, rows) || osp_fail_memory(err, "printing"));
    if (ok) {
        osp_top_head head = head_of(t);
        osp_top_paint(&t->state, &head, &t->list, &g);
        g.rows--; /* without the keys */
        osp_grid_text(&g, &out);
        while (out.n > 1 && out.p[out.n - 2] == '\n')
            out.n--;
        osp_buf_byte(&out, '\n');
        ok = print(&out, err);
    }
    osp_grid_drop(&g);
    osp_buf_drop(&out);
    return ok;
}

/* One interval; of a process, until what was sampled in it is there. False: there will be no more. */
static bool wait_interval(top *t, const volatile sig_atomic_t *stop)
{
    double whole = floor(t->sampling.refresh_s);
    struct timespec wait = {(time_t)whole, (long)((t->sampling.refresh_s - whole) * 1e9)};
    if (!t->worker)
        return nanosleep(&wait, NULL) == 0;
    while (!*stop) {
        bool done = osp_top_worker_done(t->worker);
        if (take_slices(t) || done)
            return !done;
        struct pollfd fd = {.fd = osp_top_worker_wake(t->worker), .events = POLLIN};
        poll(&fd, 1, -1);
    }
    return false;
}

static bool print_json(top *t, osp_err *err)
{
    osp_buf out = osp_buf_of(256 << 20);
    osp_top_head head = head_of(t);
    bool ok = ask(t, err);
    if (ok && !t->state.pid)
        osp_ps_json(&t->filtered, &out);
    else if (ok)
        ok = osp_top_json(&head, t->model, t->thread, t->nthread, &out, err);
    ok = ok && print(&out, err);
    osp_buf_drop(&out);
    return ok;
}

static bool print_tables(top *t, osp_err *err)
{
    if (osp_cli_given(t->cli, "json"))
        return print_json(t, err);
    return t->state.pid ? print_process(t, err) : print_processes(t, err);
}

static bool plain(top *t, osp_err *err)
{
    const volatile sig_atomic_t *stop = osp_stop_flag();
    if (!refresh(t, err))
        return false;
    t->refreshes = 0;
    for (bool on = true; on && !*stop && !is_over(t);) {
        on = wait_interval(t, stop);
        if (!refresh(t, err) || !print_tables(t, err))
            return false;
    }
    return true;
}

/* ---- the command ---------------------------------------------------------------------------------------------------- */

/* Does the terminal take UTF-8, as the locale says? */
static bool speaks_utf8(void)
{
    static const char *const name[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        osp_str v = osp_str_from(getenv(name[i]));
        if (v.n)
            return osp_top_has(v, S("utf-8")) || osp_top_has(v, S("utf8"));
    }
    return false;
}

static bool run(top *t, osp_err *err)
{
    bool live_view = osp_fullscreen_possible() && !osp_cli_given(t->cli, "json");
    if (live_view)
        t->sampling.first_s = fmin(FIRST_SLICE_S, t->sampling.refresh_s);
    t->watch = osp_ps_watch_new(err);
    t->model = t->watch ? osp_top_model_new(live_view ? WINDOW_S : 0, err) : NULL; /* a table is of its interval */
    if (!t->model || !osp_ps_watch_begin(t->watch, false, err) || (t->state.pid && !open_process(t, err)))
        return false;
    if (!live_view)
        return plain(t, err);
    if (!osp_fullscreen_open(err))
        return false;
    bool ok = live(t, err);
    osp_fullscreen_close();
    return ok;
}

static int cmd_top(const osp_cli *cli)
{
    double seconds, hz, count;
    int pid = 0, status;
    if (!osp_cli_number(cli, "interval", 0.1, 3600, 1, &seconds) ||
        !osp_cli_number(cli, "count", 0, 1e9, 0, &count) ||
        !osp_cli_number(cli, "frequency", 1, 20000, USUAL_HZ, &hz))
        return OSP_EXIT_USAGE;
    if ((cli->noperand || osp_cli_given(cli, "pid")) && !osp_cli_pid(cli, &pid, &status))
        return status;
    top t = {.cli = cli,
             .palette = {cli->colour, speaks_utf8()},
             .count = osp_cli_given(cli, "json") ? 1 : (unsigned)count};
    t.sampling = (osp_top_sampling){
        .hz = (uint32_t)hz, .refresh_s = seconds, .first_s = seconds, .no_bpf = osp_cli_given(cli, "no-bpf")};
    osp_arena_init(&t.facts, ARENA_LIMIT);
    osp_arena_init(&t.rows, ARENA_LIMIT);
    osp_top_begin(&t.state, pid);
    t.state.all = osp_cli_given(cli, "all");
    osp_err err;
    status = run(&t, &err) ? OSP_EXIT_DONE : osp_cli_fail(&err);
    close_process(&t);
    osp_top_model_drop(t.model);
    osp_ps_watch_drop(t.watch);
    osp_arena_drop(&t.facts);
    osp_arena_drop(&t.rows);
    osp_fullscreen_obey();
    return status;
}

const osp_command osp_command_top = {
    .name = "top",
    .args = "[PID]",
    .summary = "watch processes, threads and functions live",
    .examples = (const char *const[]){"top", "top 4711", "top 4711 -d 5 -n 3 > busy.txt", NULL},
    .options = options,
    .run = cmd_top,
};
