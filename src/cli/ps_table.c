/* SPDX-License-Identifier: Apache-2.0 */
/* The table of `osprey ps`: a pure function of rows. Columns are as wide as what stands in them; where that is too wide for
 * the terminal heads get shorter, then names, then columns go from the right. */
#include "cli/ps_table.h"
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- texts ----------------------------------------------------------------------------------------------------- */

osp_str osp_bytes_text(uint64_t bytes, char *buf, size_t size)
{
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    double v = (double)bytes;
    size_t u = 0;
    for (; v >= 999.5 && u + 1 < sizeof unit / sizeof *unit; u++)
        v /= 1024;
    snprintf(buf, size, u > 0 && v < 9.95 ? "%.1f %s" : "%.0f %s", v, unit[u]);
    return osp_str_from(buf);
}

osp_str osp_age_text(uint64_t s, char *buf, size_t size)
{
    if (s >= 100 * 86400)
        snprintf(buf, size, "%llud", (unsigned long long)(s / 86400));
    else if (s >= 86400)
        snprintf(buf, size, "%llud%02lluh", (unsigned long long)(s / 86400), (unsigned long long)(s % 86400 / 3600));
    else if (s >= 3600)
        snprintf(buf, size, "%lluh%02llum", (unsigned long long)(s / 3600), (unsigned long long)(s % 3600 / 60));
    else if (s >= 60)
        snprintf(buf, size, "%llum%02llus", (unsigned long long)(s / 60), (unsigned long long)(s % 60));
    else
        snprintf(buf, size, "%llus", (unsigned long long)s);
    return osp_str_from(buf);
}

osp_str osp_count_text(uint64_t n, char *buf, size_t size)
{
    if (n < 10000)
        snprintf(buf, size, "%llu", (unsigned long long)n);
    else if (n < 1000000)
        snprintf(buf, size, "%llu %03llu", (unsigned long long)(n / 1000), (unsigned long long)(n % 1000));
    else
        snprintf(buf, size, "%llu %03llu %03llu", (unsigned long long)(n / 1000000),
                 (unsigned long long)(n / 1000 % 1000), (unsigned long long)(n % 1000));
    return osp_str_from(buf);
}

static uint64_t age_of(uint64_t now_ns, const osp_ps_row *r)
{
    return now_ns > r->process.start_ns ? (now_ns - r->process.start_ns) / 1000000000u : 0;
}

/* ---- columns --------------------------------------------------------------------------------------------------- */

enum { CELL = 64 };

typedef struct {
    const char *order;       /* its name for -s; NULL = none sorts by it */
    const char *head, *slim; /* slim: where there is little room */
    bool left, text;         /* set at the left; sorted as text, others by size, the largest first */
    osp_str (*cell)(const osp_ps *ps, const osp_ps_row *r, char buf[CELL]);
    double (*size)(const osp_ps_row *r);
} column;

static const char unknown[] = "–";

static osp_str pid_cell(const osp_ps *ps, const osp_ps_row *r, char buf[CELL])
{
    (void)ps;
    snprintf(buf, CELL, "%d", r->process.pid);
    return osp_str_from(buf);
}

static osp_str name_cell(const osp_ps *ps, const osp_ps_row *r, char buf[CELL])
{
    (void)ps;
    (void)buf;
    return r->process.name;
}

static osp_str go_cell(const osp_ps *ps, const osp_ps_row *r, char buf[CELL])
{
    (void)ps;
    (void)buf;
    osp_str v = r->go.version;
    if (!r->go.is_go)
        return osp_str_from(unknown);
    return v.n == 0 ? S("yes") : osp_str_starts(v, S("go")) ? osp_str_skip(v, 2) : v;
}

static osp_str cpu_cell(const osp_ps *ps, const osp_ps_row *r, char buf[CELL])
{
    (void)ps;
    if (r->cores < 0)
        return osp_str_from(unknown);
    snprintf(buf, CELL, "%.1f", r->cores * 100);
    return osp_str_from(buf);
}

static osp_str threads_cell(const osp_ps *ps, const osp_ps_row *r, char buf[CELL])
{
    (void)ps;
    return osp_count_text(r->process.nthreads, buf, CELL);
}

static osp_str goroutines_cell(const osp_ps *ps, const osp_ps_row *r, char buf[CELL])
{
    (void)ps;
    return r->go.goroutines < 0 ? osp_str_from(unknown) : osp_count_text((uint64_t)r->go.goroutines, buf, CELL);
}

static osp_str rss_cell(const osp_ps *ps, const osp_ps_row *r, char buf[CELL])
{
    (void)ps;
    return osp_bytes_text(r->process.rss_bytes, buf, CELL);
}

static osp_str heap_cell(const osp_ps *ps, const osp_ps_row *r, char buf[CELL])
{
    (void)ps;
    return r->go.has_memory ? osp_bytes_text(r->go.memory.heap_inuse_bytes, buf, CELL) : osp_str_from(unknown);
}

static osp_str gc_cell(const osp_ps *ps, const osp_ps_row *r, char buf[CELL])
{
    (void)ps;
    if (!r->go.has_memory)
        return osp_str_from(unknown);
    snprintf(buf, CELL, "%.1f %%", r->go.memory.gc_cpu_fraction * 100);
    return osp_str_from(buf);
}

static osp_str uptime_cell(const osp_ps *ps, const osp_ps_row *r, char buf[CELL])
{
    return osp_age_text(age_of(ps->now_ns, r), buf, CELL);
}

static osp_str container_cell(const osp_ps *ps, const osp_ps_row *r, char buf[CELL])
{
    (void)ps;
    (void)buf;
    return r->container;
}

static double pid_size(const osp_ps_row *r) { return -r->process.pid; }
static double cpu_size(const osp_ps_row *r) { return r->cores; }
static double threads_size(const osp_ps_row *r) { return r->process.nthreads; }
static double goroutines_size(const osp_ps_row *r) { return (double)r->go.goroutines; }
static double rss_size(const osp_ps_row *r) { return (double)r->process.rss_bytes; }
static double heap_size(const osp_ps_row *r) { return r->go.has_memory ? (double)r->go.memory.heap_inuse_bytes : -1; }
static double gc_size(const osp_ps_row *r) { return r->go.has_memory ? r->go.memory.gc_cpu_fraction : -1; }
static double uptime_size(const osp_ps_row *r) { return -(double)r->process.start_ns; }

enum { NAME = 1 };

static const column columns[] = {
    {"pid", "PID", "PID", false, false, pid_cell, pid_size},
    [NAME] = {"name", "NAME", "NAME", true, true, name_cell, NULL},
    {"go", "GO", "GO", true, true, go_cell, NULL},
    {"cpu", "CPU %", "CPU %", false, false, cpu_cell, cpu_size},
    {"threads", "THREADS", "THR", false, false, threads_cell, threads_size},
    {"goroutines", "GOROUTINES", "GOR", false, false, goroutines_cell, goroutines_size},
    {"rss", "RSS", "RSS", false, false, rss_cell, rss_size},
    {"heap", "HEAP", "HEAP", false, false, heap_cell, heap_size},
    {"gc", "GC CPU", "GC", false, false, gc_cell, gc_size},
    {"uptime", "UPTIME", "UP", false, false, uptime_cell, uptime_size},
    {"container", "CONTAINER", "CONTAINER", true, true, container_cell, NULL},
};
enum { NCOLUMNS = sizeof columns / sizeof *columns };

/* ---- order ----------------------------------------------------------------------------------------------------- */

typedef struct {
    const osp_ps *ps;
    const column *by;
} order;

static int compare(const void *a, const void *b, void *ctx)
{
    const order *o = ctx;
    const osp_ps_row *x = a, *y = b;
    char left[CELL], right[CELL];
    int c = 0;
    if (o->by->text)
        c = osp_str_cmp(o->by->cell(o->ps, x, left), o->by->cell(o->ps, y, right));
    else
        c = (o->by->size(x) < o->by->size(y)) - (o->by->size(x) > o->by->size(y));
    return c ? c : (x->process.pid > y->process.pid) - (x->process.pid < y->process.pid);
}

bool osp_ps_sort(osp_ps *ps, osp_str by)
{
    for (size_t i = 0; i < NCOLUMNS; i++)
        if (osp_str_eq(by, osp_str_from(columns[i].order))) {
            if (ps->n)
                qsort_r(ps->row, ps->n, sizeof *ps->row, compare, &(order){ps, &columns[i]});
            return true;
        }
    return false;
}

void osp_ps_orders(osp_buf *out)
{
    for (size_t i = 0; i < NCOLUMNS; i++)
        osp_buf_fmt(out, "%s%s", i ? ", " : "", columns[i].order);
}

/* ---- table ----------------------------------------------------------------------------------------------------- */

typedef struct {
    size_t width[NCOLUMNS]; /* 0 = not shown */
    bool slim;
} layout;

enum { GAP = 2, NAME_LEAST = 8 };

static size_t whole_width(const layout *l)
{
    size_t n = 0;
    for (size_t i = 0; i < NCOLUMNS; i++)
        n += l->width[i] ? l->width[i] + GAP : 0;
    return n;
}

static void measure(const osp_ps *ps, bool slim, layout *out)
{
    char buf[CELL];
    out->slim = slim;
    for (size_t i = 0; i < NCOLUMNS; i++) {
        size_t widest = 0;
        for (uint32_t r = 0; r < ps->n; r++) {
            size_t n = osp_str_columns(columns[i].cell(ps, &ps->row[r], buf));
            widest = n > widest ? n : widest;
        }
        size_t head = strlen(slim ? columns[i].slim : columns[i].head);
        out->width[i] = widest == 0 ? 0 : widest > head ? widest : head;
    }
}

static void fit(const osp_ps *ps, size_t room, layout *l)
{
    measure(ps, false, l);
    if (room == 0 || whole_width(l) <= room)
        return;
    measure(ps, true, l);
    size_t want = whole_width(l), name = l->width[NAME];
    if (want > room && name > NAME_LEAST)
        l->width[NAME] = want - room < name - NAME_LEAST ? name - (want - room) : NAME_LEAST;
    for (size_t i = NCOLUMNS; i-- > NAME + 1 && whole_width(l) > room;)
        l->width[i] = 0;
}

/* Put text into a field, cut with "…" if it is too wide. */
static void put_field(const osp_cli *cli, osp_buf *out, osp_colour colour, osp_str text, size_t width, bool left)
{
    size_t n = osp_str_columns(text);
    if (n > width) {
        osp_paint_cut(cli, out, colour, text, width);
        return;
    }
    if (!left)
        osp_buf_fill(out, ' ', width - n);
    osp_paint(cli, out, colour, "%.*s", STRF(text));
    if (left)
        osp_buf_fill(out, ' ', width - n);
}

static void trim_line(osp_buf *out)
{
    while (out->n && out->p[out->n - 1] == ' ')
        out->n--;
    osp_buf_byte(out, '\n');
}

static void put_head(const osp_cli *cli, const layout *l, osp_buf *out)
{
    for (size_t i = 0; i < NCOLUMNS; i++) {
        if (!l->width[i])
            continue;
        osp_buf_fill(out, ' ', GAP);
        put_field(cli, out, OSP_DIM, osp_str_from(l->slim ? columns[i].slim : columns[i].head), l->width[i],
                  columns[i].left);
    }
    trim_line(out);
}

/* In the words that there is room for. */
static void put_growth(const osp_cli *cli, const osp_ps *ps, const osp_ps_row *r, size_t room, osp_buf *out)
{
    char text[CELL];
    snprintf(text, sizeof text, "  ▲ goroutines +%lld in %.0f s", (long long)r->more_goroutines, ps->seconds);
    if (room < osp_str_columns(osp_str_from(text)))
        snprintf(text, sizeof text, "  ▲ +%lld", (long long)r->more_goroutines);
    if (room >= osp_str_columns(osp_str_from(text)))
        osp_paint(cli, out, OSP_YELLOW, "%s", text);
}

static void put_row(const osp_cli *cli, const osp_ps *ps, const osp_ps_row *r, const layout *l, size_t room,
                    osp_buf *out)
{
    char buf[CELL];
    for (size_t i = 0; i < NCOLUMNS; i++) {
        if (!l->width[i])
            continue;
        osp_buf_fill(out, ' ', GAP);
        put_field(cli, out, i == NAME ? OSP_BOLD : OSP_PLAIN, columns[i].cell(ps, r, buf), l->width[i],
                  columns[i].left);
    }
    if (r->more_goroutines > 0)
        put_growth(cli, ps, r, room == 0 ? SIZE_MAX : room > whole_width(l) ? room - whole_width(l) : 0, out);
    trim_line(out);
}

static void put_foot(const osp_cli *cli, const osp_ps *ps, osp_buf *out)
{
    osp_buf line = osp_buf_of(4096);
    if (ps->go)
        osp_buf_fmt(&line, "%u Go process%s", ps->go, ps->go == 1 ? "" : "es");
    else
        osp_buf_add(&line, S("no Go process"));
    if (ps->hidden)
        osp_buf_fmt(&line, " · %u other%s hidden (-a)", ps->hidden, ps->hidden == 1 ? "" : "s");
    if (ps->seconds >= OSP_PS_SHORTEST_S)
        osp_buf_fmt(&line, " · CPU of one core over %.1f s", ps->seconds);
    osp_buf_fill(out, ' ', GAP);
    osp_paint(cli, out, OSP_DIM, "%.*s", STRF(osp_buf_str(&line)));
    osp_buf_byte(out, '\n');
    osp_buf_drop(&line);
    const struct {
        uint32_t n;
        const char *what;
        const osp_err *why;
    } loss[] = {
        {ps->unreadable, "not readable, perhaps Go", &ps->why},
        {ps->opaque, "Go, its goroutines not known", &ps->why_opaque},
    };
    for (size_t i = 0; i < sizeof loss / sizeof *loss; i++) {
        if (!loss[i].n)
            continue;
        osp_buf_fill(out, ' ', GAP);
        osp_paint(cli, out, OSP_DIM, "%u %s: %s", loss[i].n, loss[i].what, loss[i].why->msg);
        osp_buf_byte(out, '\n');
    }
}

void osp_ps_table(const osp_cli *cli, const osp_ps *ps, size_t room, osp_buf *out)
{
    layout l;
    fit(ps, room, &l);
    if (ps->n)
        put_head(cli, &l, out);
    for (uint32_t i = 0; i < ps->n; i++)
        put_row(cli, ps, &ps->row[i], &l, room, out);
    put_foot(cli, ps, out);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------ */

void osp_ps_json_row(osp_json *j, const char *key, uint64_t now_ns, const osp_ps_row *r)
{
    osp_json_object(j, key);
    osp_json_int(j, "pid", r->process.pid);
    osp_json_int(j, "parent", r->process.parent);
    osp_json_str(j, "name", r->process.name);
    if (r->process.exe.n)
        osp_json_str(j, "exe", r->process.exe);
    if (r->cores >= 0)
        osp_json_num(j, "cpu_cores", r->cores);
    osp_json_uint(j, "threads", r->process.nthreads);
    osp_json_uint(j, "rss_bytes", r->process.rss_bytes);
    osp_json_uint(j, "uptime_s", age_of(now_ns, r));
    if (r->container.n)
        osp_json_str(j, "container", r->container);
    if (r->go.is_go) {
        osp_json_object(j, "go");
        if (r->go.version.n)
            osp_json_str(j, "version", r->go.version);
        if (r->go.goroutines >= 0)
            osp_json_int(j, "goroutines", r->go.goroutines);
        if (r->more_goroutines)
            osp_json_int(j, "goroutines_more", r->more_goroutines);
        if (r->go.has_memory) {
            osp_json_uint(j, "heap_inuse_bytes", r->go.memory.heap_inuse_bytes);
            osp_json_uint(j, "stack_inuse_bytes", r->go.memory.stack_inuse_bytes);
            osp_json_uint(j, "gc_count", r->go.memory.num_gc);
            osp_json_num(j, "gc_cpu_fraction", r->go.memory.gc_cpu_fraction);
        }
        osp_json_end(j);
    }
    if (r->go.why.code != OSP_OK)
        osp_json_str(j, "not_known", osp_str_from(r->go.why.msg));
    osp_json_end(j);
}

void osp_ps_json(const osp_ps *ps, osp_buf *out)
{
    osp_json j = osp_json_on(out);
    osp_json_object(&j, NULL);
    osp_json_str(&j, "schema", S("osprey.ps/1"));
    osp_json_num(&j, "interval_s", ps->seconds);
    osp_json_uint(&j, "go_processes", ps->go);
    osp_json_uint(&j, "hidden", ps->hidden);
    osp_json_uint(&j, "unreadable", ps->unreadable);
    if (ps->unreadable)
        osp_json_str(&j, "unreadable_why", osp_str_from(ps->why.msg));
    osp_json_array(&j, "processes");
    for (uint32_t i = 0; i < ps->n; i++)
        osp_ps_json_row(&j, NULL, ps->now_ns, &ps->row[i]);
    osp_json_end(&j);
    osp_json_end(&j);
}
