/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static osp_err err;

static int set_up(void **state)
{
    (void)state;
    osp_str_z(S("/tmp/osprey-file-XXXXXX"), dir, sizeof dir);
    err = (osp_err){0};
    return mkdtemp(dir) ? 0 : -1;
}

static const char *path_of(const char *name)
{
    static char path[2][128];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

static unsigned entries(const char *where)
{
    unsigned n = 0;
    DIR *d = opendir(where);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static int tear_down(void **state)
{
    (void)state;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.')
            unlink(path_of(e->d_name));
    if (d)
        closedir(d);
    return rmdir(dir);
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    osp_file f;
    assert_true(osp_file_write(path_of("a"), S("profile"), &err));
    assert_true(osp_file_open(path_of("a"), 100, &f, &err));
    assert_true(osp_str_eq(osp_span_text(f.bytes), S("profile")));
    assert_true(f.mapped);
    osp_file_close(&f);
    assert_true(osp_file_write(path_of("a"), S("new"), &err));
    assert_true(osp_file_write(path_of("empty"), S(""), &err));
    assert_true(osp_file_open(path_of("empty"), 100, &f, &err));
    assert_int_equal(f.bytes.n, 0);
    osp_file_close(&f);
    assert_int_equal(entries(dir), 2);
}

static void a_file_past_the_limit_is_refused(void **state)
{
    (void)state;
    osp_file f;
    assert_true(osp_file_write(path_of("a"), S("12345"), &err));
    assert_true(osp_file_open(path_of("a"), 5, &f, &err));
    osp_file_close(&f);
    assert_false(osp_file_open(path_of("a"), 4, &f, &err));
    assert_int_equal(err.code, OSP_ELIMIT);
}

static void what_cannot_be_read_has_its_name_in_the_message(void **state)
{
    (void)state;
    osp_file f;
    assert_false(osp_file_open(path_of("missing"), 100, &f, &err));
    assert_int_equal(err.code, OSP_EABSENT);
    assert_non_null(strstr(err.msg, "missing: No such file"));
    assert_false(osp_file_open(dir, 100, &f, &err));
    assert_int_equal(err.code, OSP_EUSAGE);
    assert_non_null(strstr(err.msg, "is a directory"));
    assert_false(osp_file_write(path_of("no/such/folder"), S("x"), &err));
    assert_int_equal(err.code, OSP_EABSENT);
}

static void a_link_stays_a_link(void **state)
{
    (void)state;
    osp_file f;
    struct stat st;
    assert_true(osp_file_write(path_of("old"), S("old"), &err));
    assert_int_equal(symlink("old", path_of("link")), 0);
    assert_true(osp_file_write(path_of("link"), S("new"), &err));
    assert_int_equal(lstat(path_of("link"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_true(osp_file_open(path_of("old"), 100, &f, &err));
    assert_true(osp_str_eq(osp_span_text(f.bytes), S("new")));
    osp_file_close(&f);
    assert_int_equal(entries(dir), 2);
}

static void an_open_file_is_added_to_and_its_name_is_not_replaced(void **state)
{
    (void)state;
    osp_file f;
    char name[32];
    int fd = open(path_of("a"), O_RDWR | O_CREAT | O_APPEND, 0600);
    assert_true(osp_write_fd(fd, S("head "), "a", &err));
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    assert_true(osp_file_write(name, S("tail"), &err));
    assert_true(osp_file_open(path_of("a"), 100, &f, &err));
    assert_true(osp_str_eq(osp_span_text(f.bytes), S("head tail")));
    osp_file_close(&f);
    close(fd);
}

static void pipes_and_proc_are_read_to_their_end(void **state)
{
    (void)state;
    int end[2];
    osp_file f;
    assert_int_equal(pipe(end), 0);
    assert_true(osp_write_fd(end[1], S("through a pipe"), "pipe", &err));
    close(end[1]);
    assert_true(osp_file_open_fd(end[0], "pipe", 14, &f, &err));
    assert_true(osp_str_eq(osp_span_text(f.bytes), S("through a pipe")));
    assert_false(f.mapped);
    osp_file_close(&f);
    close(end[0]);
    assert_true(osp_file_open("/proc/self/status", 1 << 20, &f, &err));
    assert_true(osp_str_starts(osp_span_text(f.bytes), S("Name:")));
    osp_file_close(&f);
    assert_false(osp_file_open("/proc/self/status", 10, &f, &err));
    assert_int_equal(err.code, OSP_ELIMIT);
}

static void small_texts_are_cut_to_their_room(void **state)
{
    (void)state;
    char out[6];
    osp_str text;
    assert_true(osp_file_write(path_of("a"), S("0123456789"), &err));
    assert_true(osp_read_small(path_of("a"), out, sizeof out, &text, &err));
    assert_true(osp_str_eq(text, S("01234")));
    assert_string_equal(out, "01234");
    assert_false(osp_read_small(path_of("missing"), out, sizeof out, &text, &err));
}

static void a_device_is_written_to_directly_and_may_be_full(void **state)
{
    (void)state;
    assert_true(osp_file_write("/dev/null", S("gone"), &err));
    assert_false(osp_file_write("/dev/full", S("kept?"), &err));
    assert_int_equal(err.code, OSP_EIO);
    assert_string_equal(err.msg, "writing /dev/full: No space left on device");
}

/* RLIMIT_FSIZE stands for a disk that fills up half way: it needs no rights. */
static void a_disk_that_fills_up_leaves_the_old_file_and_no_other(void **state)
{
    (void)state;
    enum { BIG = 100000 };
    char *big = calloc(1, BIG);
    assert_non_null(big);
    assert_true(osp_file_write(path_of("a"), S("old"), &err));
    struct rlimit before, small = {4096, 4096};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool ok = osp_file_write(path_of("a"), (osp_str){big, BIG}, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    free(big);
    assert_false(ok);
    assert_non_null(strstr(err.msg, "File too large"));
    assert_int_equal(entries(dir), 1);
    osp_file f;
    assert_true(osp_file_open(path_of("a"), 100, &f, &err));
    assert_true(osp_str_eq(osp_span_text(f.bytes), S("old")));
    osp_file_close(&f);
}

/* In a mount namespace of its own, with a file system of one page: 0 as it must be, 77 where that is not allowed. */
static int write_to_a_tiny_disk(void)
{
    static char big[1 << 20];
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", dir, "tmpfs", 0, "size=64k") != 0)
        return 77;
    if (!osp_file_write(path_of("a"), S("old"), &err))
        return 1;
    if (osp_file_write(path_of("a"), (osp_str){big, sizeof big}, &err))
        return 2;
    if (err.code != OSP_EIO || !strstr(err.msg, "No space left on device"))
        return 3;
    osp_file f;
    if (!osp_file_open(path_of("a"), 100, &f, &err) || !osp_str_eq(osp_span_text(f.bytes), S("old")))
        return 4;
    osp_file_close(&f);
    return entries(dir) == 1 ? 0 : 5;
}

static void a_full_disk_leaves_the_old_file_and_no_other(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0)
        _exit(write_to_a_tiny_disk());
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        print_message("# not root: no file system of our own to fill; RLIMIT_FSIZE stood in for it\n");
    else
        assert_int_equal(WEXITSTATUS(status), 0);
}

static void descriptors_close_themselves(void **state)
{
    (void)state;
    int kept;
    {
        OSP_AUTO_CLOSE int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        kept = fd;
        assert_true(fd >= 0);
    }
    assert_int_equal(fcntl(kept, F_GETFD), -1);
    int none = -1;
    osp_close_fd(&none);
    assert_int_equal(none, -1);
}

static void only_a_regular_file_is_opened_as_one(void **state)
{
    (void)state;
    assert_true(osp_file_write(path_of("plain"), S("x"), &err));
    OSP_AUTO_CLOSE int fd = osp_open_regular(path_of("plain"));
    assert_true(fd >= 0);
    assert_int_equal(mkfifo(path_of("pipe"), 0600), 0);
    assert_int_equal(osp_open_regular(path_of("pipe")), -1); /* and does not wait for a writer */
    assert_int_equal(errno, EINVAL);
    assert_int_equal(osp_open_regular("/dev/null"), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(osp_open_regular(dir), -1);
    assert_int_equal(errno, EISDIR);
    assert_int_equal(osp_open_regular(path_of("none")), -1);
    assert_int_equal(errno, ENOENT);
}

static void the_first_number_that_is_free_is_taken(void **state)
{
    (void)state;
    static const char *const names[] = {"p.001.gz", "p.002.gz", "p.001.gz"};
    char path[128], stem[96];
    snprintf(stem, sizeof stem, "%s/p.", dir);
    for (int i = 0; i < 3; i++) {
        OSP_AUTO_CLOSE int fd = osp_create_numbered(osp_str_from(stem), ".gz", path, sizeof path);
        assert_true(fd >= 0);
        assert_string_equal(path, path_of(names[i]));
        if (i == 1)
            assert_int_equal(unlink(path_of(names[0])), 0);
    }
    assert_int_equal(osp_create_numbered(osp_str_from(stem), ".gz", path, 8), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    assert_int_equal(osp_create_numbered(S(""), ".gz", path, sizeof path), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(entries(dir), 2);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(what_is_written_is_read_back),
        CASE(a_file_past_the_limit_is_refused),
        CASE(what_cannot_be_read_has_its_name_in_the_message),
        CASE(a_link_stays_a_link),
        CASE(an_open_file_is_added_to_and_its_name_is_not_replaced),
        CASE(pipes_and_proc_are_read_to_their_end),
        CASE(small_texts_are_cut_to_their_room),
        CASE(a_device_is_written_to_directly_and_may_be_full),
        CASE(a_disk_that_fills_up_leaves_the_old_file_and_no_other),
        CASE(a_full_disk_leaves_the_old_file_and_no_other),
        CASE(descriptors_close_themselves),
        CASE(the_first_number_that_is_free_is_taken),
        CASE(only_a_regular_file_is_opened_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
