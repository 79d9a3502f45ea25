/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of system calls, descriptors, the kernel and the host, over made-up facts. */
#include "made_up.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>

#include <cmocka.h>

#define GO "r:runtime.goexit@asm_amd64.s r:runtime.main@proc.go g:main.main@main.go "
#define READ "s:net.(*conn).Read@net.go s:internal/poll.(*FD).Read@fd_unix.go s:syscall.Read@syscall_unix.go "
#define ENTRY "n:entry_SYSCALL_64_after_hwframe n:do_syscall_64 "

static void is_first(const osp_findings *f, const char *verdict, const char *kind, const char *culprit)
{
    char name[128];
    assert_string_equal(first_of(f), verdict);
    const osp_finding *x = &f->row[0];
    if (kind)
        assert_string_equal(x->kind, kind);
    else
        assert_null(x->kind);
    assert_string_equal(osp_str_z(x->culprit.func, name, sizeof name), culprit);
    assert_in_range(x->nevidence, 2, 6);
    assert_true(x->summary.n > 0 && x->next.n > 0);
}

static void nothing_is_found(made_up *m)
{
    osp_findings f = made_up_diagnose(m);
    assert_string_equal(first_of(&f), "");
}

/* ---- system calls of a made-up window ------------------------------------------------------------------------- */

static osp_called_fact called[16];
static osp_used_fact used[16];
static osp_ready_fact ready[4];
static osp_place_fact place[16];
static osp_socket_fact sockets[4];

static made_up *with_calls(bool is_go)
{
    made_up *m = made_up_new(is_go);
    osp_call_facts *c = &m->facts.calls;
    *c = (osp_call_facts){.known = true, .seconds = 0.5, .row = called, .used = used, .ready = ready, .place = place};
    m->facts.fds = (osp_fd_facts){.known = true, .socket = sockets};
    return m;
}

static osp_called_fact *call_of(made_up *m, const char *name, double per_s)
{
    osp_call_facts *c = &m->facts.calls;
    called[c->n] = (osp_called_fact){.name = osp_str_from(name), .per_s = per_s, .p50_ns = 400, .p99_ns = 2000};
    c->per_s += per_s;
    return &called[c->n++];
}

static osp_used_fact *use_of(made_up *m, const char *name, const char *error, int fd, double per_s)
{
    osp_call_facts *c = &m->facts.calls;
    used[c->nused] = (osp_used_fact){
        .name = osp_str_from(name), .error = osp_str_from(error), .fd = fd, .what = S("tcp"), .per_s = per_s};
    return &used[c->nused++];
}

/* Where calls come from: as the stack of a sample is written. */
static void place_of(made_up *m, const char *name, int fd, double per_s, const char *root_to_leaf)
{
    osp_call_facts *c = &m->facts.calls;
    uint32_t n = m->facts.nstack;
    uint64_t samples = m->facts.samples;
    made_up_stack(m, 11, 18, 1, root_to_leaf);
    place[c->nplace++] = (osp_place_fact){.call = m->stack[n].call,
                                          .ncall = m->stack[n].ncall,
                                          .tid = 11,
                                          .goid = 18,
                                          .count = per_s,
                                          .name = osp_str_from(name),
                                          .descriptor = (uint32_t)(fd + 1)};
    m->facts.nstack = n;
    m->facts.samples = samples;
}

/* ---- io-error-loop -------------------------------------------------------------------------------------------- */

static made_up *hung_up(void)
{
    made_up *m = with_calls(true);
    made_up_thread(m, 11, 1.0, true);
    made_up_stack(m, 11, 18, 300, GO "g:main.(*Relay).pump@relay.go " READ ENTRY "n:tcp_recvmsg");
    made_up_stack(m, 11, 18, 100, GO "g:main.(*Relay).pump@relay.go s:net.(*conn).SetReadDeadline@net.go");
    place_of(m, "read", 9, 4000, GO "g:main.(*Relay).pump@relay.go " READ);
    call_of(m, "read", 220000)->nothing_per_s = 210000;
    return m;
}

static void a_loop_that_reads_after_the_end_is_found(void **state)
{
    (void)state;
    made_up *m = hung_up();
    osp_used_fact *u = use_of(m, "read", "", 9, 210000);
    u->nothing_per_s = 210000;
    u->kind = S("tcp");
    u->state = S("CLOSE_WAIT");
    u->peer = S("10.0.0.9:5123");
    use_of(m, "read", "", 12, 10000);
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "io-error-loop", NULL, "main.(*Relay).pump");
    bool waits = false;
    for (uint32_t i = 0; i < f.row[0].nevidence; i++)
        waits = waits || osp_str_has(f.row[0].evidence[i].what, S("CLOSE_WAIT"));
    assert_true(waits);
}

static void connections_that_end_and_are_closed_are_fine(void **state)
{
    (void)state;
    made_up *m = hung_up();
    use_of(m, "read", "", 9, 2000)->nothing_per_s = 2000;
    use_of(m, "close", "", 9, 1900);
    called[0].bytes_per_s = 1e9;
    nothing_is_found(m);
}

static void a_reader_that_gets_something_is_fine(void **state)
{
    (void)state;
    made_up *m = hung_up();
    use_of(m, "read", "", 9, 100000);
    use_of(m, "read", "EAGAIN", 9, 100000);
    called[0].bytes_per_s = 1e9;
    nothing_is_found(m);
}

static void a_loop_of_empty_reads_is_found_by_what_nobody_reads(void **state)
{
    (void)state;
    made_up *m = with_calls(true);
    made_up_thread(m, 11, 1.0, true);
    made_up_stack(m, 11, 18, 100,
                  GO "g:main.(*Relay).pump@relay.go s:net.(*conn).Read@net.go s:internal/poll.(*FD).Read");
    made_up_stack(m, 11, 18, 300, GO "g:main.(*Relay).pump@relay.go s:time.Now@time.go v:__vdso_clock_gettime");
    call_of(m, "read", 20);
    sockets[0] = (osp_socket_fact){.fd = 7, .what = S("tcp"), .unread_before = 900, .unread = 900};
    m->facts.fds.nsocket = 1;
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "io-error-loop", "empty buffer", "main.(*Relay).pump");
    for (uint32_t i = 1; i < f.n; i++)
        assert_true(f.row[i].confidence < OSP_FOUND || f.row[i].because);
    m->facts.calls.n = 0;
    call_of(m, "read", 150000);
    f = made_up_diagnose(m);
    assert_string_not_equal(first_of(&f), "io-error-loop");
}

/* ---- eagain-spin ---------------------------------------------------------------------------------------------- */

static void asking_an_empty_descriptor_is_found(void **state)
{
    (void)state;
    made_up *m = with_calls(false);
    made_up_thread(m, 11, 1.0, false);
    made_up_stack(m, 11, 0, 400, "l:_start c:main@a.c c:next_frame@a.c l:read " ENTRY);
    place_of(m, "read", 5, 40000, "l:_start c:main@a.c c:next_frame@a.c l:read");
    call_of(m, "read", 800000)->errors_per_s = 800000;
    use_of(m, "read", "EAGAIN", 5, 800000);
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "eagain-spin", NULL, "next_frame");
    call_of(m, "epoll_wait", 790000); /* it does wait in between: others were faster */
    f = made_up_diagnose(m);
    assert_string_not_equal(first_of(&f), "eagain-spin");
}

/* ---- epoll-busy ----------------------------------------------------------------------------------------------- */

static made_up *turning(void)
{
    made_up *m = with_calls(false);
    made_up_thread(m, 11, 1.0, false);
    made_up_stack(m, 11, 0, 400, "l:_start c:main@a.c c:turn@a.c l:epoll_wait " ENTRY "n:ep_send_events");
    place_of(m, "epoll_wait", 4, 40000, "l:_start c:main@a.c c:turn@a.c l:epoll_wait");
    call_of(m, "epoll_wait", 500000);
    use_of(m, "epoll_wait", "", 4, 500000);
    return m;
}

static void a_descriptor_that_nobody_reads_is_found(void **state)
{
    (void)state;
    made_up *m = turning();
    ready[0] = (osp_ready_fact){.epoll_fd = 4, .fd = 6, .events = EPOLLIN, .ready = EPOLLIN, .what = S("pipe")};
    m->facts.calls.nready = 1;
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "epoll-busy", NULL, "turn");
    use_of(m, "read", "", 6, 490000); /* it is read each time: a loop at work */
    call_of(m, "read", 490000);
    f = made_up_diagnose(m);
    assert_string_not_equal(first_of(&f), "epoll-busy");
}

static void a_loop_that_does_not_wait_is_found(void **state)
{
    (void)state;
    made_up *m = turning();
    called[0].nothing_per_s = 500000;
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "epoll-busy", "zero timeout", "turn");
}

static void the_runtimes_own_poller_is_not_the_programs(void **state)
{
    (void)state;
    made_up *m = with_calls(true);
    made_up_thread(m, 11, 1.0, true);
    made_up_stack(m, 11, 18, 400,
                  GO "g:main.relay@a.go r:runtime.gopark r:runtime.schedule r:runtime.netpoll " ENTRY);
    place_of(m, "epoll_pwait", 4, 40000,
             GO "g:main.relay@a.go r:runtime.gopark r:runtime.schedule r:runtime.netpoll");
    call_of(m, "epoll_pwait", 30000);
    use_of(m, "epoll_pwait", "", 4, 30000);
    osp_findings f = made_up_diagnose(m);
    assert_string_not_equal(first_of(&f), "epoll-busy");
}

/* ---- syscall-storm -------------------------------------------------------------------------------------------- */

static made_up *one_byte_writes(double bytes)
{
    made_up *m = with_calls(true);
    made_up_thread(m, 11, 1.0, true);
    m->facts.sampled_cores = 1;
    made_up_stack(m, 11, 18, 250, GO "g:main.emit@a.go s:os.(*File).Write s:syscall.write " ENTRY "n:ext4_write");
    made_up_stack(m, 11, 18, 150, GO "g:main.emit@a.go s:os.(*File).Write");
    m->facts.in[OSP_IN_KERNEL] = 0.6;
    place_of(m, "write", 3, 40000, GO "g:main.emit@a.go s:os.(*File).Write s:syscall.write");
    call_of(m, "write", 400000)->bytes_per_s = 400000 * bytes;
    use_of(m, "write", "", 3, 400000)->bytes_per_s = 400000 * bytes;
    return m;
}

static void one_byte_writes_are_a_storm(void **state)
{
    (void)state;
    osp_findings f = made_up_diagnose(one_byte_writes(1));
    is_first(&f, "syscall-storm", NULL, "main.emit");
}

static void writes_of_pages_are_none(void **state)
{
    (void)state;
    nothing_is_found(one_byte_writes(4096));
}

static void a_busy_servers_calls_are_none(void **state)
{
    (void)state;
    made_up *m = one_byte_writes(1);
    called[0].per_s = 15000;
    called[0].bytes_per_s = 15000;
    m->facts.calls.per_s = 30000;
    nothing_is_found(m);
}

/* ---- cgroup-throttled, process-stopped --------------------------------------------------------------------------- */

static void a_quota_that_is_met_often_is_found(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    m->facts.cgroup = (osp_cgroup_fact){.known = true,
                                        .path = S("/box"),
                                        .quota_cores = 0.5,
                                        .period_ms = 100,
                                        .periods_per_s = 10,
                                        .throttled_per_s = 6,
                                        .throttled_ms_per_s = 400};
    osp_findings f = made_up_diagnose(m);
    assert_string_equal(first_of(&f), "cgroup-throttled");
    m->facts.cgroup.throttled_per_s = 0.5;
    nothing_is_found(m);
}

static void a_stopped_process_is_said_to_be(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    m->facts.stopped = true;
    m->facts.process.state = 't';
    m->facts.host = (osp_host_fact){.known = true, .tracer = 99, .tracer_name = S("gdb")};
    osp_findings f = made_up_diagnose(m);
    assert_string_equal(first_of(&f), "process-stopped");
    assert_string_equal(f.row[0].kind, "debugger");
    assert_true(osp_str_has(f.row[0].summary, S("gdb (pid 99)")));
    m->facts.stopped = false;
    nothing_is_found(m);
}

/* ---- page-fault-storm, signal-storm, process-churn ---------------------------------------------------------------- */

static osp_place_fact event[4];
static osp_moment moment[8];

static osp_event_facts events(made_up *m, double count, double amount, const char *name, const char *stack)
{
    place_of(m, name, -1, count, stack);
    m->facts.calls.nplace = 0;
    event[0] = place[0];
    event[0].amount = amount;
    return (osp_event_facts){.known = true, .seconds = 0.3, .per_s = count, .place = event, .nplace = 1};
}

static void with_moments(made_up *m, double rss_per_s, double fds_per_s)
{
    osp_process_fact *p = &m->facts.proc;
    p->known = true;
    p->moment = moment;
    p->n = 8;
    for (uint32_t i = 0; i < 8; i++) {
        moment[i] = (osp_moment){.at_s = i * 0.5, .goroutines = -1};
        moment[i].usage.rss_bytes = (uint64_t)(1e8 + rss_per_s * i * 0.5);
        moment[i].usage.fds = (uint32_t)(20 + fds_per_s * i * 0.5);
    }
}

static void fresh_pages_over_and_over_are_found(void **state)
{
    (void)state;
    made_up *m = with_calls(false);
    made_up_thread(m, 11, 1.0, false);
    made_up_stack(m, 11, 0, 300, "l:_start c:main@a.c c:scratch@a.c n:asm_exc_page_fault n:clear_page_erms");
    made_up_stack(m, 11, 0, 100, "l:_start c:main@a.c c:scratch@a.c");
    m->facts.faults = events(m, 200000, 0, "minor", "l:_start c:main@a.c c:scratch@a.c");
    with_moments(m, 0, 0);
    m->facts.proc.minor_faults_per_s = 200000;
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "page-fault-storm", NULL, "scratch");
    with_moments(m, 200000 * 4096.0, 0); /* it grows by each page */
    m->facts.proc.minor_faults_per_s = 200000;
    f = made_up_diagnose(m);
    assert_string_not_equal(first_of(&f), "page-fault-storm");
}

static void signals_sent_to_itself_are_found(void **state)
{
    (void)state;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 1.0, true);
    m->facts.calls = (osp_call_facts){.place = place};
    made_up_stack(m, 11, 18, 300, GO "g:main.nudge@a.go s:syscall.Kill " ENTRY "n:__x64_sys_kill");
    m->facts.signals = events(m, 100000, 100000, "", GO "g:main.nudge@a.go s:syscall.Kill n:__x64_sys_kill");
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "signal-storm", NULL, "main.nudge");
    m->facts.signals = events(m, 100, 100, "", GO "g:main.nudge@a.go s:syscall.Kill n:__x64_sys_kill");
    f = made_up_diagnose(m);
    assert_string_not_equal(first_of(&f), "signal-storm");
}

static void programs_started_all_the_time_are_found(void **state)
{
    (void)state;
    made_up *m = made_up_new(false);
    made_up_thread(m, 11, 0.2, false);
    m->facts.cores_used = 0.2;
    m->facts.calls = (osp_call_facts){.place = place};
    m->facts.births = events(m, 300, 0, "", "l:_start c:main@a.c c:probe@a.c l:posix_spawn");
    with_moments(m, 0, 0);
    m->facts.proc.children_cores = 0.6;
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "process-churn", NULL, "probe");
    m->facts.births = events(m, 300, 0, "", "l:_start c:main@a.c c:probe@a.c l:pthread_create"); /* threads */
    nothing_is_found(m);
}

/* ---- fd-leak, output-blocked --------------------------------------------------------------------------------------- */

static void descriptors_that_only_grow_are_found(void **state)
{
    (void)state;
    made_up *m = with_calls(true);
    with_moments(m, 0, 40);
    osp_findings f = made_up_diagnose(m);
    assert_string_equal(first_of(&f), "fd-leak");
    with_moments(m, 0, 40);
    for (uint32_t i = 4; i < 8; i++)
        moment[i].usage.fds = moment[4].usage.fds; /* a load that began, and stays */
    nothing_is_found(m);
}

static void who_closes_what_he_opens_does_not_leak(void **state)
{
    (void)state;
    static osp_fd_kind_fact tcp;
    made_up *m = with_calls(true);
    with_moments(m, 0, 40);
    tcp = (osp_fd_kind_fact){.kind = S("tcp"), .before = 10, .now = 150};
    m->facts.fds.kind = &tcp;
    m->facts.fds.nkind = 1;
    place_of(m, "accept4", 3, 60, GO "g:main.serve@a.go s:net.(*TCPListener).Accept@tcpsock.go");
    place_of(m, "close", 9, 60, GO "g:main.serve@a.go s:net.(*conn).Close@net.go");
    place_of(m, "socket", -1, 54, GO "g:main.notify@a.go s:net.Dial@dial.go");
    place_of(m, "close", 8, 14, GO "g:main.notify@a.go s:net.(*conn).Close@net.go");
    place[2].goid = place[3].goid = 19;
    osp_findings f = made_up_diagnose(m);
    is_first(&f, "fd-leak", NULL, "main.notify");
}

static void a_writer_that_nobody_reads_is_found(void **state)
{
    (void)state;
    static osp_blocked_fact row;
    made_up *m = made_up_new(true);
    made_up_thread(m, 11, 0, true);
    row = (osp_blocked_fact){.state = S("S"), .call = S("write fd 2 (pipe), 80 bytes"), .n = 1, .tid = 11};
    m->facts.blocked = (osp_blocked_facts){.known = true, .row = &row, .n = 1};
    m->facts.cores_used = 0;
    osp_findings f = made_up_diagnose(m);
    assert_string_equal(first_of(&f), "output-blocked");
    m->thread[0].voluntary_per_s = 20; /* it goes on */
    nothing_is_found(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_that_reads_after_the_end_is_found),
        cmocka_unit_test(connections_that_end_and_are_closed_are_fine),
        cmocka_unit_test(a_reader_that_gets_something_is_fine),
        cmocka_unit_test(a_loop_of_empty_reads_is_found_by_what_nobody_reads),
        cmocka_unit_test(asking_an_empty_descriptor_is_found),
        cmocka_unit_test(a_descriptor_that_nobody_reads_is_found),
        cmocka_unit_test(a_loop_that_does_not_wait_is_found),
        cmocka_unit_test(the_runtimes_own_poller_is_not_the_programs),
        cmocka_unit_test(one_byte_writes_are_a_storm),
        cmocka_unit_test(writes_of_pages_are_none),
        cmocka_unit_test(a_busy_servers_calls_are_none),
        cmocka_unit_test(a_quota_that_is_met_often_is_found),
        cmocka_unit_test(a_stopped_process_is_said_to_be),
        cmocka_unit_test(fresh_pages_over_and_over_are_found),
        cmocka_unit_test(signals_sent_to_itself_are_found),
        cmocka_unit_test(programs_started_all_the_time_are_found),
        cmocka_unit_test(descriptors_that_only_grow_are_found),
        cmocka_unit_test(who_closes_what_he_opens_does_not_leak),
        cmocka_unit_test(a_writer_that_nobody_reads_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
