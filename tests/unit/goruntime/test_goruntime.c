/* SPDX-License-Identifier: Apache-2.0 */
/* Live: Go programs that know the truth about themselves (program/main.go), read from outside.
 *
 * Usage: test_goruntime DIRECTORY-OF-THE-PROGRAM [PROGRAM...]. Without programs it builds them with the Go toolchain in
 * the path; with them (built by another release, say) it takes those. */
#include "goruntime/goruntime_internal.h"

#include "base/buf.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- running programs --------------------------------------------------------------------------------------- */

/* Run argv in dir; true if it ends with 0. */
static bool run(const char *dir, const char *cgo, const char *experiment, const char *const *argv)
{
    pid_t pid = fork();
    if (pid == 0) {
        setenv("CGO_ENABLED", cgo, 1);
        setenv("GOEXPERIMENT", experiment, 1);
        dup2(STDERR_FILENO, STDOUT_FILENO);
        if (chdir(dir) == 0)
            execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    int status = -1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

typedef struct {
    pid_t pid;
    int in, out;
} child;

static child start(const char *program)
{
    int in[2], out[2];
    assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        execl(program, program, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    return (child){pid, in[1], out[0]};
}

static void end(child *c)
{
    kill(c->pid, SIGKILL);
    waitpid(c->pid, NULL, 0);
    close(c->in);
    close(c->out);
}

/* What the program says of itself now. */
typedef struct {
    char version[64];
    long long goroutines, cgocalls, maxprocs, main_g, main_tid, spin_g, spin_tid, read_g, read_tid, c_g, c_tid;
} truth;

static truth ask(child *c)
{
    truth t;
    char line[1024];
    size_t n = 0;
    assert_int_equal(write(c->in, "\n", 1), 1);
    while (n < sizeof line - 1 && (n == 0 || line[n - 1] != '\n')) {
        ssize_t got = read(c->out, line + n, sizeof line - 1 - n);
        assert_true(got > 0);
        n += (size_t)got;
    }
    line[n] = 0;
    assert_int_equal(sscanf(line,
                            "version %63s goroutines %lld cgocalls %lld maxprocs %lld main %lld %lld spin %lld %lld "
                            "read %lld %lld c %lld %lld",
                            t.version, &t.goroutines, &t.cgocalls, &t.maxprocs, &t.main_g, &t.main_tid, &t.spin_g,
                            &t.spin_tid, &t.read_g, &t.read_tid, &t.c_g, &t.c_tid),
                     12);
    return t;
}

/* ---- comparing ---------------------------------------------------------------------------------------------- */

static const osp_m *m_of(const osp_go_snapshot *s, long long tid)
{
    for (uint32_t i = 0; i < s->nm; i++)
        if (s->m[i].tid == tid)
            return &s->m[i];
    return NULL;
}

static const osp_g *g_of(const osp_go_snapshot *s, const osp_m *m)
{
    for (uint32_t i = 0; m && i < s->ng; i++)
        if (s->g[i].m == m->addr)
            return &s->g[i];
    return NULL;
}

/* A snapshot of the program at rest: after its answer the main goroutine is under way to its next read for a while. */
static void snapshot_at_rest(osp_go *go, osp_arena *a, const truth *t, osp_go_snapshot *s)
{
    for (int i = 0; i < 100000; i++) {
        osp_err err = {0};
        if (!osp_go_snapshot_read(go, a, s, &err))
            fail_msg("%s", err.msg);
        const osp_g *g = g_of(s, m_of(s, t->main_tid));
        if (s->torn == 0 && g && osp_str_eq(osp_go_status_text(g->status), S("syscall")) &&
            g_of(s, m_of(s, t->spin_tid)))
            return;
        osp_arena_drop(a);
        sched_yield();
    }
    fail_msg("the program comes to no rest");
}

static void goroutine_sits(osp_go *go, osp_object *o, const osp_go_snapshot *s, long long goid, long long tid,
                           const char *status, const char *starts)
{
    const osp_m *m = m_of(s, tid);
    const osp_g *g = g_of(s, m);
    if (!g)
        fail_msg("no goroutine on thread %lld", tid);
    assert_int_equal(g->goid, goid);
    assert_true(g->addr == m->curg);
    osp_str text = osp_go_status_text(g->status);
    if (!osp_str_eq(text, osp_str_from(status)))
        fail_msg("goroutine %lld: status %.*s, not %s", goid, STRF(text), status);
    osp_symbol f;
    assert_true(osp_object_symbol_at(o, g->startpc - go->bias, &f));
    if (!osp_str_starts(f.name, osp_str_from(starts)) || f.start != g->startpc - go->bias)
        fail_msg("goroutine %lld: starts at %.*s, not %s", goid, STRF(f.name), starts);
    osp_g again;
    osp_err err = {0};
    assert_true(osp_go_read_g(go, g->addr, &again, &err));
    assert_int_equal(again.goid, goid);
    osp_m m_again;
    assert_true(osp_go_read_m(go, m->addr, &m_again, &err));
    assert_int_equal(m_again.tid, tid);
}

/* g of a thread as the processor sees it: the word at fs + offset. This stops the thread, so only a test does it. */
static uint64_t g_of_thread(osp_go *go, int tid, int64_t offset)
{
    struct user_regs_struct r;
    uint64_t g = 0;
    assert_int_equal(ptrace(PTRACE_SEIZE, tid, NULL, NULL), 0);
    assert_int_equal(ptrace(PTRACE_INTERRUPT, tid, NULL, NULL), 0);
    int status;
    assert_int_equal(waitpid(tid, &status, __WALL), tid);
    assert_int_equal(ptrace(PTRACE_GETREGS, tid, NULL, &r), 0);
    assert_true(osp_go_word(go, r.fs_base + (uint64_t)offset, &g));
    assert_int_equal(ptrace(PTRACE_DETACH, tid, NULL, NULL), 0);
    return g;
}

static void a_program_read_from_outside_is_what_it_says_of_itself(void **state)
{
    const char *program = *state;
    osp_err err = {0};
    osp_arena a, rows;
    osp_arena_init(&a, 16 << 20);
    osp_arena_init(&rows, 16 << 20);
    child c = start(program);
    truth t = ask(&c);
    osp_process *p = osp_process_open(c.pid, &err);
    osp_map *map;
    uint32_t nmap = 0;
    if (!p || !osp_process_maps(p, &a, &map, &nmap, &err))
        fail_msg("%s", err.msg);
    osp_objects *objects = osp_objects_new(&(osp_object_opts){.no_debug_files = true});
    osp_go *go = osp_go_open(p, map, nmap, objects, &err);
    if (!go)
        fail_msg("%s", err.msg);

    osp_str v = osp_go_version(go);
    assert_int_equal(v.n, strlen(t.version));
    for (size_t i = 0; i < v.n; i++)
        assert_true(v.p[i] == t.version[i] || (v.p[i] == ' ' && t.version[i] == '_'));
    osp_str by = osp_go_layout_source(go);
    bool experiment = strstr(t.version, "X:") != NULL;
    assert_true(osp_str_eq(by, experiment ? S("DWARF") : S("table")));
    osp_go_snapshot s;
    snapshot_at_rest(go, &rows, &t, &s);
    assert_true(go->checked);
    assert_int_equal(s.torn, 0);
    assert_int_equal(s.np, t.maxprocs);
    for (uint32_t i = 0; i < s.np; i++)
        assert_int_equal(s.p[i].id, i);
    assert_int_equal(s.ngoroutine, t.goroutines);
    long long calls = 0;
    for (uint32_t i = 0; i < s.nm; i++)
        calls += (long long)s.m[i].ncgocall;
    assert_int_equal(calls, t.cgocalls);

    osp_object *o = go->object;
    goroutine_sits(go, o, &s, t.main_g, t.main_tid, "syscall", "runtime.main");
    goroutine_sits(go, o, &s, t.spin_g, t.spin_tid, "running", "main.main.");
    goroutine_sits(go, o, &s, t.read_g, t.read_tid, "syscall", "main.main.");
    if (t.c_tid) {
        goroutine_sits(go, o, &s, t.c_g, t.c_tid, "syscall", "main.startC.");
        assert_int_equal(m_of(&s, t.c_tid)->ncgo, 1);
        assert_true(m_of(&s, t.c_tid)->incgo);
    }

    int64_t offset;
    if (!osp_go_tls_g(go, &offset, &err))
        fail_msg("%s", err.msg);
    const osp_m *spin = m_of(&s, t.spin_tid);
    assert_true(g_of_thread(go, (int)t.spin_tid, offset) == spin->curg);
    assert_true(g_of_thread(go, (int)t.read_tid, offset) == m_of(&s, t.read_tid)->curg);
    if (t.c_tid)
        assert_true(g_of_thread(go, (int)t.c_tid, offset) == m_of(&s, t.c_tid)->g0);

    uint64_t allgs, allgptr, allglen, array, length;
    assert_true(osp_go_global(go, S("runtime.allgs"), &allgs) && osp_go_global(go, S("runtime.allgptr"), &allgptr) &&
                osp_go_global(go, S("runtime.allglen"), &allglen));
    assert_true(osp_go_word(go, allgs, &array) && osp_go_word(go, allgptr, &length) && array == length);
    assert_true(osp_go_word(go, allgs + 8, &length) && osp_go_word(go, allglen, &array) && array == length);
    print_message("# %s: %.*s by %.*s, %u Ms, %u Ps, g at fs:%lld\n", program, STRF(v), STRF(by), s.nm, s.np,
                  (long long)offset);

    osp_m m;
    osp_g g;
    assert_false(osp_go_read_m(go, spin->addr + 8, &m, &err));
    assert_false(osp_go_read_m(go, 0, &m, &err));
    assert_false(osp_go_read_g(go, 3, &g, &err));
    kill(c.pid, SIGKILL);
    waitid(P_PID, (id_t)c.pid, &(siginfo_t){0}, WEXITED | WNOWAIT);
    assert_false(osp_go_snapshot_read(go, &a, &s, &err));
    assert_int_equal(err.code, OSP_EABSENT);
    osp_go_close(go);
    osp_objects_drop(objects);
    osp_process_close(p);
    end(&c);
    osp_arena_drop(&rows);
    osp_arena_drop(&a);
}

static void a_c_program_runs_no_go(void **state)
{
    (void)state;
    osp_err err = {0};
    osp_arena a;
    osp_arena_init(&a, 16 << 20);
    child c = start("/bin/cat");
    char b;
    assert_int_equal(write(c.in, "x", 1), 1);
    assert_int_equal(read(c.out, &b, 1), 1); /* it runs by now */
    osp_process *p = osp_process_open(c.pid, &err);
    osp_map *map;
    uint32_t nmap = 0;
    if (!p || !osp_process_maps(p, &a, &map, &nmap, &err))
        fail_msg("%s", err.msg);
    osp_objects *objects = osp_objects_new(&(osp_object_opts){.no_debug_files = true});
    assert_null(osp_go_open(p, map, nmap, objects, &err));
    assert_int_equal(err.code, OSP_EABSENT);
    osp_objects_drop(objects);
    osp_process_close(p);
    end(&c);
    osp_arena_drop(&a);
}

/* ---- building ----------------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *cgo, *experiment;
    const char *flags[5];
} variants[] = {
    {"pure", "0", "", {NULL}},
    {"pure-stripped", "0", "", {"-ldflags=-s -w", NULL}},
    {"pure-pie-stripped", "0", "", {"-buildmode=pie", "-ldflags=-s -w", NULL}},
    {"pure-experiment", "0", "arenas", {NULL}},
    {"cgo", "1", "", {NULL}},
    {"cgo-stripped", "1", "", {"-ldflags=-s -w", NULL}},
    {"cgo-pie", "1", "", {"-buildmode=pie", NULL}},
    {"cgo-pie-stripped", "1", "", {"-buildmode=pie", "-ldflags=-s -w", NULL}},
};
enum { NVARIANTS = sizeof variants / sizeof *variants };

static void skipped_without_go(void **state)
{
    (void)state;
    print_message("# skipped: no Go toolchain builds %s here\n", (const char *)*state);
    skip();
}

int main(int argc, char **argv)
{
    struct CMUnitTest test[64] = {cmocka_unit_test(a_c_program_runs_no_go)};
    size_t n = 1;
    char dir[] = P_tmpdir "/osprey-test-XXXXXX", path[NVARIANTS][128];
    size_t built = 0;
    if (argc == 2 && mkdtemp(dir)) {
        for (; built < NVARIANTS; built++, n++) {
            snprintf(path[built], sizeof path[built], "%s/%s", dir, variants[built].name);
            const char *command[16] = {"go", "build", "-buildvcs=false", "-o", path[built]};
            size_t k = 5;
            for (const char *const *f = variants[built].flags; *f; f++)
                command[k++] = *f;
            bool ok = run(argv[1], variants[built].cgo, variants[built].experiment, command);
            test[n] = (struct CMUnitTest){.name = variants[built].name,
                                          .test_func = ok ? a_program_read_from_outside_is_what_it_says_of_itself
                                                          : skipped_without_go,
                                          .initial_state = path[built]};
        }
    }
    for (int i = 2; i < argc && n < sizeof test / sizeof *test; i++, n++)
        test[n] = (struct CMUnitTest){.name = argv[i],
                                      .test_func = a_program_read_from_outside_is_what_it_says_of_itself,
                                      .initial_state = argv[i]};
    int failed = _cmocka_run_group_tests("goruntime", test, n, NULL, NULL);
    for (size_t i = 0; i < built; i++)
        unlink(path[i]);
    if (built)
        rmdir(dir);
    return failed;
}
