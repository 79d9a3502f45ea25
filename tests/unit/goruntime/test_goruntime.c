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

#include <dirent.h>
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
    int in[2], out[2], ready[2]; /* ready closes by exec */
    assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC) | pipe2(ready, O_CLOEXEC), 0);
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
    close(ready[1]);
    char c;
    assert_int_equal(read(ready[0], &c, 1), 0);
    close(ready[0]);
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

/* A process at hand: its pid and all that is opened on it. */
typedef struct {
    osp_arena arena;
    osp_process *process;
    osp_objects *objects;
    osp_go *go;
} target;

static void open_target(target *t, pid_t pid)
{
    osp_err err = {0};
    osp_image image;
    osp_arena_init(&t->arena, 16 << 20);
    t->process = osp_process_open(pid, &err);
    if (!t->process || !osp_process_image(t->process, &t->arena, &image, &err))
        fail_msg("%s", err.msg);
    t->objects = osp_objects_new(&(osp_object_opts){.no_debug_files = true});
    t->go = osp_go_open(&image, t->objects, &err);
    if (!t->go)
        fail_msg("%s", err.msg);
}

static void close_target(target *t)
{
    osp_go_close(t->go);
    osp_objects_drop(t->objects);
    osp_process_close(t->process);
    osp_arena_drop(&t->arena);
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

/* A goroutine that spins is preempted now and then: its thread is on g0 or gsignal for that moment. */
static bool runs_g(osp_go *go, int tid, int64_t offset, uint64_t g)
{
    for (int i = 0; i < 1000; i++)
        if (g_of_thread(go, tid, offset) == g)
            return true;
    return false;
}

static void a_program_read_from_outside_is_what_it_says_of_itself(void **state)
{
    const char *program = *state;
    osp_err err = {0};
    osp_arena rows;
    osp_arena_init(&rows, 16 << 20);
    child c = start(program);
    truth t = ask(&c);
    target at;
    open_target(&at, c.pid);
    osp_go *go = at.go;

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
    assert_true(runs_g(go, (int)t.spin_tid, offset, spin->curg));
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

    /* The layout of another release is not believed. */
    const uint32_t other[] = {11800, 12200, 12300, 12312, 12400, 12406, 12500, 12600};
    osp_go_places right = go->at;
    unsigned refused = 0;
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        bool newer;
        assert_true(osp_go_layout_of_version(other[i], &go->at, &newer));
        bool same = go->at.pub.m_alllink == right.pub.m_alllink && go->at.sched_mnext == right.sched_mnext;
        go->checked = false;
        bool believed = osp_go_check(go, &err) && go->checked;
        if (!same && believed)
            fail_msg("%.*s is read by the layout of %u", STRF(v), other[i]);
        refused += !believed;
    }
    assert_true(refused > 0);
    go->at = right;
    go->checked = true;

    osp_m m;
    osp_g g;
    assert_false(osp_go_read_m(go, spin->addr + 8, &m, &err));
    assert_false(osp_go_read_m(go, 0, &m, &err));
    assert_false(osp_go_read_g(go, 3, &g, &err));
    kill(c.pid, SIGKILL);
    waitid(P_PID, (id_t)c.pid, &(siginfo_t){0}, WEXITED | WNOWAIT);
    assert_false(osp_go_snapshot_read(go, &rows, &s, &err));
    assert_int_equal(err.code, OSP_EABSENT);
    close_target(&at);
    end(&c);
    osp_arena_drop(&rows);
}

/* A snapshot in which this goroutine is on an M: even one that spins is preempted now and then. */
static const osp_g *snapshot_with(target *t, uint64_t goid, osp_go_snapshot *s)
{
    for (int i = 0; i < 1000; i++, sched_yield()) {
        osp_err err = {0};
        if (!osp_go_snapshot_read(t->go, &t->arena, s, &err))
            fail_msg("%s", err.msg);
        for (uint32_t k = 0; k < s->ng; k++)
            if (s->g[k].goid == goid && s->torn == 0)
                return &s->g[k];
    }
    fail_msg("goroutine %llu is nowhere", (unsigned long long)goid);
    return NULL;
}

static void go_inside_a_c_program_is_found(void **state)
{
    child c = start(*state);
    char line[64] = "";
    int tid = 0;
    unsigned long long goid = 0;
    for (size_t n = 0; n < sizeof line - 1 && !strchr(line, '\n');) {
        ssize_t got = read(c.out, line + n, sizeof line - 1 - n);
        assert_true(got > 0);
        n += (size_t)got;
    }
    assert_int_equal(sscanf(line, "%d %llu", &tid, &goid), 2);
    target t;
    open_target(&t, c.pid);
    osp_err err = {0};
    osp_go_snapshot s;
    int64_t offset;
    if (!osp_go_tls_g(t.go, &offset, &err))
        fail_msg("%s", err.msg);
    const osp_g *g = snapshot_with(&t, goid, &s);
    const osp_m *m = m_of(&s, tid);
    assert_non_null(m);
    assert_true(g->m == m->addr);
    assert_true(runs_g(t.go, tid, offset, m->curg));
    print_message("# %s: g at fs:%lld\n", (const char *)*state, (long long)offset);
    close_target(&t);
    end(&c);
}

/* In a pid namespace of its own a program has other thread numbers than we see. */
static void threads_of_a_container_are_named_as_we_see_them(void **state)
{
    int in[2], out[2], pids[2];
    assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC) | pipe2(pids, O_CLOEXEC), 0);
    pid_t keeper = fork();
    if (keeper == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (unshare(CLONE_NEWPID) != 0)
            _exit(1);
        pid_t pid = fork();
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            dup2(in[0], STDIN_FILENO);
            dup2(out[1], STDOUT_FILENO);
            execl(*state, *state, (char *)NULL);
            _exit(127);
        }
        (void)!write(pids[1], &pid, sizeof pid);
        waitpid(pid, NULL, 0);
        _exit(0);
    }
    close(in[0]);
    close(out[1]);
    close(pids[1]);
    child c = {0, in[1], out[0]};
    bool made = read(pids[0], &c.pid, sizeof c.pid) == (ssize_t)sizeof c.pid;
    close(pids[0]);
    if (!made) {
        waitpid(keeper, NULL, 0);
        close(c.in);
        close(c.out);
        print_message("# skipped: only root may make a pid namespace\n");
        skip();
    }
    truth said = ask(&c);
    target t;
    open_target(&t, c.pid);
    osp_err err = {0};
    osp_go_snapshot s;
    osp_thread *thread;
    uint32_t n, seen = 0, spins = 0;
    const osp_g *g = snapshot_with(&t, (uint64_t)said.spin_g, &s);
    if (!osp_process_threads(t.process, &t.arena, &thread, &n, &err))
        fail_msg("%s", err.msg);
    for (uint32_t i = 0; i < n; i++) {
        const osp_m *m = m_of(&s, thread[i].tid);
        seen += m != NULL;
        if (!m || thread[i].ns_tid != said.spin_tid)
            continue;
        spins++;
        assert_true(thread[i].ns_tid != thread[i].tid);
        assert_true(g->m == m->addr);
        osp_m one;
        assert_true(osp_go_read_m(t.go, m->addr, &one, &err));
        assert_int_equal(one.tid, thread[i].tid);
    }
    assert_int_equal(spins, 1);
    assert_true(seen >= 3);
    close_target(&t);
    kill(c.pid, SIGKILL);
    waitpid(keeper, NULL, 0);
    close(c.in);
    close(c.out);
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
    osp_image image;
    if (!p || !osp_process_image(p, &a, &image, &err))
        fail_msg("%s", err.msg);
    osp_objects *objects = osp_objects_new(&(osp_object_opts){.no_debug_files = true});
    assert_null(osp_go_open(&image, objects, &err));
    assert_int_equal(err.code, OSP_EABSENT);
    osp_objects_drop(objects);
    osp_process_close(p);
    end(&c);
    osp_arena_drop(&a);
}

/* From exec on, at every moment of the start, a program opens; its rows are right or not there yet. */
static void a_program_that_is_just_starting_is_no_error(void **state)
{
    unsigned early = 0;
    for (int i = 0; i < 20; i++) {
        osp_err err = {0};
        child c = start(*state);
        target t;
        open_target(&t, c.pid);
        osp_go_snapshot s;
        for (int k = 0; !osp_go_snapshot_read(t.go, &t.arena, &s, &err); k++) {
            if (err.code != OSP_EABSENT || !strstr(err.msg, "has not started") || k > 100000)
                fail_msg("%s", err.msg);
            early += k == 0;
        }
        assert_true(t.go->checked && s.nm > 0);
        close_target(&t);
        end(&c);
    }
    print_message("# met %u of 20 before their runtime was up\n", early);
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

static const struct {
    const char *name, *mode, *ldflags;
} hosts[] = {
    {"c-shared", "-buildmode=c-shared", "-ldflags="},
    {"c-shared-stripped", "-buildmode=c-shared", "-ldflags=-s -w"},
    {"c-archive", "-buildmode=c-archive", "-ldflags="},
};
enum { NHOSTS = sizeof hosts / sizeof *hosts };

/* Build library/ and host/host.c into dir/NAME; what else that made stands in dir too. */
static bool build_host(const char *source, const char *dir, size_t i, char *path, size_t size)
{
    char library[128], include[160];
    snprintf(library, sizeof library, "%s/lib%s.%s", dir, hosts[i].name,
             strstr(hosts[i].mode, "shared") ? "so" : "a");
    snprintf(include, sizeof include, "%s/host/host.c", source);
    snprintf(path, size, "%s/%s", dir, hosts[i].name);
    const char *go[] = {"go", "build", "-buildvcs=false", hosts[i].mode, hosts[i].ldflags,
                        "-o", library, "./library",       NULL};
    const char *cc[] = {"cc", "-O2", "-o", path, include, library, "-lpthread", NULL};
    return run(source, "1", "", go) && run(source, "1", "", cc);
}

static void remove_all(const char *dir)
{
    DIR *d = opendir(dir);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));)
        unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    rmdir(dir);
}

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
    char dir[] = P_tmpdir "/osprey-test-XXXXXX", path[NVARIANTS][128], host[NHOSTS][128];
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
    static const size_t starting[] = {0, 1, NVARIANTS - 1};
    for (size_t k = 0; built && k < sizeof starting / sizeof *starting; k++) {
        size_t i = starting[k];
        if (test[1 + i].test_func == skipped_without_go)
            continue;
        test[n++] = (struct CMUnitTest){.name = "a_program_that_is_just_starting_is_no_error",
                                        .test_func = a_program_that_is_just_starting_is_no_error,
                                        .initial_state = path[i]};
    }
    if (built) {
        test[n] = test[1];
        test[n].name = "threads_of_a_container_are_named_as_we_see_them";
        if (test[n].test_func != skipped_without_go)
            test[n].test_func = threads_of_a_container_are_named_as_we_see_them;
        n++;
    }
    for (size_t i = 0; built && i < NHOSTS; i++)
        test[n++] = (struct CMUnitTest){.name = hosts[i].name,
                                        .test_func = build_host(argv[1], dir, i, host[i], sizeof host[i])
                                                         ? go_inside_a_c_program_is_found
                                                         : skipped_without_go,
                                        .initial_state = host[i]};
    for (int i = 2; i < argc && n < sizeof test / sizeof *test; i++, n++)
        test[n] = (struct CMUnitTest){.name = argv[i],
                                      .test_func = a_program_read_from_outside_is_what_it_says_of_itself,
                                      .initial_state = argv[i]};
    int failed = _cmocka_run_group_tests("goruntime", test, n, NULL, NULL);
    if (argc == 2)
        remove_all(dir);
    return failed;
}
