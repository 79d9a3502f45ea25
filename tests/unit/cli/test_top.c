/* SPDX-License-Identifier: Apache-2.0 */
/* `osprey top` over made-up slices: rows, screens of three sizes, and what keys do. */
#include "cli/top_keys.h"

#include "cli/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>

/* ---- made-up slices ---------------------------------------------------------------------------------------------- */

static const osp_call decode = {.func = S("decode_block"), .file = S("block.c"), .kind = OSP_CALL_C},
                      cgo = {.func = S("runtime.cgocall"), .file = S("cgocall.go"), .kind = OSP_CALL_RUNTIME},
                      transcode = {.func = S("github.com/acme/gateway/api.(*Session).Transcode"),
                                   .file = S("session.go"),
                                   .kind = OSP_CALL_GO},
                      serve = {.func = S("main.(*Server).Serve"), .file = S("server.go"), .kind = OSP_CALL_GO},
                      walk = {.func = S("main.walk"), .file = S("tree.go"), .kind = OSP_CALL_GO},
                      json = {.func = S("encoding/json.Marshal"), .file = S("encode.go"), .kind = OSP_CALL_STD},
                      futex = {.func = S("futex_wait"), .file = S(""), .kind = OSP_CALL_KERNEL},
                      lock = {.func = S("sync.(*Mutex).Lock"), .file = S("mutex.go"), .kind = OSP_CALL_STD},
                      start_g = {.func = S("runtime.goexit"), .file = S("asm_amd64.s"), .kind = OSP_CALL_RUNTIME},
                      start_m = {.func = S("runtime.main"), .file = S("proc.go"), .kind = OSP_CALL_RUNTIME},
                      main_main = {.func = S("main.main"), .file = S("main.go"), .kind = OSP_CALL_GO},
                      gc = {.func = S("runtime.gcDrain"), .file = S("mgcmark.go"), .kind = OSP_CALL_RUNTIME},
                      gc_worker = {
                          .func = S("runtime.gcBgMarkWorker"), .file = S("mgc.go"), .kind = OSP_CALL_RUNTIME};

enum { STACKS = 6 };

/* Two seconds: 1.88 s in C under goroutines 18 and 19, 20 ms in a recursion under main, 100 ms of GC; a lock waited for. */
static osp_top_slice made_up(void)
{
    static osp_call call[STACKS][8];
    static osp_top_stack stack[STACKS];
    memcpy(call[0], (osp_call[]){decode, cgo, transcode, serve, start_g}, 5 * sizeof(osp_call));
    memcpy(call[1], (osp_call[]){json, walk, walk, walk, main_main, start_m, start_g}, 7 * sizeof(osp_call));
    memcpy(call[2], (osp_call[]){gc, gc_worker, start_g}, 3 * sizeof(osp_call));
    memcpy(call[3], (osp_call[]){futex, lock, walk, main_main, start_m, start_g}, 6 * sizeof(osp_call));
    const osp_top_stack rows[STACKS] = {
        {call[0], 5, 4713, 18, 1.5e9, 0, S("")},
        {call[0], 5, 4714, 19, 0.38e9, 0, S("")},
        {call[1], 7, 4711, 1, 20e6, 0, S("")},
        {call[2], 3, 4712, 7, 100e6, 0, S("")},
        {call[3], 6, 4711, 1, 0, 500e6, S("sync.Mutex.Lock")},
        {NULL, 0, 4711, 0, 0, 0, S("")},
    };
    memcpy(stack, rows, sizeof rows);
    return (osp_top_slice){.seconds = 2,
                           .stack = stack,
                           .nstack = STACKS,
                           .has_wait = true,
                           .samples = 398,
                           .whole = 398,
                           .hz = 199,
                           .gave_up = S("")};
}

typedef struct {
    osp_top_model *model;
    osp_arena arena;
    osp_top_row *row;
    uint32_t n;
} asked;

static asked begin(void)
{
    osp_err err = {0};
    asked a = {.model = osp_top_model_new(5, &err)};
    osp_top_slice s = made_up();
    assert_non_null(a.model);
    assert_true(osp_top_model_add(a.model, &s, &err));
    osp_arena_init(&a.arena, 1 << 24);
    return a;
}

static void end(asked *a)
{
    osp_top_model_drop(a->model);
    osp_arena_drop(&a->arena);
}

static void ask(asked *a, osp_top_question q)
{
    osp_err err = {0};
    q.filter = q.filter.p ? q.filter : S("");
    assert_true(osp_top_rows(a->model, &q, &a->arena, &a->row, &a->n, &err));
}

static const osp_top_row *named(const asked *a, const char *name, osp_row_role role)
{
    for (uint32_t i = 0; i < a->n; i++)
        if (osp_str_eq(a->row[i].name, osp_str_from(name)) && a->row[i].role == role)
            return &a->row[i];
    fail_msg("no row %s", name);
    return NULL;
}

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-9)

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static void functions_have_their_own_time_and_that_of_what_they_call(void **state)
{
    (void)state;
    asked a = begin();
    ask(&a, (osp_top_question){.view = OSP_TOP_FUNCTIONS});
    assert_int_equal(a.n, 13);                                 /* the reason is none of them */
    assert_true(osp_str_eq(a.row[0].name, S("decode_block"))); /* the busiest is first */
    NEAR(a.row[0].self, 0.94);
    NEAR(a.row[0].total, 0.94);
    const osp_top_row *w = named(&a, "main.walk", OSP_ROW_PLAIN); /* three times on one stack */
    NEAR(w->self, 0);
    NEAR(w->total, 0.01);
    NEAR(w->wait, 0.25);
    NEAR(named(&a, "runtime.goexit", OSP_ROW_PLAIN)->total, 1.0);
    NEAR(osp_top_model_sum(a.model).cores, 1.0);
    ask(&a, (osp_top_question){.view = OSP_TOP_FUNCTIONS, .order = 2});
    assert_string_equal(osp_top_order(OSP_TOP_FUNCTIONS, 2), "wait");
    NEAR(a.row[0].wait, 0.25);
    ask(&a, (osp_top_question){.view = OSP_TOP_FUNCTIONS, .filter = S("SESSION")});
    assert_int_equal(a.n, 1);
    ask(&a, (osp_top_question){.view = OSP_TOP_FUNCTIONS, .tid = 4712});
    assert_int_equal(a.n, 3);
    end(&a);
}

static void goroutines_are_grouped_by_where_they_began(void **state)
{
    (void)state;
    asked a = begin();
    ask(&a, (osp_top_question){.view = OSP_TOP_GROUPS});
    assert_int_equal(a.n, 3);
    assert_true(osp_str_eq(a.row[0].name, S("main.(*Server).Serve")));
    assert_int_equal(a.row[0].goroutines, 2);
    NEAR(a.row[0].total, 0.94);
    assert_true(osp_str_eq(a.row[0].most, S("decode_block")));
    const osp_top_row *m = named(&a, "main.main", OSP_ROW_PLAIN);
    NEAR(m->wait, 0.25);
    assert_true(osp_str_eq(m->most, S("main.walk"))); /* not the library's lock that it waits in */
    named(&a, "runtime.gcBgMarkWorker", OSP_ROW_PLAIN);
    uint64_t group = a.row[0].id;
    ask(&a, (osp_top_question){.view = OSP_TOP_FUNCTIONS, .group = group});
    assert_int_equal(a.n, 5);
    end(&a);
}

static void reasons_to_wait_are_rows_too(void **state)
{
    (void)state;
    asked a = begin();
    ask(&a, (osp_top_question){.view = OSP_TOP_REASONS});
    assert_int_equal(a.n, 1);
    assert_true(osp_str_eq(a.row[0].name, S("sync.Mutex.Lock")));
    assert_true(osp_str_eq(a.row[0].most, S("main.walk")));
    assert_int_equal(a.row[0].goroutines, 1);
    NEAR(a.row[0].wait, 0.25);
    uint64_t reason = a.row[0].id;
    ask(&a, (osp_top_question){.view = OSP_TOP_FUNCTIONS, .reason = reason});
    assert_int_equal(a.n, 6);
    ask(&a, (osp_top_question){.view = OSP_TOP_GROUPS, .filter = S("mutex")});
    assert_int_equal(a.n, 1);
    assert_true(osp_str_eq(a.row[0].reason, S("sync.Mutex.Lock")));
    end(&a);
}

static void threads_are_those_of_proc_with_what_samples_say(void **state)
{
    (void)state;
    const osp_top_thread thread[] = {
        {4711, "gateway", 'S', 0.01, 0}, {4713, "gateway", 'R', 0.75, 0.2}, {4999, "idle", 'S', 0, 0}};
    asked a = begin();
    ask(&a, (osp_top_question){.view = OSP_TOP_THREADS, .thread = thread, .nthread = 3});
    assert_int_equal(a.n, 3);
    assert_int_equal(a.row[0].tid, 4713);
    assert_true(osp_str_eq(a.row[0].most, S("decode_block")));
    NEAR(a.row[0].total, 0.75); /* by /proc */
    NEAR(a.row[0].queue, 0.2);
    assert_int_equal(a.row[2].most.n, 0);
    ask(&a, (osp_top_question){.view = OSP_TOP_THREADS}); /* it has ended: the samples are left */
    assert_int_equal(a.n, 4);
    end(&a);
}

static void callers_and_callees_stand_around_a_function(void **state)
{
    (void)state;
    asked a = begin();
    ask(&a, (osp_top_question){.view = OSP_TOP_FUNCTIONS});
    uint64_t focus = named(&a, "main.walk", OSP_ROW_PLAIN)->id;
    ask(&a, (osp_top_question){.view = OSP_TOP_AROUND, .focus = focus});
    assert_int_equal(a.n, 6);
    NEAR(named(&a, "main.main", OSP_ROW_CALLER)->wait, 0.25);
    NEAR(named(&a, "main.walk", OSP_ROW_CALLER)->total, 0.01); /* itself */
    NEAR(named(&a, "main.walk", OSP_ROW_FOCUS)->total, 0.01);
    NEAR(named(&a, "encoding/json.Marshal", OSP_ROW_CALLEE)->total, 0.01);
    NEAR(named(&a, "sync.(*Mutex).Lock", OSP_ROW_CALLEE)->wait, 0.25);
    assert_int_equal(a.row[0].role, OSP_ROW_CALLER);
    assert_int_equal(a.row[a.n - 1].role, OSP_ROW_CALLEE);
    ask(&a, (osp_top_question){.view = OSP_TOP_AROUND, .focus = 999});
    assert_int_equal(a.n, 0);
    end(&a);
}

static void only_the_last_seconds_count(void **state)
{
    (void)state;
    asked a = begin();
    osp_err err = {0};
    for (int i = 0; i < 300; i++) {
        osp_top_slice s = made_up();
        s.seconds = 1;
        s.nstack = i < 295 ? STACKS : 0;
        assert_true(osp_top_model_add(a.model, &s, &err));
    }
    osp_top_sum sum = osp_top_model_sum(a.model);
    NEAR(sum.seconds, 5);
    NEAR(sum.cores, 0);
    osp_top_slice longer = made_up();
    longer.seconds = 60;
    assert_true(osp_top_model_add(a.model, &longer, &err));
    NEAR(osp_top_model_sum(a.model).seconds, 60);
    osp_top_model_clear(a.model);
    NEAR(osp_top_model_sum(a.model).seconds, 0);
    ask(&a, (osp_top_question){.view = OSP_TOP_FUNCTIONS});
    assert_int_equal(a.n, 0);
    end(&a);
}

/* ---- screens ----------------------------------------------------------------------------------------------------- */

/* A session: state, rows, head. */
typedef struct {
    osp_top_state s;
    asked a;
    osp_ps_row process[2];
    osp_ps ps;
    osp_top_list list;
    osp_grid g;
    osp_buf text;
} session;

static void look(session *t, int columns, int rows)
{
    const osp_top_level *l = &t->s.level[t->s.depth];
    t->list = (osp_top_list){.ps = &t->ps};
    if (l->view != OSP_TOP_PROCESSES) {
        ask(&t->a, (osp_top_question){.view = l->view,
                                      .order = t->s.order[l->view],
                                      .tid = l->tid,
                                      .group = l->group,
                                      .focus = l->focus,
                                      .filter = osp_str_from(l->filter)});
        t->list = (osp_top_list){.row = t->a.row, .n = t->a.n};
    }
    osp_top_head head = {
        .sum = osp_top_model_sum(t->a.model), .process = t->s.pid ? &t->process[0] : NULL, .note = S("")};
    assert_true(osp_grid_size(&t->g, columns, rows));
    osp_top_paint(&t->s, &head, &t->list, &t->g);
    t->text.n = 0;
    osp_grid_text(&t->g, &t->text);
    osp_buf_byte(&t->text, 0);
}

static session open_session(int pid)
{
    session t = {.a = begin(), .text = osp_buf_of(1 << 20)};
    t.process[0] = (osp_ps_row){.process = {.pid = 4711, .name = S("gateway"), .nthreads = 6, .rss_bytes = 48u << 20},
                                .go = {.is_go = true,
                                       .version = S("go1.26.8"),
                                       .goroutines = 11,
                                       .has_memory = true,
                                       .memory = {6u << 20, 0, 3, 0.001}},
                                .cores = 1.0};
    t.process[1] = (osp_ps_row){.process = {.pid = 4802, .name = S("indexer"), .nthreads = 14, .rss_bytes = 1u << 30},
                                .go = {.is_go = true, .version = S("go1.22.12"), .goroutines = 2104},
                                .cores = 0.37};
    t.ps = (osp_ps){.row = NULL, .n = 2, .go = 2, .hidden = 214, .seconds = 1};
    osp_top_begin(&t.s, pid);
    return t;
}

static void close_session(session *t)
{
    end(&t->a);
    osp_grid_drop(&t->g);
    osp_buf_drop(&t->text);
}

static void shows(session *t, int columns, int rows, const char *want)
{
    t->ps.row = t->process;
    look(t, columns, rows);
    if (strcmp(t->text.p, want) != 0)
        print_message("%s", t->text.p);
    assert_string_equal(t->text.p, want);
}

static void the_first_screen_of_a_process_is_eighty_by_twenty_four(void **state)
{
    (void)state;
    session t = open_session(4711);
    shows(&t, 80, 24,
          "gateway 4711 · 1.00 cores · go1.26.8 · 11 goroutines · heap 6.0 MB · GC 0.1 %\n"
          "functions by self\n"
          "  SELF %  TOTAL %  WAIT s/s FUNCTION                  FILE               ORIGIN\n"
          "    94.0     94.0      0.00 decode_block              block.c            C\n"
          "     5.0      5.0      0.00 runtime.gcDrain           mgcmark.go         runtime\n"
          "     1.0      1.0      0.00 encoding/json.Marshal     encode.go          Go std\n"
          "     0.0    100.0      0.25 runtime.goexit            asm_amd64.s        runtime\n"
          "     0.0     94.0      0.00 runtime.cgocall           cgocall.go         runtime\n"
          "     0.0     94.0      0.00 …api.(*Session).Transcode session.go         Go\n"
          "     0.0     94.0      0.00 main.(*Server).Serve      server.go          Go\n"
          "     0.0      5.0      0.00 runtime.gcBgMarkWorker    mgc.go             runtime\n"
          "     0.0      1.0      0.25 main.walk                 tree.go            Go\n"
          "     0.0      1.0      0.25 main.main                 main.go            Go\n"
          "     0.0      1.0      0.25 runtime.main              proc.go            runtime\n"
          "     0.0      0.0      0.25 futex_wait                                   kernel\n"
          "     0.0      0.0      0.25 sync.(*Mutex).Lock        mutex.go           Go std\n"
          "\n\n\n\n\n\n"
          "398 samples in 2.0 s · 100 % whole · 0 lost · % of one core\n"
          "Enter callers  Esc back  t threads  g groups  r reasons  s sort  ? help  q quit\n");
    for (int x = 0; x < 80; x++) {
        assert_int_equal(t.g.cell[3 * 80 + x].style.look & OSP_STYLE_REVERSE, OSP_STYLE_REVERSE);
        assert_int_equal(t.g.cell[4 * 80 + x].style.look & OSP_STYLE_REVERSE, 0);
    }
    close_session(&t);
}

static void larger_and_smaller_terminals_are_used_as_they_are(void **state)
{
    (void)state;
    session t = open_session(4711);
    shows(&t, 40, 12,
          "gateway 4711 · 1.00 cores · go1.26.8\n"
          "functions by self\n"
          "  SELF %  WAIT s/s FUNCTION\n"
          "    94.0      0.00 decode_block\n"
          "     5.0      0.00 runtime.gcDrain\n"
          "     1.0      0.00 encoding/json.Marshal\n"
          "     0.0      0.25 runtime.goexit\n"
          "     0.0      0.00 runtime.cgocall\n"
          "     0.0      0.00 …(*Session).Transcode\n"
          "     0.0      0.00 main.(*Server).Serve\n"
          "398 samples in 2.0 s · 100 % whole\n"
          "Enter callers  Esc back  ? help  q quit\n");
    shows(&t, 20, 5,
          "gateway 4711\n"
          "  SELF % FUNCTION\n"
          "    94.0 …code_block\n"
          "     5.0 …me.gcDrain\n"
          "     1.0 …on.Marshal\n");
    look(&t, 100, 40);
    assert_true(osp_str_has(osp_buf_str(&t.text), S("…/api.(*Session).Transcode")));
    assert_true(osp_str_has(osp_buf_str(&t.text), S("w why  ? help  q quit")));
    for (int columns = 1; columns < 130; columns += 7)
        for (int rows = 1; rows < 40; rows += 3) {
            look(&t, columns, rows);
            osp_top_press(&t.s, &t.list, osp_top_visible(rows), "tgfs?\r\033"[columns % 7]);
        }
    close_session(&t);
}

static void what_is_missing_is_said(void **state)
{
    (void)state;
    session t = open_session(4711);
    osp_err err = {0};
    osp_top_slice s = made_up();
    s.samples = 2;
    s.whole = 1;
    s.lost = 3;
    s.unseen = 7;
    s.gave_up = S("without BPF (no right to load programs): stacks from copies of 16 KiB");
    assert_true(osp_top_model_add(t.a.model, &s, &err));
    look(&t, 120, 24);
    assert_true(
        osp_str_has(osp_buf_str(&t.text), S("without BPF (no right to load programs): stacks from copies of 16 KiB · "
                                            "400 samples in 4.0 s · 99.75 % whole")));
    look(&t, 80, 24);
    assert_true(osp_str_has(osp_buf_str(&t.text), S("without BPF (no right to load programs): stacks from copies")));
    s.gave_up = S("");
    assert_true(osp_top_model_add(t.a.model, &s, &err));
    look(&t, 120, 24);
    assert_true(osp_str_has(osp_buf_str(&t.text), S("% whole · 6 lost · of 7 goroutines no waiting is known yet")));
    close_session(&t);
}

static void processes_stand_as_osprey_ps_shows_them(void **state)
{
    (void)state;
    session t = open_session(0);
    shows(&t, 80, 12,
          "osprey top · 2 Go processes\n"
          "processes by cpu\n"
          "   PID  NAME     GO       CPU %  THR   GOR     RSS    HEAP     GC  UP\n"
          "  4711  gateway  1.26.8   100.0    6    11   48 MB  6.0 MB  0.1 %  0s\n"
          "  4802  indexer  1.22.12   37.0   14  2104  1.0 GB       –      –  0s\n"
          "\n\n\n\n\n"
          "214 others hidden (a)\n"
          "Enter open  s sort  / filter  a all  w why  p pause  ? help  q quit\n");
    close_session(&t);
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static void press(session *t, const uint32_t *keys)
{
    for (; *keys; keys++) {
        t->ps.row = t->process;
        look(t, 80, 24);
        osp_top_press(&t->s, &t->list, osp_top_visible(24), *keys);
    }
    look(t, 80, 24);
}
#define PRESS(t, ...) press(t, (const uint32_t[]){__VA_ARGS__, 0})

static osp_str marked(const session *t)
{
    uint32_t at = osp_top_cursor(&t->s.level[t->s.depth], &t->list);
    return t->list.ps ? t->list.ps->row[at].process.name : t->list.row[at].name;
}

static void enter_goes_in_and_escape_comes_back(void **state)
{
    (void)state;
    session t = open_session(0);
    PRESS(&t, OSP_KEY_DOWN);
    assert_true(osp_str_eq(marked(&t), S("indexer")));
    PRESS(&t, 'k');
    t.ps.row = t.process;
    osp_top_press(&t.s, &t.list, 10, OSP_KEY_ENTER);
    assert_int_equal(t.s.wish, OSP_WISH_OPEN);
    assert_int_equal(t.s.pid, 4711);
    look(&t, 80, 24);
    assert_true(osp_str_eq(marked(&t), S("decode_block")));
    PRESS(&t, 'g', OSP_KEY_ENTER);
    assert_true(osp_str_has(osp_buf_str(&t.text), S("functions by self · main.(*Server).Serve")));
    assert_int_equal(t.list.n, 5);
    PRESS(&t, OSP_KEY_DOWN, OSP_KEY_ENTER); /* runtime.goexit or another, and what is around it */
    assert_int_equal(t.s.level[t.s.depth].view, OSP_TOP_AROUND);
    PRESS(&t, OSP_KEY_ENTER, OSP_KEY_ENTER, OSP_KEY_ENTER);
    PRESS(&t, 't');
    assert_int_equal(t.s.level[t.s.depth].view, OSP_TOP_THREADS);
    for (int i = 0; i < 60; i++)
        PRESS(&t, 'f', OSP_KEY_ENTER);
    assert_true(t.s.depth < OSP_TOP_DEEPEST);
    while (t.s.depth)
        PRESS(&t, OSP_KEY_BACKSPACE);
    assert_int_equal(t.s.wish, OSP_WISH_CLOSE);
    assert_int_equal(t.s.pid, 0);
    PRESS(&t, OSP_KEY_ESC);
    assert_int_equal(t.s.depth, 0);
    PRESS(&t, 'q');
    assert_int_equal(t.s.wish, OSP_WISH_QUIT);
    close_session(&t);
}

static void the_cursor_stays_on_its_row_when_rows_move(void **state)
{
    (void)state;
    session t = open_session(4711);
    PRESS(&t, 'j', 'j');
    assert_true(osp_str_eq(marked(&t), S("encoding/json.Marshal")));
    t.s.order[OSP_TOP_FUNCTIONS] = 3; /* by name */
    look(&t, 80, 24);
    assert_true(osp_str_eq(marked(&t), S("encoding/json.Marshal")));
    PRESS(&t, OSP_KEY_END);
    assert_true(osp_str_eq(marked(&t), S("sync.(*Mutex).Lock")));
    PRESS(&t, OSP_KEY_PAGE_UP, OSP_KEY_PAGE_DOWN, OSP_KEY_HOME);
    assert_true(osp_str_eq(marked(&t), S("decode_block")));
    t.a.n = 0;
    close_session(&t);
}

static void a_filter_is_typed_kept_and_dropped(void **state)
{
    (void)state;
    session t = open_session(4711);
    PRESS(&t, '/', 'm', 'a', 'i', 'n', '.', 'x', OSP_KEY_BACKSPACE);
    assert_true(t.s.typing);
    assert_true(osp_str_has(osp_buf_str(&t.text), S("/main._")));
    assert_int_equal(t.list.n, 3);
    PRESS(&t, 'q', 0x20ac); /* letters now */
    assert_int_equal(t.list.n, 0);
    assert_true(osp_str_has(osp_buf_str(&t.text), S("no row has this word")));
    PRESS(&t, OSP_KEY_BACKSPACE, OSP_KEY_BACKSPACE, OSP_KEY_ENTER, 'j');
    assert_int_equal(t.list.n, 3);
    PRESS(&t, OSP_KEY_ESC);
    assert_int_equal(t.list.n, 13);
    assert_int_equal(t.s.depth, 1);
    close_session(&t);
}

static void help_names_every_key_and_any_key_leaves_it(void **state)
{
    (void)state;
    session t = open_session(4711);
    PRESS(&t, '?');
    assert_true(t.s.help);
    for (const osp_top_key *k = osp_top_keys; k->does; k++)
        if (k->name && !osp_str_has(osp_buf_str(&t.text), osp_str_from(k->help)))
            fail_msg("%s is not in the help", k->name);
    PRESS(&t, 'x');
    assert_false(t.s.help);
    PRESS(&t, 'p');
    assert_true(osp_str_has(osp_buf_str(&t.text), S("gateway 4711 · paused")));
    PRESS(&t, 's');
    assert_true(osp_str_has(osp_buf_str(&t.text), S("functions by total")));
    PRESS(&t, 's', 's', 's');
    assert_true(osp_str_has(osp_buf_str(&t.text), S("functions by self")));
    PRESS(&t, 'w');
    assert_int_equal(t.s.wish, OSP_WISH_WHY);
    close_session(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_have_their_own_time_and_that_of_what_they_call),
        cmocka_unit_test(goroutines_are_grouped_by_where_they_began),
        cmocka_unit_test(reasons_to_wait_are_rows_too),
        cmocka_unit_test(threads_are_those_of_proc_with_what_samples_say),
        cmocka_unit_test(callers_and_callees_stand_around_a_function),
        cmocka_unit_test(only_the_last_seconds_count),
        cmocka_unit_test(the_first_screen_of_a_process_is_eighty_by_twenty_four),
        cmocka_unit_test(larger_and_smaller_terminals_are_used_as_they_are),
        cmocka_unit_test(what_is_missing_is_said),
        cmocka_unit_test(processes_stand_as_osprey_ps_shows_them),
        cmocka_unit_test(enter_goes_in_and_escape_comes_back),
        cmocka_unit_test(the_cursor_stays_on_its_row_when_rows_move),
        cmocka_unit_test(a_filter_is_typed_kept_and_dropped),
        cmocka_unit_test(help_names_every_key_and_any_key_leaves_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
