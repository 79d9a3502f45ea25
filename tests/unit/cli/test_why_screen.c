/* SPDX-License-Identifier: Apache-2.0 */
/* The screen of `osprey why` over made-up facts: it fits a terminal, and says what it must. */
#include "cli/why_screen.h"

#include "../diagnose/made_up.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define GO "r:runtime.goexit@asm_amd64.s r:runtime.main@proc.go g:main.main@main.go "
#define CGO                                                                                               \
    "k:main._Cfunc_decode@_cgo_gotypes.go r:runtime.cgocall@cgocall.go r:runtime.asmcgocall@asm_amd64.s " \
    "k:_cgo_1_Cfunc_decode "

static void domains(made_up *m)
{
    for (uint32_t i = 0; i < m->facts.nstack; i++)
        m->facts.in[m->stack[i].in] += m->stack[i].share;
    m->facts.sampled_cores = m->facts.cores_used;
    m->facts.sampling.taken = m->facts.sampling.ended[OSP_END_ROOT] = m->facts.samples;
    m->facts.sampling.by_bpf = true;
    m->facts.process.nthreads = m->facts.nthread;
}

static made_up *spinning_in_c(void)
{
    made_up *m = made_up_new(true);
    osp_thread_fact *t = made_up_thread(m, 4713, 1.0, true);
    t->same_call = true;
    t->goid = 18;
    made_up_thread(m, 4711, 0.01, true);
    made_up_stack(m, 4713, 18, 470,
                  GO
                  "g:github.com/acme/gateway/api.(*Server).loop@server.go g:main.(*Session).Transcode@session.go " CGO
                  "c:decode@block.c c:decode_frame@block.c c:decode_block@block.c");
    made_up_stack(m, 4711, 1, 20, GO "s:encoding/json.Marshal@encode.go");
    domains(m);
    return m;
}

/* The screen as text; *lines, *columns: how large it is. */
static osp_buf screen(made_up *m, int columns, bool colour, size_t *lines, size_t *widest)
{
    osp_cli cli = {.columns = columns, .colour = colour};
    osp_findings found = made_up_diagnose(m);
    osp_buf out = osp_buf_of(1 << 20);
    m->facts.uptime_s = 3 * 86400 + 4 * 3600;
    osp_why_screen(&cli, &m->facts, &found, &out);
    assert_false(out.failed);
    *lines = *widest = 0;
    for (osp_str rest = osp_buf_str(&out); rest.n;) {
        osp_str line = osp_str_cut(&rest, '\n');
        size_t n = osp_str_columns(line);
        *widest = n > *widest ? n : *widest;
        ++*lines;
        if (!colour)
            print_message("# %.*s\n", STRF(line));
    }
    return out;
}

static bool says(const osp_buf *b, const char *text)
{
    return osp_str_find(osp_buf_str(b), osp_str_from(text)) < b->n;
}

/* A process, its threads, files and functions may be called anything. */
static void no_name_reaches_the_terminal_as_a_command(void **state)
{
    (void)state;
    made_up *m = spinning_in_c();
    m->facts.process.name = S("\033[2Jserver\n✓ Nothing wrong found");
    m->facts.go_version = S("go1.26\033c");
    m->facts.go_unreadable = S("\xc2\x9b\x9b");
    for (uint32_t i = 0; i < m->facts.nstack; i++)
        for (uint32_t k = 0; k < m->facts.stack[i].ncall; k++) {
            osp_call *c = (osp_call *)&m->facts.stack[i].call[k];
            c->func = osp_arena_fmt(m->facts.arena, "%.*s\033]0;x\007", STRF(c->func));
            c->file = osp_arena_fmt(m->facts.arena, "%.*s\r\n", STRF(c->file));
        }
    size_t lines, widest;
    osp_buf b = screen(m, 80, false, &lines, &widest);
    osp_str said = osp_buf_str(&b);
    for (size_t n; said.n; said = osp_str_skip(said, n)) {
        n = osp_str_utf8(said);
        assert_true(n > 0 && (n > 1 || (uint8_t)*said.p >= ' ' || *said.p == '\n'));
        assert_false(n == 2 && (uint8_t)said.p[0] == 0xc2 && (uint8_t)said.p[1] < 0xa0);
    }
    assert_true(osp_str_find(osp_buf_str(&b), S("\n✓ Nothing")) == b.n);
    osp_buf_drop(&b);
}

static void one_finding_fits_eighty_by_twenty_four(void **state)
{
    (void)state;
    size_t lines, widest;
    osp_buf b = screen(spinning_in_c(), 80, false, &lines, &widest);
    assert_in_range(lines, 10, 24);
    assert_in_range(widest, 60, 80);
    assert_true(says(&b, "cgo-cpu-native · confidence 0.97"));
    assert_true(says(&b, "goroutine 18"));
    assert_true(says(&b, "decode_block (block.c:7)"));
    assert_true(says(&b, "…/api.(*Server).loop"));
    assert_true(says(&b, "osprey record 4711 -d 30 -o gateway.pb.gz"));
    assert_true(says(&b, "0 lost, paused 0 ms"));
    assert_true(says(&b, "ruled out"));
    assert_true(says(&b, "observed 5.0 s"));
    osp_buf_drop(&b);
}

static void no_width_overflows_and_long_chains_are_counted(void **state)
{
    (void)state;
    for (int columns = 60; columns <= 140; columns += 20) {
        size_t lines, widest;
        made_up *m = made_up_new(true);
        made_up_thread(m, 11, 1, true);
        made_up_stack(m, 11, 18, 400,
                      GO "g:a.A@a.go g:b.B@b.go g:c.C@c.go g:d.D@d.go g:e.E@e.go g:f.F@f.go g:g.G@g.go g:h.H@h.go "
                         "g:i.I@i.go " CGO "c:x@x.c c:y@y.c c:z@z.c");
        domains(m);
        osp_buf b = screen(m, columns, false, &lines, &widest);
        assert_in_range(widest, 40, (size_t)(columns > 110 ? 110 : columns));
        assert_true(says(&b, "more …"));
        osp_buf_drop(&b);
    }
}

static void a_healthy_process_gets_one_green_answer(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 0.4, true);
    made_up_stack(m, 11, 4, 300, GO "g:main.(*Index).merge@i.go");
    made_up_stack(m, 11, 0, 20, "r:runtime.gcBgMarkWorker@mgc.go r:runtime.gcDrain@mgcmark.go");
    m->facts.cores_used = 0.4;
    domains(m);
    size_t lines, widest;
    osp_buf b = screen(m, 80, false, &lines, &widest);
    assert_true(lines <= 24 && widest <= 80);
    assert_true(says(&b, "✓ Nothing wrong found in 5.0 s"));
    assert_true(says(&b, "main.(*Index).merge 94 %"));
    assert_true(says(&b, "spinning"));
    osp_buf_drop(&b);
}

static void losses_and_disagreement_are_said(void **state)
{
    (void)state;
    made_up *m = spinning_in_c();
    m->facts.sampling.ended[OSP_END_ROOT] -= 7;
    m->facts.sampling.ended[OSP_END_NO_ROW] = 7;
    m->facts.sampling.lost = 3;
    m->facts.unsymbolised = 0.0004;
    m->facts.disagree = S("3 samples were lost");
    snprintf(m->facts.sampling.gave_up, sizeof m->facts.sampling.gave_up, "no kernel stacks");
    size_t lines, widest;
    osp_buf b = screen(m, 100, false, &lines, &widest);
    assert_true(says(&b, "7 cut: "));
    assert_true(says(&b, "3 samples were lost"));
    assert_true(says(&b, "99.9 % of frames named"));
    assert_true(says(&b, "differs"));
    assert_true(says(&b, "no kernel stacks"));
    osp_buf_drop(&b);
}

static void colours_only_where_they_are_wanted(void **state)
{
    (void)state;
    size_t lines, widest;
    osp_buf plain = screen(spinning_in_c(), 80, false, &lines, &widest);
    assert_false(says(&plain, "\033"));
    osp_buf colourful = screen(spinning_in_c(), 80, true, &lines, &widest);
    assert_true(says(&colourful, "\033[31m✗"));
    osp_buf_drop(&plain);
    osp_buf_drop(&colourful);
}

static void without_any_sample_it_still_answers(void **state)
{
    (void)state;
    made_up *m = made_up_new(false);
    made_up_thread(m, 11, 0, false);
    m->facts.cores_used = 0;
    domains(m);
    size_t lines, widest;
    osp_buf b = screen(m, 80, false, &lines, &widest);
    assert_true(says(&b, "no samples"));
    assert_true(says(&b, "Nothing wrong found"));
    assert_false(says(&b, "C under cgo"));
    osp_buf_drop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_name_reaches_the_terminal_as_a_command),
        cmocka_unit_test(one_finding_fits_eighty_by_twenty_four),
        cmocka_unit_test(no_width_overflows_and_long_chains_are_counted),
        cmocka_unit_test(a_healthy_process_gets_one_green_answer),
        cmocka_unit_test(losses_and_disagreement_are_said),
        cmocka_unit_test(colours_only_where_they_are_wanted),
        cmocka_unit_test(without_any_sample_it_still_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
