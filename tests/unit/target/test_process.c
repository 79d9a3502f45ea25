/* SPDX-License-Identifier: Apache-2.0 */
#include "target/target_internal.h"

#include "base/clock.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child that does nothing; ended by stop(). */
static pid_t idle_child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    assert_true(pid > 0);
    return pid;
}

static void stop(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* Wait until a child has ended, and leave it a zombie. */
static void until_zombie(pid_t pid)
{
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static void refuse(int pid, osp_code code, const char *words)
{
    osp_err err = {0};
    assert_null(osp_process_open(pid, &err));
    if (err.code != code || !strstr(err.msg, words))
        fail_msg("pid %d: code %d: %s", pid, (int)err.code, err.msg);
    assert_null(strchr(err.msg, '\n'));
}

static void a_pid_that_does_not_exist_is_one_clear_line(void **state)
{
    (void)state;
    pid_t pid = idle_child();
    stop(pid);
    refuse(pid, OSP_EABSENT, "no such process; `ps -e` lists those that run");
    refuse(0, OSP_EUSAGE, "0 is no process");
    refuse(-7, OSP_EUSAGE, "-7 is no process");
}

static void too_few_descriptors_are_not_called_an_exit(void **state)
{
    (void)state;
    pid_t pid = idle_child();
    struct rlimit before, none;
    getrlimit(RLIMIT_NOFILE, &before);
    osp_err err;
    osp_process *p = NULL;
    for (rlim_t n = 3; !p && n < 64; n++) { /* every number from none to enough */
        none = (struct rlimit){n, before.rlim_max};
        setrlimit(RLIMIT_NOFILE, &none);
        p = osp_process_open(pid, &err);
        setrlimit(RLIMIT_NOFILE, &before);
        if (!p && (err.code != OSP_ELIMIT || strstr(err.msg, "exited")))
            fail_msg("with %d descriptors: code %d: %s", (int)n, (int)err.code, err.msg);
    }
    assert_non_null(p);
    osp_process_close(p);
    stop(pid);
}

/* What a child says of pid after mounting, in a mount namespace of its own, what hides it. */
static void refuse_behind(const char *type, const char *options, bool as_user, pid_t pid, const char *words)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        osp_err err;
        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount(type, "/proc", type, 0, options) != 0 ||
            (as_user &&
             (setgroups(0, NULL) != 0 || setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)))
            _exit(2);
        osp_process *p = osp_process_open(pid, &err);
        _exit(p || !strstr(err.msg, words));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WEXITSTATUS(status) == 2)
        skip(); /* nothing can be mounted here: a chroot, a container */
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_process_that_proc_does_not_show_is_not_called_absent(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    pid_t pid = idle_child();
    refuse_behind("tmpfs", NULL, false, pid, "there is no /proc here");
    refuse_behind("proc", "hidepid=2", true, pid, "/proc hides it");
    stop(pid);
}

static void a_zombie_is_refused(void **state)
{
    (void)state;
    pid_t pid = idle_child();
    kill(pid, SIGKILL);
    until_zombie(pid);
    refuse(pid, OSP_EABSENT, "has exited and only waits for its parent");
    waitpid(pid, NULL, 0);
}

static void *stay(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static void a_process_without_its_main_thread_is_refused(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t t;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pthread_create(&t, NULL, stay, NULL);
        syscall(SYS_exit, 0); /* of this thread only */
    }
    char path[64], buf[512];
    osp_str text;
    osp_err err = {0};
    osp_stat_line st;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    do {
        assert_true(osp_read_small(path, buf, sizeof buf, &text, &err) && osp_stat_parse(text, &st));
        sched_yield();
    } while (st.state != 'Z');
    refuse(pid, OSP_EUSAGE, "has ended while others run on");
    stop(pid);
}

static void a_stopped_process_is_read_like_any_other(void **state)
{
    (void)state;
    osp_err err = {0};
    osp_arena a;
    osp_arena_init(&a, 1 << 20);
    pid_t pid = idle_child();
    kill(pid, SIGSTOP);
    assert_int_equal(waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WSTOPPED | WNOWAIT), 0);
    osp_process *p = osp_process_open(pid, &err);
    assert_non_null(p);
    osp_process_info info;
    osp_map *map;
    uint32_t n;
    assert_true(osp_process_info_read(p, &a, &info, &err));
    assert_int_equal(info.state, 'T');
    assert_true(osp_process_maps(p, &a, &map, &n, &err));
    uint64_t word;
    osp_mem mem = osp_process_mem(p);
    assert_true(mem.read(mem.ctx, (uintptr_t)&a, &word, sizeof word, &err));
    osp_process_close(p);
    stop(pid);
    osp_arena_drop(&a);
}

static void a_thread_of_the_kernel_is_refused(void **state)
{
    (void)state;
    char buf[512];
    osp_str text;
    osp_err err;
    osp_stat_line st;
    if (!osp_read_small("/proc/2/stat", buf, sizeof buf, &text, &err) || !osp_stat_parse(text, &st) ||
        !osp_str_eq(st.name, S("kthreadd"))) {
        print_message("# skipped: pid 2 is not kthreadd here (a container)\n");
        skip();
    }
    refuse(2, OSP_EABSENT, "`kthreadd` is a thread of the kernel");
}

static void a_32_bit_program_is_refused(void **state)
{
    (void)state;
    /* ELF header, one program header, and: mov $29 (pause),%eax; int $0x80; jmp back */
    static const unsigned char program[] = {
        0x7f, 'E', 'L',  'F', 1,    1,    1,    0,    0,    0,    0,    0,    0, 0,    0,    0,    2,    0, 3,
        0,    1,   0,    0,   0,    0x54, 0x80, 0x04, 0x08, 0x34, 0,    0,    0, 0,    0,    0,    0,    0, 0,
        0,    0,   0x34, 0,   0x20, 0,    1,    0,    0,    0,    0,    0,    0, 0,    1,    0,    0,    0, 0,
        0,    0,   0,    0,   0x80, 0x04, 0x08, 0,    0x80, 0x04, 0x08, 0x5d, 0, 0,    0,    0x5d, 0,    0, 0,
        5,    0,   0,    0,   0,    0x10, 0,    0,    0xb8, 29,   0,    0,    0, 0xcd, 0x80, 0xeb, 0xf7,
    };
    int fd = memfd_create("small", MFD_CLOEXEC);
    assert_int_equal(write(fd, program, sizeof program), sizeof program);
    int ready[2]; /* closed by a successful exec */
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        char *argv[] = {"small", NULL};
        fexecve(fd, argv, argv + 1);
        (void)!write(ready[1], "x", 1);
        _exit(1);
    }
    close(ready[1]);
    char c;
    bool failed = read(ready[0], &c, 1) == 1;
    close(ready[0]);
    close(fd);
    if (failed) {
        waitpid(pid, NULL, 0);
        print_message("# skipped: this kernel runs no 32-bit programs\n");
        skip();
    }
    refuse(pid, OSP_ELIMIT, "is a 32-bit program");
    stop(pid);
}

static void a_process_of_another_user_is_refused_with_its_owner_and_the_cure(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        refuse(1, OSP_EPERM, "it belongs to `root`; run as root (sudo), or once: sudo setcap cap_sys_ptrace");
        return;
    }
    int say[2];
    assert_int_equal(pipe(say), 0);
    pid_t target = idle_child(), child = fork();
    if (child == 0) {
        osp_err err = {0};
        if (setgid(65534) || setuid(65534) || osp_process_open(target, &err))
            _exit(1);
        (void)!write(say[1], &err, sizeof err);
        _exit(0);
    }
    osp_err err;
    assert_int_equal(read(say[0], &err, sizeof err), sizeof err);
    waitpid(child, NULL, 0);
    stop(target);
    close(say[0]);
    close(say[1]);
    assert_int_equal(err.code, OSP_EPERM);
    assert_non_null(strstr(err.msg, "it belongs to `root`; run as root (sudo), or once: sudo setcap cap_sys_ptrace"));
}

static void a_process_that_exits_midway_says_so(void **state)
{
    (void)state;
    osp_err err = {0};
    osp_arena a;
    osp_arena_init(&a, 1 << 20);
    pid_t pid = idle_child();
    osp_process *p = osp_process_open(pid, &err);
    assert_non_null(p);
    assert_true(osp_process_alive(p));
    osp_mem mem = osp_process_mem(p);
    static int here = 42;
    int there = 0;
    assert_true(mem.read(mem.ctx, (uintptr_t)&here, &there, sizeof there, &err));
    assert_int_equal(there, 42);

    kill(pid, SIGKILL);
    until_zombie(pid);
    for (int reaped = 0; reaped < 2; reaped++) {
        assert_false(osp_process_alive(p));
        osp_map *map;
        osp_thread *thread;
        osp_process_info info;
        uint32_t n;
        assert_false(osp_process_maps(p, &a, &map, &n, &err));
        assert_non_null(strstr(err.msg, "has exited"));
        assert_false(osp_process_threads(p, &a, &thread, &n, &err));
        assert_non_null(strstr(err.msg, "has exited"));
        assert_false(osp_process_info_read(p, &a, &info, &err));
        assert_non_null(strstr(err.msg, "has exited"));
        assert_false(mem.read(mem.ctx, (uintptr_t)&here, &there, sizeof there, &err));
        assert_int_equal(err.code, OSP_EABSENT);
        assert_non_null(strstr(err.msg, "has exited"));
        if (!reaped)
            waitpid(pid, NULL, 0);
    }
    osp_process_close(p);
    osp_arena_drop(&a);
}

static void memory_is_read_whole_or_not_at_all(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *area = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(area != MAP_FAILED);
    memset(area, 'a', 2 * page);
    assert_int_equal(mprotect(area + 2 * page, page, PROT_NONE), 0);
    pid_t pid = idle_child();
    osp_err err = {0};
    osp_process *p = osp_process_open(pid, &err);
    assert_non_null(p);
    osp_mem mem = osp_process_mem(p);
    char *got = malloc(3 * page);
    assert_true(mem.read(mem.ctx, (uintptr_t)area + 1, got, 2 * page - 1, &err));
    assert_int_equal(got[0], 'a');
    assert_int_equal(got[2 * page - 2], 'a');
    assert_false(mem.read(mem.ctx, (uintptr_t)area, got, 2 * page + 1, &err));
    assert_int_equal(err.code, OSP_EABSENT);
    assert_false(mem.read(mem.ctx, 8, got, 8, &err));
    assert_false(mem.read(mem.ctx, UINT64_MAX - 3, got, 8, &err));
    assert_false(mem.read(mem.ctx, 0xffffffff81000000, got, 8, &err));
    p->memfd = open("/dev/null", O_RDONLY); /* the fallback is taken, and fails on this file */
    assert_false(mem.read(mem.ctx, (uintptr_t)area, got, 8, &err));
    osp_close_fd(&p->memfd);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    p->memfd = open(path, O_RDONLY);
    assert_true(mem.read(mem.ctx, (uintptr_t)area + 1, got, 2 * page - 1, &err));
    assert_false(mem.read(mem.ctx, (uintptr_t)area + 2 * page - 1, got, 2, &err) && got[1] != 0);
    free(got);
    osp_process_close(p);
    stop(pid);
    munmap(area, 3 * page);
}

static void facts_of_a_child_are_those_we_gave_it(void **state)
{
    (void)state;
    osp_err err = {0};
    osp_arena a;
    osp_arena_init(&a, 1 << 20);
    int ready[2], input[2];
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(input[0], 0); /* nothing ever comes: it waits before it looks at its other words */
        execl("/bin/cat", "cat", "-", "", "2", (char *)NULL);
        _exit(1);
    }
    close(ready[1]);
    char c;
    assert_int_equal(read(ready[0], &c, 1), 0);
    close(ready[0]);
    osp_process *p = osp_process_open(pid, &err);
    assert_non_null(p);
    assert_int_equal(osp_process_pid(p), pid);
    osp_thread *thread;
    uint32_t n;
    do { /* until it waits for its input: the kernel closes descriptors before the new program's words stand */
        assert_true(osp_process_threads(p, &a, &thread, &n, &err));
    } while (n == 1 && thread[0].voluntary + thread[0].involuntary == 0);
    osp_process_info info;
    assert_true(osp_process_info_read(p, &a, &info, &err));
    assert_true(osp_str_eq(info.name, S("cat")) || osp_str_eq(info.name, S("coreutils")));
    assert_true(osp_str_eq(info.cmdline, S("cat -  2")));
    assert_true(info.exe.p[0] == '/');
    assert_int_equal(info.uid, geteuid());
    assert_int_equal(info.nthreads, 1);
    assert_false(info.is_32bit);
    assert_true(info.rss_bytes > 0);
    assert_true(info.start_ns > 0);
    assert_true(info.ns_pid > 0);
    assert_int_equal(n, 1);
    assert_int_equal(thread[0].tid, pid);
    assert_int_equal(thread[0].ns_tid, info.ns_pid);
    osp_process_close(p);
    stop(pid);
    close(input[0]);
    close(input[1]);
    osp_arena_drop(&a);
}

/* Copy from to a new file; the copy can be deleted while it is mapped. */
static void copy_program(const char *from, const char *to)
{
    osp_file f;
    osp_err err = {0};
    if (!osp_file_open(from, 16 << 20, &f, &err) || !osp_file_write(to, osp_span_text(f.bytes), &err))
        fail_msg("%s", err.msg);
    osp_file_close(&f);
    assert_int_equal(chmod(to, 0755), 0);
}

static void the_file_behind_a_mapping_opens_even_when_deleted_or_replaced(void **state)
{
    (void)state;
    char dir[] = P_tmpdir "/osprey-test-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/a b\n(deleted)", dir);
    copy_program("/bin/sleep", path);
    int ready[2];
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(path, "sleep", "1000", (char *)NULL);
        _exit(1);
    }
    close(ready[1]);
    char c;
    assert_int_equal(read(ready[0], &c, 1), 0);
    close(ready[0]);
    osp_err err = {0};
    osp_arena a;
    osp_arena_init(&a, 1 << 20);
    osp_process *p = osp_process_open(pid, &err);
    assert_non_null(p);
    for (int round = 0; round < 3; round++) { /* there, deleted, another file in its place */
        if (round == 1)
            assert_int_equal(unlink(path), 0);
        if (round == 2)
            copy_program("/bin/sh", path);
        osp_map *map;
        uint32_t n;
        assert_true(osp_process_maps(p, &a, &map, &n, &err));
        unsigned found = 0, vdso = 0;
        for (uint32_t i = 0; i < n; i++) {
            vdso += osp_str_eq(map[i].path, S("[vdso]"));
            if (!osp_str_eq(map[i].path, osp_str_from(path)))
                continue;
            found++;
            assert_int_equal(map[i].deleted, round > 0);
            int fd = osp_process_map_fd(p, &map[i], &err);
            if (fd < 0)
                fail_msg("%s", err.msg);
            char want[4096], got[4096];
            OSP_AUTO_CLOSE int sleep_fd = open("/bin/sleep", O_RDONLY | O_CLOEXEC);
            ssize_t k = pread(sleep_fd, want, sizeof want, 0);
            assert_int_equal(pread(fd, got, sizeof got, 0), k);
            assert_memory_equal(want, got, (size_t)k);
            close(fd);
        }
        assert_true(found > 1);
        assert_int_equal(vdso, 1);
        assert_int_equal(osp_process_map_fd(p, &map[n - 1], &err), -1); /* [vsyscall] or [vdso] */
        assert_int_equal(err.code, OSP_EABSENT);
    }
    osp_process_close(p);
    stop(pid);
    unlink(path);
    rmdir(dir);
    osp_arena_drop(&a);
}

static void the_host_is_measured(void **state)
{
    (void)state;
    osp_host h;
    osp_host_read(&h);
    assert_true(h.ncpu >= 1);
    assert_true(h.release[0] >= '1' && h.release[0] <= '9');
    assert_int_equal(h.uid, geteuid());
    if (h.has_bpf_loop)
        assert_true(h.bpf_works);
    print_message("# release %s btf %d bpf %d loop %d hardware %d clock %s\n", h.release, h.has_btf, h.bpf_works,
                  h.has_bpf_loop, h.hardware_events, h.clocksource);
}

static void kernel_functions_have_names_or_a_reason(void **state)
{
    (void)state;
    osp_err err = {0};
    osp_kallsyms *k = osp_kallsyms_open(&err);
    if (!k) {
        assert_int_equal(err.code, OSP_EABSENT);
        assert_non_null(strstr(err.msg, "kernel.kptr_restrict"));
        return;
    }
    FILE *f = fopen("/proc/kallsyms", "re");
    char type, name[512];
    unsigned long long addr;
    unsigned checked = 0;
    while (fscanf(f, "%llx %c %511s%*[^\n]", &addr, &type, name) == 3 && checked < 20000) {
        if (type != 'T' || !strncmp(name, "__", 2))
            continue;
        osp_str got, module;
        uint64_t start;
        assert_true(osp_kallsyms_at(k, addr, &got, &module, &start));
        assert_true(start == addr);
        checked += osp_str_eq(got, osp_str_from(name));
    }
    fclose(f);
    assert_true(checked > 1000);
    osp_str got, module;
    uint64_t start;
    assert_false(osp_kallsyms_at(k, 0x1000, &got, &module, &start));
    assert_false(osp_kallsyms_at(k, UINT64_MAX, &got, &module, &start));
    osp_kallsyms_close(k);
}

static const osp_process_row *row_of(const osp_process_row *row, uint32_t n, int pid)
{
    for (uint32_t i = 0; i < n; i++)
        if (row[i].pid == pid)
            return &row[i];
    return NULL;
}

static void all_processes_are_listed_with_the_facts_of_each(void **state)
{
    (void)state;
    pid_t pid = idle_child(), zombie = fork();
    if (zombie == 0)
        _exit(0);
    until_zombie(zombie);
    osp_arena a;
    osp_arena_init(&a, 16 << 20);
    osp_process_row *row;
    uint32_t n;
    osp_err err = {0};
    assert_true(osp_processes_read(&a, &row, &n, &err));
    const osp_process_row *self = row_of(row, n, getpid()), *child = row_of(row, n, pid);
    assert_non_null(self);
    assert_non_null(child);
    assert_null(row_of(row, n, zombie));
    for (uint32_t i = 1; i < n; i++)
        assert_true(row[i - 1].pid < row[i].pid);
    assert_int_equal(child->parent, getpid());
    assert_int_equal(child->nthreads, 1);
    assert_true(osp_str_eq(child->exe, self->exe));
    assert_true(osp_str_starts(osp_str_base(self->exe), S("test_process")));
    assert_true(osp_str_eq(self->name, osp_str_base(self->exe)));
    assert_true(self->cpu_ns > 0 && self->cpu_ns <= osp_clock_ns(CLOCK_PROCESS_CPUTIME_ID));
    assert_true(self->read_ns <= osp_monotonic_ns());
    assert_true(child->start_ns <= osp_clock_ns(CLOCK_BOOTTIME));
    osp_process *p = osp_process_open(pid, &err);
    osp_process_info info;
    assert_non_null(p);
    assert_true(osp_process_info_read(p, &a, &info, &err));
    assert_int_equal(info.start_ns, child->start_ns);
    assert_true(osp_str_eq(info.exe, child->exe));
    assert_int_equal(osp_process_container(INT_MAX, &a).n, 0);
    osp_process_close(p);
    stop(pid);
    waitpid(zombie, NULL, 0);
    osp_arena_drop(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_few_descriptors_are_not_called_an_exit),
        cmocka_unit_test(a_pid_that_does_not_exist_is_one_clear_line),
        cmocka_unit_test(a_process_that_proc_does_not_show_is_not_called_absent),
        cmocka_unit_test(a_zombie_is_refused),
        cmocka_unit_test(a_process_without_its_main_thread_is_refused),
        cmocka_unit_test(a_stopped_process_is_read_like_any_other),
        cmocka_unit_test(a_thread_of_the_kernel_is_refused),
        cmocka_unit_test(a_32_bit_program_is_refused),
        cmocka_unit_test(a_process_of_another_user_is_refused_with_its_owner_and_the_cure),
        cmocka_unit_test(a_process_that_exits_midway_says_so),
        cmocka_unit_test(memory_is_read_whole_or_not_at_all),
        cmocka_unit_test(facts_of_a_child_are_those_we_gave_it),
        cmocka_unit_test(the_file_behind_a_mapping_opens_even_when_deleted_or_replaced),
        cmocka_unit_test(all_processes_are_listed_with_the_facts_of_each),
        cmocka_unit_test(the_host_is_measured),
        cmocka_unit_test(kernel_functions_have_names_or_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
