/* SPDX-License-Identifier: Apache-2.0 */
/* Source files by the names that a profile has for them: each case lays files out as some build does, in a directory of
 * its own that is also the working directory's parent, HOME and all else that Go looks at. */
#include "code/code.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64]; /* /tmp/…, the working directory is root/here/app */

static void put(const char *path, const char *text)
{
    char whole[512];
    snprintf(whole, sizeof whole, "%s/%s", root, path);
    for (char *slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        assert_true(mkdir(whole, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *f = fopen(whole, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int lay_out(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/osprey-lines-XXXXXX");
    assert_non_null(mkdtemp(root));
    put("here/app/main.go", "package main\n");
    assert_int_equal(chdir(root), 0);
    assert_int_equal(chdir("here/app"), 0);
    setenv("HOME", root, 1);
    setenv("PATH", "/nowhere", 1);
    static const char *const none[] = {"GOROOT", "GOPATH", "GOMODCACHE", "GOENV", "XDG_CONFIG_HOME"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        unsetenv(none[i]);
    return 0;
}

static int take_away(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    (void)st;
    (void)flag;
    (void)at;
    return remove(path);
}

static int clear(void **state)
{
    (void)state;
    return chdir("/") || nftw(root, take_away, 8, FTW_DEPTH | FTW_PHYS);
}

static osp_str release_of(void *release) { return osp_str_from(release); }

static osp_code_files *searcher(const char *source_path, const char *trim_path, const char *release)
{
    osp_err err = {0};
    osp_code_files *s = osp_code_files_new(&(osp_code_opts){.source_path = osp_str_from(source_path),
                                                            .trim_path = osp_str_from(trim_path),
                                                            .go_release = release_of,
                                                            .ctx = (void *)(uintptr_t)release},
                                           &err);
    assert_non_null(s);
    return s;
}

/* The first line of the file of that name is `want`; "" if none is found. */
static void first_line_is(osp_code_files *s, const char *name, const char *want)
{
    char text[256];
    osp_str line = S("");
    assert_int_equal(osp_code_line(s, osp_str_from(name), 1, &line), *want != 0);
    assert_string_equal(osp_str_z(line, text, sizeof text), want);
    if (*want)
        assert_int_equal(osp_code_why(s, osp_str_from(name)).n, 0);
}

static void why_is(osp_code_files *s, const char *name, const char *want)
{
    char text[512];
    osp_str line;
    assert_false(osp_code_line(s, osp_str_from(name), 1, &line));
    assert_string_equal(osp_str_z(osp_code_why(s, osp_str_from(name)), text, sizeof text), want);
}

static void found(const char *name, const char *want)
{
    osp_code_files *s = searcher("", "", "");
    first_line_is(s, name, want);
    osp_code_files_drop(s);
}

/* ---- where pprof looks -------------------------------------------------------------------------------------- */

static void a_file_is_found_as_pprof_finds_it(void **state)
{
    (void)state;
    char name[128];
    put("here/app/pkg/a.c", "a in pkg\n");
    put("here/b.c", "b above\n");
    snprintf(name, sizeof name, "%s/here/b.c", root);
    found(name, "b above");
    found("pkg/a.c", "a in pkg");
    found("b.c", "b above");
    found("/remote/app/pkg/a.c", "a in pkg"); /* behind the name of the working directory */
    found("/proc/self/cwd/./pkg/a.c", "a in pkg");
    osp_code_files *s = searcher("/nowhere:../app/pkg", "/some/prefix", "");
    first_line_is(s, "/some/prefix/a.c", "a in pkg");
    osp_code_files_drop(s);
}

static void what_is_missing_is_said_in_the_words_of_pprof(void **state)
{
    (void)state;
    osp_code_files *s = searcher("/x:/y", "/none", "");
    why_is(s, "/no/such.c", "open /no/such.c: no such file or directory");
    why_is(s, "no/such.c", "could not find file no/such.c on path /x:/y");
    why_is(s, "/etc/passwd/x.c", "open /etc/passwd/x.c: not a directory");
    why_is(s, "", "could not find file  on path /x:/y");
    osp_code_files_drop(s);
}

/* ---- where only we look ------------------------------------------------------------------------------------- */

static void go_itself_is_found_by_any_name_it_has(void **state)
{
    (void)state;
    char goroot[128];
    put("go-here/VERSION", "go1.77.1\ntime 2031\n");
    put("go-here/src/runtime/proc.go", "proc of 1.77.1\n");
    put("go-here/src/vendor/golang.org/x/net/a.go", "vendored in Go\n");
    snprintf(goroot, sizeof goroot, "%s/go-here", root);
    setenv("GOROOT", goroot, 1);
    found("runtime/proc.go", "proc of 1.77.1");
    found("/opt/other/go/src/runtime/proc.go", "proc of 1.77.1");
    found("/src/hosted/src/go/src/runtime/proc.go", "proc of 1.77.1");
    found("$GOROOT/src/runtime/proc.go", "proc of 1.77.1");
    found("C:/Program Files/Go/src/runtime/proc.go", "proc of 1.77.1");
    found("vendor/golang.org/x/net/a.go", "vendored in Go");
    found("runtime/none.go", "");
}

static void of_several_gos_the_one_of_the_program_is_shown(void **state)
{
    (void)state;
    put("sdk/go1.77.1/VERSION", "go1.77.1\n");
    put("sdk/go1.77.1/src/runtime/proc.go", "proc of 1.77.1\n");
    put("sdk/go1.78/VERSION", "go1.78\ntime 2032\n");
    put("sdk/go1.78/src/runtime/proc.go", "proc of 1.78\n");
    put("go/pkg/mod/golang.org/toolchain@v0.0.1-go1.79.linux-amd64/VERSION", "go1.79\n");
    put("go/pkg/mod/golang.org/toolchain@v0.0.1-go1.79.linux-amd64/src/runtime/proc.go", "proc of 1.79\n");
    static const char *const releases[][2] = {
        {"go1.77.1", "proc of 1.77.1"}, {"go1.78 X:simd", "proc of 1.78"}, {"go1.79", "proc of 1.79"}};
    for (size_t i = 0; i < 3; i++) {
        osp_code_files *s = searcher("", "", releases[i][0]);
        first_line_is(s, "runtime/proc.go", releases[i][1]);
        assert_int_equal(osp_code_files_notes(s).n, 0);
        osp_code_files_drop(s);
    }
    found("/usr/lib/go-1.77.1/src/runtime/proc.go", "proc of 1.77.1"); /* the name tells */
    found("/r/pkg/mod/golang.org/toolchain@v0.0.1-go1.78.linux-amd64/src/runtime/proc.go", "proc of 1.78");
    osp_code_files *s = searcher("", "", "go1.20");
    osp_str line;
    assert_true(osp_code_line(s, S("runtime/proc.go"), 1, &line));
    assert_true(osp_str_has(osp_code_files_notes(s), S("go1.20")));
    osp_code_files_drop(s);
}

static void modules_are_found_in_the_cache(void **state)
{
    (void)state;
    put("go/pkg/mod/github.com/!burnt!sushi/toml@v1.2.3/Lex.go", "lexer\n");
    found("github.com/BurntSushi/toml@v1.2.3/Lex.go", "lexer");
    found("/users/x/go/pkg/mod/github.com/!burnt!sushi/toml@v1.2.3/Lex.go", "lexer");
    found("/cache/of/mine/github.com/!burnt!sushi/toml@v1.2.3/Lex.go", "lexer");
    found("github.com/BurntSushi/toml@v1.2.4/Lex.go", "");
    put("other/github.com/a/b@v1.0.0/x.go", "in GOMODCACHE\n");
    put(".config/go/env", "GOFLAGS=-mod=mod\nGOMODCACHE=/nowhere\n");
    char cache[128];
    snprintf(cache, sizeof cache, "%s/other", root);
    setenv("GOMODCACHE", cache, 1);
    found("github.com/a/b@v1.0.0/x.go", "in GOMODCACHE");
}

static void the_main_module_and_what_it_vendors_is_found(void **state)
{
    (void)state;
    put("here/app/go.mod", "// ours\nmodule example.com/app // here\n\ngo 1.22\n");
    put("here/app/pkg/f.go", "f of app\n");
    put("here/app/vendor/github.com/U/m/g.go", "vendored\n");
    put("here/go.work", "go 1.22\nuse (\n\t./app\n\t./lib // more\n)\n");
    put("here/lib/go.mod", "module \"example.com/lib\"\n");
    put("here/lib/l.go", "l of lib\n");
    found("example.com/app/pkg/f.go", "f of app");
    found("example.com/app@v1.0.0/pkg/f.go", "f of app");
    found("example.com/apple/f.go", "");
    found("github.com/U/m@v1.2.3/g.go", "vendored");
    found("/r/go/pkg/mod/github.com/!u/m@v1.2.3/g.go", "vendored");
    found("github.com/U/m/g.go", "vendored");
    found("/build/vendor/github.com/U/m/g.go", "vendored");
    found("example.com/lib/l.go", "l of lib");
}

static void gopath_is_looked_in(void **state)
{
    (void)state;
    put("go/src/example.com/old/x.go", "old way\n");
    found("/users/other/go/src/example.com/old/x.go", "old way");
    found("example.com/old/x.go", "old way");
}

static void the_end_of_a_name_may_do_and_is_told(void **state)
{
    (void)state;
    put("here/app/src/deep/x.c", "x\n");
    osp_code_files *s = searcher("", "", "");
    first_line_is(s, "/build/4711/src/deep/x.c", "x");
    assert_true(osp_str_has(osp_code_files_notes(s), S("by the end of its name")));
    first_line_is(s, "/build/4711/main.go", ""); /* a file's name alone is not enough */
    osp_code_files_drop(s);
}

/* ---- odd files ---------------------------------------------------------------------------------------------- */

static void only_regular_files_are_opened(void **state)
{
    (void)state;
    char name[128];
    snprintf(name, sizeof name, "%s/here/app/pipe.c", root);
    assert_int_equal(mkfifo(name, 0600), 0);
    osp_code_files *s = searcher("", "", "");
    first_line_is(s, name, ""); /* and does not wait for a writer */
    first_line_is(s, "/dev/zero", "");
    first_line_is(s, "/dev/tty", "");
    first_line_is(s, "/proc/kmsg", "");
    why_is(s, "/dev", "open /dev: is a directory");
    why_is(s, "/dev/null", "open /dev/null: not a regular file");
    osp_str line, nul = {"a\0b", 3};
    assert_false(osp_code_line(s, nul, 1, &line));
    osp_code_files_drop(s);
}

static void lines_end_as_for_a_scanner_of_go(void **state)
{
    (void)state;
    osp_str line;
    put("here/app/x.c", "one\r\n\n  three\nfour");
    put("here/app/empty.c", "");
    FILE *f = fopen("long.c", "w");
    assert_non_null(f);
    fprintf(f, "first\n%065535d\n%065536d\nnever\n", 1, 2);
    fclose(f);
    osp_code_files *s = searcher("", "", "");
    static const char *const want[] = {"one", "", "  three", "four"};
    for (int i = 4; i >= 1; i--) {
        assert_true(osp_code_line(s, S("x.c"), i, &line));
        assert_true(osp_str_eq(line, osp_str_from(want[i - 1])));
    }
    assert_false(osp_code_line(s, S("x.c"), 5, &line));
    assert_false(osp_code_line(s, S("x.c"), 0, &line));
    assert_false(osp_code_line(s, S("x.c"), -1, &line));
    assert_false(osp_code_line(s, S("x.c"), INT64_MAX, &line));
    assert_false(osp_code_line(s, S("empty.c"), 1, &line));
    assert_int_equal(osp_code_why(s, S("empty.c")).n, 0);
    assert_true(osp_code_line(s, S("long.c"), 2, &line));
    assert_int_equal(line.n, 65535);
    assert_false(osp_code_line(s, S("long.c"), 3, &line));
    assert_false(osp_code_line(s, S("long.c"), 4, &line));
    osp_code_files_drop(s);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, lay_out, clear)
    const struct CMUnitTest tests[] = {
        CASE(a_file_is_found_as_pprof_finds_it),
        CASE(what_is_missing_is_said_in_the_words_of_pprof),
        CASE(go_itself_is_found_by_any_name_it_has),
        CASE(of_several_gos_the_one_of_the_program_is_shown),
        CASE(modules_are_found_in_the_cache),
        CASE(the_main_module_and_what_it_vendors_is_found),
        CASE(gopath_is_looked_in),
        CASE(the_end_of_a_name_may_do_and_is_told),
        CASE(only_regular_files_are_opened),
        CASE(lines_end_as_for_a_scanner_of_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
