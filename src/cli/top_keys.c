/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of `osprey top`: a table of what each does to the state. The help is that table. */
#include "cli/top_keys.h"

#include "cli/keys.h"

#include <stdio.h>

typedef osp_top_pressed press;

static osp_top_level *here(osp_top_state *s) { return &s->level[s->depth]; }

uint32_t osp_top_length(const osp_top_list *l) { return l->ps ? l->ps->n : l->n; }

uint64_t osp_top_id(const osp_top_list *l, uint32_t i)
{
    return l->ps ? (uint64_t)l->ps->row[i].process.pid : l->row[i].id;
}

uint32_t osp_top_cursor(const osp_top_level *level, const osp_top_list *l)
{
    uint32_t n = osp_top_length(l);
    for (uint32_t i = 0; level->cursor && i < n; i++)
        if (osp_top_id(l, i) == level->cursor)
            return i;
    if (!level->cursor || n == 0)
        return 0;
    return level->line < n ? (uint32_t)level->line : n - 1; /* its row is gone: the one in its place */
}

/* ---- moving ---------------------------------------------------------------------------------------------------- */

static void move(press *p, long by)
{
    long n = osp_top_length(p->list), at = (long)osp_top_cursor(here(p->s), p->list) + by;
    if (n == 0)
        return;
    at = at < 0 ? 0 : at >= n ? n - 1 : at;
    here(p->s)->cursor = at == 0 ? 0 : osp_top_id(p->list, (uint32_t)at);
    here(p->s)->line = (size_t)at;
}

static void up(press *p) { move(p, -1); }
static void down(press *p) { move(p, 1); }
static void page_up(press *p) { move(p, -p->visible); }
static void page_down(press *p) { move(p, p->visible); }
static void home(press *p) { move(p, -(long)osp_top_length(p->list)); }
static void end(press *p) { move(p, osp_top_length(p->list)); }

/* ---- in and out ------------------------------------------------------------------------------------------------ */

void osp_top_begin(osp_top_state *s, int pid)
{
    *s = (osp_top_state){.pid = pid, .level = {{.view = OSP_TOP_PROCESSES}}};
    if (pid) {
        s->depth = 1;
        s->level[1] = (osp_top_level){.view = OSP_TOP_FUNCTIONS};
    }
}

static void step_in(osp_top_state *s, osp_top_level to, osp_str title)
{
    if (s->depth + 1 == OSP_TOP_DEEPEST) { /* forget the oldest steps within the process */
        memmove(&s->level[2], &s->level[3], (OSP_TOP_DEEPEST - 3) * sizeof *s->level);
        s->depth--;
    }
    osp_str_z(title, to.title, sizeof to.title);
    s->level[++s->depth] = to;
}

static void enter_process(press *p, uint32_t at)
{
    p->s->pid = p->list->ps->row[at].process.pid;
    p->s->wish = OSP_WISH_OPEN;
    step_in(p->s, (osp_top_level){.view = OSP_TOP_FUNCTIONS}, S(""));
}

static void enter(press *p)
{
    if (osp_top_length(p->list) == 0)
        return;
    uint32_t at = osp_top_cursor(here(p->s), p->list);
    if (p->list->ps) {
        enter_process(p, at);
        return;
    }
    const osp_top_row *r = &p->list->row[at];
    osp_top_level to = *here(p->s);
    to.cursor = to.line = to.top = 0;
    to.filter[0] = 0;
    char number[OSP_TOP_WORD];
    switch (here(p->s)->view) {
    case OSP_TOP_THREADS:
        to.view = OSP_TOP_FUNCTIONS;
        to.tid = r->tid;
        snprintf(number, sizeof number, "thread %d %.*s", r->tid, STRF(osp_str_head(r->name, 32)));
        step_in(p->s, to, osp_str_from(number));
        break;
    case OSP_TOP_GROUPS:
        to.view = OSP_TOP_FUNCTIONS;
        to.group = r->id;
        step_in(p->s, to, r->name);
        break;
    case OSP_TOP_REASONS:
        to.view = OSP_TOP_FUNCTIONS;
        to.reason = r->id;
        step_in(p->s, to, r->name);
        break;
    default:
        if (r->role == OSP_ROW_FOCUS)
            return;
        to.view = OSP_TOP_AROUND;
        to.focus = r->id;
        step_in(p->s, to, r->name);
    }
}

static void back(press *p)
{
    osp_top_state *s = p->s;
    if (here(s)->filter[0]) {
        here(s)->filter[0] = 0;
        return;
    }
    if (s->depth == 0)
        return;
    s->depth--;
    if (here(s)->view == OSP_TOP_PROCESSES) {
        s->pid = 0;
        s->wish = OSP_WISH_CLOSE;
    }
}

/* ---- views and the rest ------------------------------------------------------------------------------------------ */

static void show(press *p, osp_top_view view)
{
    if (p->s->pid == 0)
        return;
    osp_top_level *l = here(p->s);
    if (l->view == OSP_TOP_AROUND && p->s->depth > 1) { /* the view it was entered from takes its place */
        p->s->depth--;
        l = here(p->s);
    }
    if (l->view != view)
        l->cursor = l->line = l->top = 0;
    l->view = view;
}

static void functions(press *p) { show(p, OSP_TOP_FUNCTIONS); }
static void threads(press *p) { show(p, OSP_TOP_THREADS); }
static void groups(press *p) { show(p, OSP_TOP_GROUPS); }

static void reasons(press *p) { show(p, OSP_TOP_REASONS); }

static void next_order(press *p)
{
    osp_top_view view = here(p->s)->view;
    size_t *order = &p->s->order[view];
    *order = osp_top_order(view, *order + 1) ? *order + 1 : 0;
    here(p->s)->cursor = 0;
}

static void filter(press *p) { p->s->typing = true; }
static void all(press *p)
{
    p->s->all = !p->s->all;
    p->s->wish = OSP_WISH_LOOK;
}

static void hold(press *p) { p->s->paused = !p->s->paused; }
static void help(press *p) { p->s->help = true; }
static void quit(press *p) { p->s->wish = OSP_WISH_QUIT; }

static void why(press *p)
{
    if (p->s->pid == 0 && p->list->ps && p->list->ps->n)
        p->s->pid = p->list->ps->row[osp_top_cursor(here(p->s), p->list)].process.pid;
    if (p->s->pid)
        p->s->wish = OSP_WISH_WHY;
}

const osp_top_key osp_top_keys[] = {
    {OSP_KEY_UP, "Up, k", "the row above", up},
    {'k', NULL, NULL, up},
    {OSP_KEY_DOWN, "Down, j", "the row below", down},
    {'j', NULL, NULL, down},
    {OSP_KEY_PAGE_UP, "PgUp, PgDn", "a screen up, down", page_up},
    {OSP_KEY_PAGE_DOWN, NULL, NULL, page_down},
    {OSP_CTRL('b'), NULL, NULL, page_up},
    {OSP_CTRL('f'), NULL, NULL, page_down},
    {' ', NULL, NULL, page_down},
    {OSP_KEY_HOME, "Home, End", "the first row, the last", home},
    {OSP_KEY_END, NULL, NULL, end},
    {'G', NULL, NULL, end},
    {OSP_KEY_ENTER, "Enter", "open it; of a function: who calls it, what it calls", enter},
    {OSP_KEY_RIGHT, NULL, NULL, enter},
    {'l', NULL, NULL, enter},
    {OSP_KEY_ESC, "Esc", "back; first from the filter", back},
    {OSP_KEY_BACKSPACE, NULL, NULL, back},
    {OSP_KEY_LEFT, NULL, NULL, back},
    {'h', NULL, NULL, back},
    {'f', "f", "functions", functions},
    {'t', "t", "threads", threads},
    {'g', "g", "groups: goroutines by the function they began in", groups},
    {'r', "r", "reasons: what is waited for", reasons},
    {'s', "s", "sort by the next column", next_order},
    {'/', "/", "only rows with this word in them", filter},
    {'a', "a", "all processes, or only those with Go", all},
    {'p', "p", "pause, go on", hold},
    {'w', "w", "why: one page about this process", why},
    {'?', "?", "this help", help},
    {'q', "q", "quit", quit},
    {OSP_CTRL('c'), NULL, NULL, quit},
    {0},
};

/* While a filter is typed. */
static void type(osp_top_state *s, uint32_t key)
{
    char *word = here(s)->filter;
    size_t n = strlen(word);
    if (key == OSP_KEY_ENTER || key == OSP_KEY_ESC) {
        s->typing = false;
        if (key == OSP_KEY_ESC)
            word[0] = 0;
    } else if (key == OSP_KEY_BACKSPACE) {
        while (n && ((uint8_t)word[--n] & 0xc0) == 0x80) {
        }
        word[n] = 0;
    } else if (key == OSP_CTRL('u')) {
        word[0] = 0;
    } else if (key >= ' ' && key < OSP_KEY_UP && key != OSP_KEY_BACKSPACE && n + 4 < OSP_TOP_WORD) {
        word[n + osp_utf8_put(word + n, key)] = 0;
    } else if (key == OSP_CTRL('c')) {
        s->wish = OSP_WISH_QUIT;
    }
    here(s)->cursor = 0;
}

void osp_top_press(osp_top_state *s, const osp_top_list *list, int visible, uint32_t key)
{
    s->wish = OSP_WISH_NONE;
    if (s->typing) {
        type(s, key);
        return;
    }
    if (s->help) {
        s->help = false;
        if (key != OSP_CTRL('c'))
            return;
    }
    press p = {s, list, visible > 1 ? visible : 1};
    for (const osp_top_key *k = osp_top_keys; k->does; k++)
        if (k->key == key) {
            k->does(&p);
            return;
        }
}
