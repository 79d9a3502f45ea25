/* SPDX-License-Identifier: Apache-2.0 */
/* What `osprey top` looks like:
 *
 *     gateway 4711 · go1.26.8 · 1.01 cores · 11 goroutines · heap 6 MB · GC 0.1 %                  head
 *     functions by self · thread 4713 · /filter                                          from 8 lines on
 *      SELF %  TOTAL %    WAIT  FUNCTION                                  FILE     ORIGIN
 *        94.0     94.0    0.00  decode_block                              block.c  C
 *     997 samples in 5.0 s · 99.8 % whole · 0 lost                                      from 12 lines on
 *     Enter callers  t threads  g goroutines  s sort  / filter  w why  ? help  q quit   from 6 lines on
 */
#include "cli/top_keys.h"

#include <stdio.h>

enum {
    VIEW_LINE = 8,
    HEADS_LINE = 4,
    STATUS_LINE = 12,
    HINT_LINE = 6,
    NUMBER = 8,
    TEXT = 512,
    LONG = 30,
    CUT_LEAST = 12
};

static const osp_style plain = {0}, dim = {0, OSP_STYLE_DIM}, bold = {0, OSP_STYLE_BOLD};

int osp_top_visible(int rows)
{
    int n = rows - 1 - (rows >= VIEW_LINE) - (rows >= HEADS_LINE) - (rows >= STATUS_LINE) - (rows >= HINT_LINE);
    return n > 1 ? n : 1;
}

/* ---- texts ----------------------------------------------------------------------------------------------------- */

/* Text that keeps its tail: "…/api.(*Server).handle", then "…erver).handle". */
static void put_tail(osp_grid *g, int x, int y, int width, osp_style style, osp_str text)
{
    if (osp_columns_of(text) > width) {
        size_t end = 0, slash = text.n;
        while (end < text.n && text.p[end] != '(' && text.p[end] != '[')
            end++;
        for (size_t i = 0; i < end; i++)
            slash = text.p[i] == '/' ? i : slash;
        bool cut = slash < text.n;
        text = cut ? osp_str_skip(text, slash) : text;
        while (text.n && osp_columns_of(text) + 1 > width) {
            size_t n = osp_str_utf8(text);
            text = osp_str_skip(text, n ? n : 1);
            cut = true;
        }
        if (cut && width > 0) {
            osp_grid_put(g, x, y, 1, style, S("…"));
            x++;
            width--;
        }
    }
    osp_grid_put(g, x, y, width, style, text);
}

static void put_right(osp_grid *g, int x, int y, int width, osp_style style, osp_str text)
{
    int n = osp_columns_of(text);
    osp_grid_put(g, x + (n < width ? width - n : 0), y, width, style, text);
}

static osp_style style_of(osp_call_kind kind)
{
    static const uint8_t hue[] = {
        [OSP_CALL_UNKNOWN] = OSP_PLAIN, [OSP_CALL_GO] = OSP_BLUE,      [OSP_CALL_STD] = OSP_CYAN,
        [OSP_CALL_RUNTIME] = OSP_CYAN,  [OSP_CALL_CGO] = OSP_YELLOW,   [OSP_CALL_C] = OSP_YELLOW,
        [OSP_CALL_LIB] = OSP_YELLOW,    [OSP_CALL_VDSO] = OSP_MAGENTA, [OSP_CALL_KERNEL] = OSP_GREEN,
    };
    return (osp_style){hue[kind], 0};
}

/* ---- head and foot ----------------------------------------------------------------------------------------------- */

/* Parts with " · " between them, as many as there is room for. */
typedef struct {
    osp_grid *g;
    int x, y, width;
    bool any;
} parts;

static void add_part(parts *p, osp_style style, osp_str text)
{
    static const osp_str gap = S(" · ");
    int room = p->width - p->x - (p->any ? 3 : 0), need = osp_columns_of(text);
    bool cut = need > LONG && room >= CUT_LEAST; /* of a sentence the head says something, of a number it does not */
    if (text.n == 0 || (p->any && need > room && !cut))
        return;
    if (p->any)
        p->x += osp_grid_put(p->g, p->x, p->y, p->width - p->x, dim, gap);
    int x = p->x;
    p->x += osp_grid_put(p->g, x, p->y, room, style, text);
    if (need > room && room > 1)
        osp_grid_put(p->g, x + room - 1, p->y, 1, style, S("…"));
    p->any = true;
}

static void add_number(parts *p, const char *fmt, ...) OSP_PRINTF(2, 3);
static void add_number(parts *p, const char *fmt, ...)
{
    char text[TEXT];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    add_part(p, plain, osp_str_from(text));
}

static void add_runtime(parts *p, const osp_go_brief *go)
{
    char text[TEXT];
    add_part(p, plain, go->version);
    if (go->goroutines >= 0)
        add_number(p, "%s goroutine%s", osp_count_text((uint64_t)go->goroutines, text, sizeof text).p,
                   go->goroutines == 1 ? "" : "s");
    if (!go->has_memory)
        return;
    add_number(p, "heap %s", osp_bytes_text(go->memory.heap_inuse_bytes, text, sizeof text).p);
    add_number(p, "GC %.1f %%", go->memory.gc_cpu_fraction * 100);
}

static void paint_head(const osp_top_state *s, const osp_top_head *head, const osp_top_list *list, osp_grid *g)
{
    char text[TEXT];
    parts p = {.g = g, .width = g->columns};
    if (s->pid == 0) {
        add_part(&p, bold, S("osprey top"));
        if (list->ps)
            add_number(&p, "%u Go process%s", list->ps->go, list->ps->go == 1 ? "" : "es");
    } else if (!head->process) {
        snprintf(text, sizeof text, "pid %d", s->pid);
        add_part(&p, bold, osp_str_from(text));
    } else {
        const osp_process_row *r = &head->process->process;
        snprintf(text, sizeof text, "%.*s %d", STRF(osp_str_head(r->name, 64)), s->pid);
        add_part(&p, bold, osp_str_from(text));
        if (s->paused)
            add_part(&p, (osp_style){OSP_YELLOW, OSP_STYLE_BOLD}, S("paused"));
        if (head->note.n)
            add_part(&p, (osp_style){OSP_YELLOW, 0}, head->note);
        if (head->process->cores >= 0)
            add_number(&p, "%.2f cores", head->process->cores);
        add_runtime(&p, &head->process->go);
        add_number(&p, "%u thread%s", r->nthreads, r->nthreads == 1 ? "" : "s");
        add_number(&p, "RSS %s", osp_bytes_text(r->rss_bytes, text, sizeof text).p);
    }
    if (s->pid == 0 && s->paused)
        add_part(&p, (osp_style){OSP_YELLOW, OSP_STYLE_BOLD}, S("paused"));
    if (s->pid == 0 || !head->process)
        add_part(&p, (osp_style){OSP_YELLOW, 0}, head->note);
}

static const char *const view_names[OSP_TOP_VIEWS] = {
    [OSP_TOP_PROCESSES] = "processes",
    [OSP_TOP_FUNCTIONS] = "functions",
    [OSP_TOP_THREADS] = "threads",
    [OSP_TOP_GROUPS] = "goroutine groups",
    [OSP_TOP_AROUND] = "callers and callees",
    [OSP_TOP_REASONS] = "reasons to wait",
};

static void paint_view(const osp_top_state *s, int y, osp_grid *g)
{
    const osp_top_level *l = &s->level[s->depth];
    parts p = {.g = g, .y = y, .width = g->columns};
    char text[TEXT];
    const char *order = osp_top_order(l->view, s->order[l->view]);
    snprintf(text, sizeof text, "%s by %s", view_names[l->view], order ? order : "");
    add_part(&p, plain, osp_str_from(text));
    for (int i = 1; i <= s->depth; i++)
        if (s->level[i].title[0] && p.x + 4 < g->columns) {
            int room = g->columns - p.x - 3;
            osp_str title = osp_str_from(s->level[i].title);
            if (osp_columns_of(title) <= room)
                add_part(&p, (osp_style){OSP_CYAN, 0}, title);
        }
    if (l->filter[0] || s->typing) {
        snprintf(text, sizeof text, "/%s%s", l->filter, s->typing ? "_" : "");
        add_part(&p, (osp_style){OSP_YELLOW, OSP_STYLE_BOLD}, osp_str_from(text));
    }
}

static void paint_status(const osp_top_state *s, const osp_top_head *head, const osp_top_list *list, int y,
                         osp_grid *g)
{
    parts p = {.g = g, .y = y, .width = g->columns};
    const osp_top_sum *sum = &head->sum;
    if (list->ps) {
        if (list->ps->hidden)
            add_number(&p, "%u others hidden (a)", list->ps->hidden);
        if (list->ps->unreadable)
            add_number(&p, "%u not readable, perhaps Go", list->ps->unreadable);
        if (list->ps->unreadable)
            add_number(&p, "%s", list->ps->why.msg);
    } else if (s->pid && sum->seconds > 0) {
        add_part(&p, plain, sum->gave_up);
        add_number(&p, "%llu samples in %.1f s", (unsigned long long)sum->samples, sum->seconds);
        if (sum->samples)
            add_number(&p, "%.4g %% whole", 100.0 * (double)sum->whole / (double)sum->samples);
        add_number(&p, "%llu lost", (unsigned long long)sum->lost);
        if (sum->unseen)
            add_number(&p, "of %u goroutines no waiting is known yet", sum->unseen);
        add_part(&p, plain, S("% of one core"));
    }
    osp_grid_style(g, 0, y, g->columns, dim);
}

/* As many as there is room for; how to open, to get help and to leave before all others. */
static void paint_hints(const osp_top_state *s, bool waits, int y, osp_grid *g)
{
    osp_top_view view = s->level[s->depth].view;
    const bool processes = view == OSP_TOP_PROCESSES, around = view == OSP_TOP_AROUND;
    const struct {
        const char *text;
        bool shown, must;
    } hint[] = {
        {view == OSP_TOP_FUNCTIONS ? "Enter callers" : "Enter open", true, true},
        {"Esc back", !processes, false},
        {"f functions", !processes && view != OSP_TOP_FUNCTIONS, false},
        {"t threads", !processes && view != OSP_TOP_THREADS, false},
        {"g groups", !processes && view != OSP_TOP_GROUPS, false},
        {"r reasons", !processes && waits && view != OSP_TOP_REASONS, false},
        {"s sort", !around || waits, false},
        {"/ filter", !around, false},
        {"a all", processes, false},
        {"w why", true, false},
        {"p pause", true, false},
        {"? help", true, true},
        {"q quit", true, true},
    };
    enum { HINTS = sizeof hint / sizeof *hint };
    if (s->typing) {
        osp_grid_put(g, 0, y, g->columns, dim, S("type a word · Enter keeps it · Esc drops it"));
        return;
    }
    int reserved = 0, x = 0;
    for (size_t i = 0; i < HINTS; i++)
        reserved += hint[i].must ? (int)strlen(hint[i].text) + 2 : 0;
    for (size_t i = 0; i < HINTS; i++) {
        int n = (int)strlen(hint[i].text);
        reserved -= hint[i].must ? n + 2 : 0;
        if (hint[i].shown && x + n + reserved <= g->columns)
            x += osp_grid_put(g, x, y, n, dim, osp_str_from(hint[i].text)) + 2;
    }
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *head;
    int width; /* 0: takes what is left */
    bool left;
    int least;                                           /* columns of the screen from which on it is shown */
    void (*text)(const osp_top_row *r, char text[TEXT]); /* a number or a short word */
    osp_str (*name)(const osp_top_row *r);               /* or a text of the row */
    bool only_with_wait, coloured;
} column;

static void self_text(const osp_top_row *r, char text[TEXT]) { snprintf(text, TEXT, "%.1f", r->self * 100); }
static void total_text(const osp_top_row *r, char text[TEXT]) { snprintf(text, TEXT, "%.1f", r->total * 100); }
static void wait_text(const osp_top_row *r, char text[TEXT])
{
    snprintf(text, TEXT, r->wait < 99.995 ? "%.2f" : "%.0f", r->wait);
}
static void queue_text(const osp_top_row *r, char text[TEXT]) { snprintf(text, TEXT, "%.1f", r->queue * 100); }
static void tid_text(const osp_top_row *r, char text[TEXT]) { snprintf(text, TEXT, "%d", r->tid); }
static void state_text(const osp_top_row *r, char text[TEXT])
{
    snprintf(text, TEXT, "%c", r->state ? r->state : '-');
}
static void goroutines_text(const osp_top_row *r, char text[TEXT])
{
    snprintf(text, TEXT, r->goroutines ? "%u" : "–", r->goroutines);
}
static void origin_text(const osp_top_row *r, char text[TEXT])
{
    snprintf(text, TEXT, "%s", osp_top_origin(r->kind));
}
static osp_str name_of(const osp_top_row *r) { return r->name; }
static osp_str file_of(const osp_top_row *r) { return r->file; }
static osp_str most_of(const osp_top_row *r) { return r->most; }
static osp_str reason_of(const osp_top_row *r) { return r->reason; }

#define SELF                                                      \
    {                                                             \
        "SELF %", NUMBER, false, 0, self_text, NULL, false, false \
    }
#define TOTAL                                                        \
    {                                                                \
        "TOTAL %", NUMBER, false, 52, total_text, NULL, false, false \
    }
#define WAIT                                                            \
    {                                                                   \
        "WAIT s/s", NUMBER + 1, false, 36, wait_text, NULL, true, false \
    }
#define CPU                                                       \
    {                                                             \
        "CPU %", NUMBER, false, 0, total_text, NULL, false, false \
    }
#define FILE_                                             \
    {                                                     \
        "FILE", 18, true, 72, NULL, file_of, false, false \
    }
#define ORIGIN                                                \
    {                                                         \
        "ORIGIN", 7, true, 56, origin_text, NULL, false, true \
    }

static const column function_columns[] = {SELF,  TOTAL,  WAIT, {"FUNCTION", 0, true, 0, NULL, name_of, false, true},
                                          FILE_, ORIGIN, {0}};
static const column thread_columns[] = {{"TID", NUMBER, false, 0, tid_text, NULL, false, false},
                                        CPU,
                                        {"QUEUE %", NUMBER, false, 40, queue_text, NULL, false, false},
                                        WAIT,
                                        {"S", 1, true, 48, state_text, NULL, false, false},
                                        {"NAME", 16, true, 32, NULL, name_of, false, false},
                                        {"MOST IN", 0, true, 0, NULL, most_of, false, true},
                                        {0}};
static const column group_columns[] = {CPU,
                                       WAIT,
                                       {"SEEN", 6, false, 40, goroutines_text, NULL, false, false},
                                       {"BEGAN IN", -1, true, 0, NULL, name_of, false, true},
                                       {"MOST IN", 0, true, 64, NULL, most_of, false, false},
                                       {"WAITS FOR", 16, true, 76, NULL, reason_of, true, false},
                                       {0}};
static const column reason_columns[] = {WAIT,
                                        {"SEEN", 6, false, 40, goroutines_text, NULL, false, false},
                                        {"REASON", -1, true, 0, NULL, name_of, false, false},
                                        {"MOST IN", 0, true, 64, NULL, most_of, false, true},
                                        {0}};
static const column around_columns[] = {{"TOTAL %", NUMBER, false, 0, total_text, NULL, false, false},
                                        WAIT,
                                        {"", 0, true, 0, NULL, name_of, false, true},
                                        FILE_,
                                        ORIGIN,
                                        {0}};

static const column *columns_of(osp_top_view view)
{
    switch (view) {
    case OSP_TOP_THREADS:
        return thread_columns;
    case OSP_TOP_GROUPS:
        return group_columns;
    case OSP_TOP_REASONS:
        return reason_columns;
    case OSP_TOP_AROUND:
        return around_columns;
    default:
        return function_columns;
    }
}

static bool is_shown(const column *c, int columns, bool has_wait)
{
    return columns >= c->least && (has_wait || !c->only_with_wait);
}

/* The width of a column: the wide ones share what the others leave. */
static int width_of(const column *all, const column *c, int columns, bool has_wait)
{
    if (c->width > 0)
        return c->width;
    int left = columns, wide = 0;
    for (const column *i = all; i->head; i++) {
        if (!is_shown(i, columns, has_wait))
            continue;
        left -= i->width > 0 ? i->width + 1 : 1;
        wide += i->width <= 0;
    }
    left = left < 1 ? 1 : left + 1; /* no gap behind the last */
    return wide == 2 ? (c->width < 0 ? left / 2 : left - left / 2) : left;
}

static void paint_row(const osp_top_row *r, const column *all, int y, bool has_wait, osp_grid *g)
{
    int x = 0;
    for (const column *c = all; c->head; c++) {
        if (!is_shown(c, g->columns, has_wait))
            continue;
        int width = width_of(all, c, g->columns, has_wait);
        osp_style style = c->coloured ? style_of(r->kind) : plain;
        if (r->role == OSP_ROW_FOCUS)
            style.look |= OSP_STYLE_BOLD;
        char text[TEXT];
        if (c->text) {
            c->text(r, text);
            if (c->left)
                osp_grid_put(g, x, y, width, style, osp_str_from(text));
            else
                put_right(g, x, y, width, style, osp_str_from(text));
        } else {
            int indent = all != around_columns || c->width > 0 ? 0 : r->role == OSP_ROW_FOCUS ? 0 : 2;
            if (indent)
                osp_grid_put(g, x, y, 1, dim, r->role == OSP_ROW_CALLER ? S("←") : S("→"));
            put_tail(g, x + indent, y, width - indent, style, c->name(r));
        }
        x += width + 1;
    }
}

static void paint_heads(const column *all, int y, bool has_wait, osp_grid *g)
{
    int x = 0;
    for (const column *c = all; c->head; c++) {
        if (!is_shown(c, g->columns, has_wait))
            continue;
        int width = width_of(all, c, g->columns, has_wait);
        osp_str head =
            all == around_columns && !c->head[0] ? S("← CALLED BY, FUNCTION, → CALLS") : osp_str_from(c->head);
        if (c->left)
            osp_grid_put(g, x, y, width, dim, head);
        else
            put_right(g, x, y, width, dim, head);
        x += width + 1;
    }
}

/* Lines of the table that `osprey ps` prints: its head, and a row each. */
static void paint_processes(const osp_top_level *l, const osp_ps *ps, int y, int lines, bool heads, osp_grid *g)
{
    osp_cli no_colour = {.columns = g->columns};
    osp_buf text = osp_buf_of(16 << 20);
    osp_ps part = *ps;
    osp_ps_table(&no_colour, &part, (size_t)g->columns, &text);
    osp_str rest = osp_buf_str(&text);
    osp_str head = ps->n ? osp_str_cut(&rest, '\n') : S("");
    if (heads)
        osp_grid_put(g, 0, y++, g->columns, dim, head);
    for (uint32_t i = 0; i < ps->n && lines > 0; i++) {
        osp_str line = osp_str_cut(&rest, '\n');
        if (i < l->top)
            continue;
        osp_grid_put(g, 0, y++, g->columns, plain, line);
        lines--;
    }
    osp_buf_drop(&text);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static void keep_visible(osp_top_level *l, const osp_top_list *list, int lines)
{
    size_t n = osp_top_length(list), at = osp_top_cursor(l, list);
    l->line = at;
    if (at < l->top)
        l->top = at;
    if (at >= l->top + (size_t)lines)
        l->top = at - (size_t)lines + 1;
    size_t last = n > (size_t)lines ? n - (size_t)lines : 0;
    l->top = l->top < last ? l->top : last;
}

static void paint_nothing(const osp_top_state *s, const osp_top_head *head, int y, osp_grid *g)
{
    const char *text = "";
    if (s->level[s->depth].filter[0])
        text = "no row has this word";
    else if (s->pid == 0)
        text = "no Go process; osprey top PID shows any other";
    else if (head->sum.seconds > 0 && head->sum.samples == 0)
        text = "it used no CPU in this time";
    else if (head->sum.seconds > 0)
        text = "nothing here";
    osp_grid_put(g, 1, y, g->columns - 1, dim, osp_str_from(text));
}

static void paint_help(osp_grid *g)
{
    osp_grid_put(g, 0, 0, g->columns, bold, S("osprey top: keys"));
    int y = 1, wide = 0, n = 0;
    for (const osp_top_key *k = osp_top_keys; k->does; k++) {
        int w = k->name ? osp_columns_of(osp_str_from(k->name)) : 0;
        wide = w > wide ? w : wide;
        n += k->name != NULL;
    }
    for (const osp_top_key *k = osp_top_keys; k->does && y < g->rows - 1; k++) {
        if (!k->name)
            continue;
        osp_grid_put(g, 1, y, wide, bold, osp_str_from(k->name));
        osp_grid_put(g, wide + 3, y++, g->columns - wide - 3, plain, osp_str_from(k->help));
    }
    static const char *const words[] = {
        "% are of one core. SELF: in the function itself; TOTAL: with what it calls.",
        "QUEUE: wants a CPU and has none. WAIT: seconds a second, of all its waiters.",
        "GC: of the CPU time available to it since it began, as its runtime says.",
    };
    for (size_t i = 0; i < sizeof words / sizeof *words && y < g->rows - 1; i++)
        osp_grid_put(g, 1, y++, g->columns - 1, dim, osp_str_from(words[i]));
    osp_grid_put(g, 0, g->rows - 1, g->columns, dim, S("any key goes back"));
}

void osp_top_paint(osp_top_state *s, const osp_top_head *head, const osp_top_list *list, osp_grid *g)
{
    osp_top_level *l = &s->level[s->depth];
    int lines = osp_top_visible(g->rows), y = 0;
    osp_grid_clear(g);
    if (s->help) {
        paint_help(g);
        return;
    }
    paint_head(s, head, list, g);
    y++;
    if (g->rows >= VIEW_LINE || (s->typing && g->rows > 1))
        paint_view(s, g->rows >= VIEW_LINE ? y++ : 0, g);
    keep_visible(l, list, lines);
    bool heads = g->rows >= HEADS_LINE, wait = head->sum.has_wait;
    if (osp_top_length(list) == 0) {
        paint_nothing(s, head, y + heads, g);
    } else if (list->ps) {
        paint_processes(l, list->ps, y, lines, heads, g);
    } else {
        const column *columns = columns_of(l->view);
        if (heads)
            paint_heads(columns, y, wait, g);
        for (int i = 0; i < lines && l->top + (size_t)i < list->n; i++)
            paint_row(&list->row[l->top + (size_t)i], columns, y + heads + i, wait, g);
    }
    if (osp_top_length(list)) {
        int at = y + heads + (int)(l->line - l->top);
        for (int x = 0; x < g->columns && at < g->rows; x++)
            g->cell[at * g->columns + x].style.look |= OSP_STYLE_REVERSE;
    }
    if (g->rows >= STATUS_LINE)
        paint_status(s, head, list, g->rows - 2, g);
    if (g->rows >= HINT_LINE)
        paint_hints(s, wait, g->rows - 1, g);
}
