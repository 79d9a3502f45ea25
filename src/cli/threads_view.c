/* SPDX-License-Identifier: Apache-2.0 */
/* The screens and the JSON of `osprey threads`: pure functions of the model. Columns are as wide as what stands in them; where
 * a terminal is too narrow, the least needed columns go, and what a thread does is cut at the edge. */
#include "cli/threads_view.h"

#include <stdio.h>
#include <stdlib.h>

/* Less time than this says nothing about shares of it. */
static const double SHORTEST_S = 0.02;

enum { CELL = 80, DOES_LEAST = 24, GAP = 2, TIDS_SHOWN = 8 };

/* ---- order ---------------------------------------------------------------------------------------------------------- */

static uint64_t switches(const osp_thread_row *r) { return r->voluntary + r->involuntary; }

static int by_size(uint64_t a, uint64_t b, const osp_thread_row *x, const osp_thread_row *y)
{
    return a != b ? (a < b) - (a > b) : (x->thread.tid > y->thread.tid) - (x->thread.tid < y->thread.tid);
}

static int by_cpu(const void *a, const void *b)
{
    const osp_thread_row *x = a, *y = b;
    return by_size(x->cpu_ns, y->cpu_ns, x, y);
}

static int by_wait(const void *a, const void *b)
{
    const osp_thread_row *x = a, *y = b;
    return by_size(x->wait_ns, y->wait_ns, x, y);
}

static int by_switches(const void *a, const void *b)
{
    const osp_thread_row *x = a, *y = b;
    return by_size(switches(x), switches(y), x, y);
}

static int by_tid(const void *a, const void *b) { return by_size(0, 0, a, b); }

static int by_role(const void *a, const void *b)
{
    const osp_thread_row *x = a, *y = b;
    return x->role != y->role ? (x->role > y->role) - (x->role < y->role) : by_cpu(a, b);
}

bool osp_threads_sort(osp_threads *t, osp_str by)
{
    static const struct {
        const char *name;
        int (*order)(const void *a, const void *b);
    } orders[] = {{"cpu", by_cpu}, {"wait", by_wait}, {"switches", by_switches}, {"tid", by_tid}, {"role", by_role}};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        if (osp_str_eq(by, osp_str_from(orders[i].name))) {
            if (t->n)
                qsort(t->row, t->n, sizeof *t->row, orders[i].order);
            return true;
        }
    return false;
}

/* ---- what a thread does --------------------------------------------------------------------------------------------- */

/* What only leads into the kernel. */
static bool is_gate(const osp_thread_frame *f)
{
    return f->runtime || f->system || osp_str_starts(f->function, S("syscall.")) ||
           osp_str_starts(f->function, S("internal/"));
}

/* The function that a reader looks for: the innermost that did not only lead there. */
static osp_str place_of(const osp_thread_row *r)
{
    for (uint32_t i = 0; i < r->nframe; i++)
        if (!is_gate(&r->frame[i]))
            return r->frame[i].function;
    return r->g_function;
}

static void put_doing(const osp_thread_row *r, osp_buf *out)
{
    size_t begin = out->n;
    if (r->signal)
        osp_buf_fmt(out, "got SIG%s: ", sigabbrev_np(r->signal) ? sigabbrev_np(r->signal) : "?");
    if (r->has_g)
        osp_buf_fmt(out, "g %llu ", (unsigned long long)r->g.goid);
    else if (r->locked_goid)
        osp_buf_fmt(out, "for g %llu ", (unsigned long long)r->locked_goid);
    osp_str place = place_of(r);
    osp_buf_fmt(out, "%.*s", STRF(place));
    if (r->has_g && r->locked_goid == r->g.goid)
        osp_buf_add(out, S(" (locked)"));
    if (r->call[0])
        osp_buf_fmt(out, "%s%s", out->n > begin ? (place.n ? " · " : "· ") : "", r->call);
    else if (r->thread.state == 'D' || r->look.call.state == OSP_BLOCKING_NONE)
        osp_buf_fmt(out, "%sin the kernel%s%s", out->n > begin ? " · " : "", r->look.wchan[0] ? ": " : "",
                    r->look.wchan);
}

/* ---- columns -------------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *head;
    bool left;
    bool timed; /* of the time that was observed */
    int keep;   /* the smaller, the sooner it goes where there is no room; 0 = never */
    void (*cell)(const osp_threads *t, const osp_thread_row *r, char buf[CELL]);
} column;

static double share(const osp_threads *t, uint64_t ns) { return t->seconds > 0 ? (double)ns / 1e7 / t->seconds : 0; }

static void number_or_dash(int64_t v, char buf[CELL])
{
    if (v < 0)
        snprintf(buf, CELL, "–");
    else
        snprintf(buf, CELL, "%lld", (long long)v);
}

static void tid_cell(const osp_threads *t, const osp_thread_row *r, char buf[CELL])
{
    (void)t;
    snprintf(buf, CELL, "%d", r->thread.tid);
}

static void ns_tid_cell(const osp_threads *t, const osp_thread_row *r, char buf[CELL])
{
    (void)t;
    buf[0] = 0;
    if (r->thread.ns_tid != r->thread.tid)
        snprintf(buf, CELL, "%d", r->thread.ns_tid);
}

static void name_cell(const osp_threads *t, const osp_thread_row *r, char buf[CELL])
{
    (void)t;
    snprintf(buf, CELL, "%s", r->thread.name);
}

static void m_cell(const osp_threads *t, const osp_thread_row *r, char buf[CELL])
{
    buf[0] = 0;
    if (t->is_go)
        number_or_dash(r->has_m ? r->m.id : -1, buf);
}

static void p_cell(const osp_threads *t, const osp_thread_row *r, char buf[CELL])
{
    buf[0] = 0;
    if (t->is_go)
        number_or_dash(r->p, buf);
}

static void role_cell(const osp_threads *t, const osp_thread_row *r, char buf[CELL])
{
    (void)t;
    snprintf(buf, CELL, "%.*s%s", STRF(osp_role_text(r->role)), r->main ? ", main" : "");
}

static void state_cell(const osp_threads *t, const osp_thread_row *r, char buf[CELL])
{
    (void)t;
    snprintf(buf, CELL, r->thread.state ? "%c" : "", r->thread.state);
}

static void cpu_cell(const osp_threads *t, const osp_thread_row *r, char buf[CELL])
{
    snprintf(buf, CELL, "%.1f", share(t, r->cpu_ns));
}

static void system_cell(const osp_threads *t, const osp_thread_row *r, char buf[CELL])
{
    snprintf(buf, CELL, "%.0f", share(t, r->system_ns));
}

static void wait_cell(const osp_threads *t, const osp_thread_row *r, char buf[CELL])
{
    snprintf(buf, CELL, "%.1f", share(t, r->wait_ns));
}

static void rate(const osp_threads *t, uint64_t n, char buf[CELL])
{
    snprintf(buf, CELL, "%.0f", t->seconds > 0 ? (double)n / t->seconds : 0);
}

static void voluntary_cell(const osp_threads *t, const osp_thread_row *r, char buf[CELL])
{
    rate(t, r->voluntary, buf);
}

static void involuntary_cell(const osp_threads *t, const osp_thread_row *r, char buf[CELL])
{
    rate(t, r->involuntary, buf);
}

/* Said only where it is not what most threads have. */
static void policy_cell(const osp_threads *t, const osp_thread_row *r, char buf[CELL])
{
    osp_str policy = osp_policy_text(r->look.policy);
    (void)t;
    buf[0] = 0;
    if (r->look.policy > 0)
        snprintf(buf, CELL, "%.*s %d", STRF(policy), r->look.priority);
    else if (r->look.nice)
        snprintf(buf, CELL, "nice %d", r->look.nice);
}

static void cpus_cell(const osp_threads *t, const osp_thread_row *r, char buf[CELL])
{
    (void)t;
    snprintf(buf, CELL, "%s", r->look.cpus);
}

enum { TID, NS_TID, NAME, CPUS = 13 };

static const column columns[] = {
    [TID] = {"TID", false, false, 0, tid_cell},
    [NS_TID] = {"NS", false, false, 4, ns_tid_cell},
    [NAME] = {"NAME", true, false, 6, name_cell},
    {"M", false, false, 8, m_cell},
    {"P", false, false, 8, p_cell},
    {"ROLE", true, false, 0, role_cell},
    {"S", true, false, 7, state_cell},
    {"CPU %", false, true, 0, cpu_cell},
    {"SYS %", false, true, 5, system_cell},
    {"QUEUE %", false, true, 7, wait_cell},
    {"VOL/s", false, true, 3, voluntary_cell},
    {"INV/s", false, true, 2, involuntary_cell},
    {"POLICY", true, false, 3, policy_cell},
    [CPUS] = {"CPUS", true, false, 1, cpus_cell},
};
enum { NCOLUMNS = sizeof columns / sizeof *columns };

typedef struct {
    size_t width[NCOLUMNS]; /* 0 = not shown */
    size_t whole;
} layout;

/* A column that says the same of each thread says nothing. */
static bool all_alike(const osp_threads *t, size_t c)
{
    char first[CELL], cell[CELL];
    columns[c].cell(t, &t->row[0], first);
    for (uint32_t i = 1; i < t->n; i++) {
        columns[c].cell(t, &t->row[i], cell);
        if (strcmp(first, cell) != 0)
            return false;
    }
    return true;
}

static void fit(const osp_threads *t, size_t room, layout *l)
{
    char cell[CELL];
    *l = (layout){0};
    for (size_t c = 0; c < NCOLUMNS && t->n; c++) {
        size_t widest = 0;
        for (uint32_t i = 0; i < t->n; i++) {
            columns[c].cell(t, &t->row[i], cell);
            size_t n = osp_str_columns(osp_str_from(cell));
            widest = n > widest ? n : widest;
        }
        if (widest == 0 || (columns[c].timed && t->seconds < SHORTEST_S) ||
            ((c == NAME || c == CPUS) && all_alike(t, c)))
            continue;
        size_t head = strlen(columns[c].head);
        l->width[c] = widest > head ? widest : head;
        l->whole += l->width[c] + GAP;
    }
    for (int keep = 1; room && keep <= 8 && l->whole + GAP + DOES_LEAST > room; keep++)
        for (size_t c = 0; c < NCOLUMNS; c++)
            if (columns[c].keep == keep && l->width[c]) {
                l->whole -= l->width[c] + GAP;
                l->width[c] = 0;
            }
}

/* ---- lines ---------------------------------------------------------------------------------------------------------- */

static void put_cell(const osp_cli *cli, osp_buf *out, osp_colour colour, osp_str text, size_t width, bool left)
{
    size_t n = osp_str_columns(text), pad = n < width ? width - n : 0;
    osp_buf_fill(out, ' ', GAP + (left ? 0 : pad));
    osp_paint(cli, out, colour, "%.*s", STRF(text));
    osp_buf_fill(out, ' ', left ? pad : 0);
}

static void end_line(osp_buf *out)
{
    while (out->n && out->p[out->n - 1] == ' ')
        out->n--;
    osp_buf_byte(out, '\n');
}

static void put_title(const osp_cli *cli, const osp_threads *t, osp_str whose, osp_buf *out)
{
    uint64_t cpu = 0;
    for (uint32_t i = 0; i < t->n; i++)
        cpu += t->row[i].cpu_ns;
    osp_paint(cli, out, OSP_BOLD, "%.*s", STRF(whose));
    if (t->is_go)
        osp_buf_fmt(out, " %.*s: %u threads, %u Ms, %u Ps", STRF(t->go_version), t->n, t->nm, t->np);
    else
        osp_buf_fmt(out, ": %u thread%s", t->n, t->n == 1 ? "" : "s");
    if (t->seconds >= SHORTEST_S)
        osp_buf_fmt(out, "; %.2f cores in %.1f s", share(t, cpu) / 100, t->seconds);
    osp_buf_add(out, S("\n\n"));
}

static void put_foot(const osp_cli *cli, const osp_threads *t, osp_buf *out)
{
    if (t->frozen) {
        const osp_freeze_report *f = &t->freeze;
        osp_paint(cli, out, f->expired ? OSP_YELLOW : OSP_DIM, "  stood still for %.1f ms%s",
                  (double)f->stop_ns / 1e6,
                  f->expired ? ", which was not enough: the last of it was read while it ran" : "");
        if (f->missed)
            osp_paint(cli, out, OSP_YELLOW, "; %u of %u threads could not be stopped in time", f->missed,
                      f->stopped + f->missed);
        osp_buf_byte(out, '\n');
    }
    for (uint32_t i = 0; i < t->nnote; i++) {
        osp_paint(cli, out, OSP_YELLOW, "  note: %.*s", STRF(t->note[i]));
        osp_buf_byte(out, '\n');
    }
    if (!t->is_go && t->why.code != OSP_OK && t->why.code != OSP_EABSENT) {
        osp_paint(cli, out, OSP_YELLOW, "  Go's side is not known: %s", t->why.msg);
        osp_buf_byte(out, '\n');
    }
    if (t->torn) {
        osp_paint(cli, out, OSP_DIM, "  %u rows of the runtime changed while they were read", t->torn);
        osp_buf_byte(out, '\n');
    }
}

static void put_stack(const osp_cli *cli, const osp_thread_row *r, size_t room, osp_buf *out)
{
    static const char *const what[] = {
        [OSP_STACK_NONE] = "the kernel does not say where it is",
        [OSP_STACK_RUNNING] = "running: `osprey record` samples it",
        [OSP_STACK_MOVED] = "ran on while its stack was read",
        [OSP_STACK_CUT] = "… no caller is known from here",
        [OSP_STACK_WHOLE] = NULL,
    };
    for (uint32_t i = 0; i < r->nframe; i++) {
        const osp_thread_frame *f = &r->frame[i];
        osp_buf line = osp_buf_of(8192);
        osp_buf_fmt(&line, "%.*s", STRF(f->function));
        if (f->file.n && f->line)
            osp_buf_fmt(&line, "  %.*s:%d", STRF(osp_str_base(f->file)), f->line);
        osp_buf_fill(out, ' ', 10);
        osp_paint_cut(cli, out, f->runtime || f->system ? OSP_DIM : OSP_PLAIN, osp_buf_str(&line),
                      room > 10 ? room - 10 : 0);
        osp_buf_byte(out, '\n');
        osp_buf_drop(&line);
    }
    if (what[r->stack]) {
        osp_buf_fill(out, ' ', 10);
        osp_paint(cli, out, OSP_DIM, "%s", what[r->stack]);
        osp_buf_byte(out, '\n');
    }
    osp_buf_byte(out, '\n');
}

void osp_threads_table(const osp_cli *cli, const osp_threads *t, osp_str whose, bool stacks, size_t room,
                       osp_buf *out)
{
    layout l;
    char cell[CELL];
    fit(t, room, &l);
    put_title(cli, t, whose, out);
    for (size_t c = 0; c < NCOLUMNS; c++)
        if (l.width[c])
            put_cell(cli, out, OSP_DIM, osp_str_from(columns[c].head), l.width[c], columns[c].left);
    put_cell(cli, out, OSP_DIM, S("DOES"), 0, true);
    end_line(out);
    for (uint32_t i = 0; i < t->n; i++) {
        const osp_thread_row *r = &t->row[i];
        for (size_t c = 0; c < NCOLUMNS; c++) {
            if (!l.width[c])
                continue;
            columns[c].cell(t, r, cell);
            put_cell(cli, out, columns[c].cell == role_cell ? OSP_BOLD : OSP_PLAIN, osp_str_from(cell), l.width[c],
                     columns[c].left);
        }
        osp_buf doing = osp_buf_of(8192);
        put_doing(r, &doing);
        osp_buf_fill(out, ' ', GAP);
        osp_paint_cut(cli, out, OSP_PLAIN, osp_buf_str(&doing), room > l.whole + GAP ? room - l.whole - GAP : 0);
        osp_buf_drop(&doing);
        end_line(out);
        if (stacks)
            put_stack(cli, r, room, out);
    }
    if (t->frozen || t->nnote || t->torn || (!t->is_go && t->why.code != OSP_EABSENT))
        osp_buf_byte(out, '\n');
    put_foot(cli, t, out);
}

void osp_threads_roles(const osp_cli *cli, const osp_threads *t, osp_str whose, size_t room, osp_buf *out)
{
    put_title(cli, t, whose, out);
    osp_paint(cli, out, OSP_DIM, "  %-10s  %7s  %7s  %7s  %s", "ROLE", "THREADS", "CPU %", "QUEUE %", "TIDS");
    osp_buf_byte(out, '\n');
    for (int role = 0; role < OSP_ROLES; role++) {
        uint64_t cpu = 0, wait = 0;
        uint32_t n = 0;
        osp_buf tids = osp_buf_of(4096);
        for (uint32_t i = 0; i < t->n; i++) {
            const osp_thread_row *r = &t->row[i];
            if (r->role != (osp_role)role)
                continue;
            cpu += r->cpu_ns;
            wait += r->wait_ns;
            if (n++ < TIDS_SHOWN)
                osp_buf_fmt(&tids, "%s%d", n > 1 ? " " : "", r->thread.tid);
        }
        if (n > TIDS_SHOWN)
            osp_buf_fmt(&tids, " … %u more", n - TIDS_SHOWN);
        if (n) {
            osp_paint(cli, out, OSP_BOLD, "  %-10.*s", STRF(osp_role_text((osp_role)role)));
            osp_buf_fmt(out, "  %7u  %7.1f  %7.1f  ", n, share(t, cpu), share(t, wait));
            osp_paint_cut(cli, out, OSP_PLAIN, osp_buf_str(&tids), room > 40 ? room - 40 : 0);
            osp_buf_byte(out, '\n');
        }
        osp_buf_drop(&tids);
    }
    put_foot(cli, t, out);
}

/* ---- JSON ----------------------------------------------------------------------------------------------------------- */

static void json_call(osp_json *j, const osp_thread_row *r)
{
    const char *name = r->look.call.state == OSP_BLOCKING_CALL ? osp_syscall_name(r->look.call.nr) : NULL;
    if (r->look.call.state == OSP_BLOCKING_CALL) {
        osp_json_object(j, "call");
        osp_json_uint(j, "number", r->look.call.nr);
        if (name)
            osp_json_str(j, "name", osp_str_from(name));
        osp_json_str(j, "text", osp_str_from(r->call));
        osp_json_array(j, "arguments");
        j->dense = true;
        for (int i = 0; i < 6; i++)
            osp_json_uint(j, NULL, r->look.call.arg[i]);
        osp_json_end(j);
        j->dense = false;
        osp_json_end(j);
    }
    if (r->look.wchan[0])
        osp_json_str(j, "wchan", osp_str_from(r->look.wchan));
}

static void json_stack(osp_json *j, const osp_thread_row *r)
{
    static const char *const state[] = {[OSP_STACK_NONE] = "unknown",
                                        [OSP_STACK_RUNNING] = "running",
                                        [OSP_STACK_MOVED] = "moved",
                                        [OSP_STACK_CUT] = "cut",
                                        [OSP_STACK_WHOLE] = "whole"};
    osp_json_str(j, "stack_state", osp_str_from(state[r->stack]));
    if (!r->nframe)
        return;
    osp_json_array(j, "stack");
    for (uint32_t i = 0; i < r->nframe; i++) {
        const osp_thread_frame *f = &r->frame[i];
        osp_json_object(j, NULL);
        j->dense = true;
        osp_json_str(j, "function", f->function);
        if (f->file.n)
            osp_json_str(j, "file", f->file);
        if (f->line)
            osp_json_int(j, "line", f->line);
        osp_json_uint(j, "address", f->pc);
        osp_json_end(j);
        j->dense = false;
    }
    osp_json_end(j);
}

static void json_go(osp_json *j, const osp_thread_row *r)
{
    if (!r->has_m)
        return;
    osp_json_int(j, "m", r->m.id);
    if (r->p >= 0)
        osp_json_int(j, "p", r->p);
    if (r->locked_goid)
        osp_json_uint(j, "locked_goroutine", r->locked_goid);
    if (!r->has_g)
        return;
    osp_json_object(j, "goroutine");
    osp_json_uint(j, "id", r->g.goid);
    osp_json_str(j, "function", r->g_function);
    osp_json_str(j, "state", r->g_state);
    osp_json_end(j);
}

static void json_row(osp_json *j, const osp_thread_row *r)
{
    char state[2] = {r->thread.state, 0};
    osp_json_object(j, NULL);
    osp_json_int(j, "tid", r->thread.tid);
    if (r->thread.ns_tid != r->thread.tid)
        osp_json_int(j, "ns_tid", r->thread.ns_tid);
    osp_json_str(j, "name", osp_str_from(r->thread.name));
    osp_json_str(j, "role", osp_role_text(r->role));
    osp_json_bool(j, "main", r->main);
    osp_json_str(j, "state", osp_str_from(state));
    if (r->signal)
        osp_json_int(j, "signal", r->signal);
    if (r->fresh)
        osp_json_bool(j, "began_meanwhile", true);
    osp_json_num(j, "cpu_s", (double)r->cpu_ns / 1e9);
    osp_json_num(j, "user_s", (double)r->user_ns / 1e9);
    osp_json_num(j, "system_s", (double)r->system_ns / 1e9);
    osp_json_num(j, "queue_s", (double)r->wait_ns / 1e9);
    osp_json_uint(j, "voluntary_switches", r->voluntary);
    osp_json_uint(j, "involuntary_switches", r->involuntary);
    if (r->look.policy >= 0)
        osp_json_str(j, "policy", osp_policy_text(r->look.policy));
    if (r->look.priority)
        osp_json_int(j, "priority", r->look.priority);
    osp_json_int(j, "nice", r->look.nice);
    if (r->look.cpus[0])
        osp_json_str(j, "cpus", osp_str_from(r->look.cpus));
    json_go(j, r);
    json_call(j, r);
    json_stack(j, r);
    osp_json_end(j);
}

void osp_threads_json(const osp_threads *t, int pid, osp_str name, osp_buf *out)
{
    osp_json j = osp_json_on(out);
    osp_json_object(&j, NULL);
    osp_json_str(&j, "schema", S("osprey.threads/1"));
    osp_json_int(&j, "pid", pid);
    osp_json_str(&j, "name", name);
    osp_json_num(&j, "interval_s", t->seconds);
    if (t->is_go) {
        osp_json_object(&j, "go");
        osp_json_str(&j, "version", t->go_version);
        osp_json_str(&j, "layout", t->layout_source);
        osp_json_uint(&j, "ms", t->nm);
        osp_json_uint(&j, "ps", t->np);
        osp_json_uint(&j, "torn", t->torn);
        osp_json_end(&j);
    } else if (t->why.code != OSP_EABSENT) {
        osp_json_str(&j, "go_not_known", osp_str_from(t->why.msg));
    }
    if (t->frozen) {
        osp_json_object(&j, "stop");
        osp_json_num(&j, "ms", (double)t->freeze.stop_ns / 1e6);
        osp_json_uint(&j, "threads", t->freeze.stopped);
        osp_json_uint(&j, "missed", t->freeze.missed);
        osp_json_bool(&j, "expired", t->freeze.expired);
        osp_json_end(&j);
    }
    osp_json_array(&j, "threads");
    for (uint32_t i = 0; i < t->n; i++)
        json_row(&j, &t->row[i]);
    osp_json_end(&j);
    osp_json_array(&j, "notes");
    for (uint32_t i = 0; i < t->nnote; i++)
        osp_json_str(&j, NULL, t->note[i]);
    osp_json_end(&j);
    osp_json_end(&j);
}
