/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of this room against what they were taken from: the DWARF of a program built by each Go release, and the
 * release's own sources.
 *
 * Usage: test_layouts DIRECTORY-OF-THE-PROGRAM [RELEASE...]. Releases are names of toolchains ("go1.22.12") that the go
 * command in the path fetches when it has not got them; OSPREY_GO_RELEASES (separated by blanks) overrides the list.
 * What cannot be had is skipped. */
#include "goruntime/goruntime_internal.h"

#include "base/buf.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *program_dir;

/* What `go ARGUMENTS` of a release prints; false if it fails. */
static bool go(const char *release, const char *const *argv, char *out, size_t size)
{
    int say[2];
    assert_int_equal(pipe2(say, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        setenv("GOTOOLCHAIN", release, 1);
        setenv("CGO_ENABLED", "0", 1);
        bool old = strcmp(release, "go1.16.15") == 0 || strcmp(release, "go1.17.13") == 0;
        setenv("GOFLAGS", old ? "-mod=mod" : "-buildvcs=false", 1); /* a flag that 1.18 brought */
        dup2(say[1], STDOUT_FILENO);
        if (chdir(program_dir) == 0)
            execvp("go", (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(say[1]);
    size_t n = 0;
    for (ssize_t got; n + 1 < size && (got = read(say[0], out + n, size - 1 - n)) > 0;)
        n += (size_t)got;
    out[n] = 0;
    while (n && out[n - 1] == '\n')
        out[--n] = 0;
    close(say[0]);
    int status = -1;
    return waitpid(pid, &status, 0) == pid && status == 0;
}

static void layout_matches(osp_object *o)
{
    osp_go_info info;
    osp_err err = {0};
    bool plain, newer;
    osp_go_places table, dwarf;
    assert_true(osp_object_go(o, &info));
    uint32_t version = osp_go_version_parse(info.version, &plain);
    assert_true(plain);
    assert_true(osp_go_layout_of_version(version, &table, &newer));
    assert_false(newer);
    if (!osp_go_layout_of_dwarf(o, version, &dwarf, &err))
        fail_msg("%s", err.msg);
    unsigned wrong = 0;
    for (size_t i = 0; i < osp_go_nfields; i++) {
        const osp_go_field *f = &osp_go_fields[i];
        int32_t t = *osp_go_field_of(&table, f), d = *osp_go_field_of(&dwarf, f);
        if (t != d) {
            print_message("# %.*s %s.%s: table %d, DWARF %d\n", STRF(info.version), f->type, f->path, t, d);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
    print_message("# %.*s: %zu fields as in its DWARF\n", STRF(info.version), osp_go_nfields);
}

/* runtime2.go numbers its reasons in a const block that starts with waitReasonZero, and then lists their texts as
 * waitReasonSleep: "sleep", each on a line. */
static void wait_reasons_match(const char *goroot, uint32_t version)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/src/runtime/runtime2.go", goroot);
    osp_file f;
    osp_err err = {0};
    if (!osp_file_open(path, 4 << 20, &f, &err))
        fail_msg("%s", err.msg);
    osp_str text = osp_span_text(f.bytes), name[256];
    uint32_t n = 0, texts = 0;
    text = osp_str_skip(text, osp_str_find(text, S("\twaitReasonZero ")));
    for (osp_str line; (line = osp_str_trim(osp_str_cut(&text, '\n'))).n && line.p[0] != ')';)
        if (osp_str_starts(line, S("waitReason")) && n < 256)
            name[n++] = osp_str_cut(&line, ' ');
    assert_true(n > 20);
    struct osp_go fake = {.number = version};
    text = osp_str_skip(text, osp_str_find(text, S("waitReasonStrings")));
    (void)osp_str_cut(&text, '\n');
    for (osp_str line; (line = osp_str_trim(osp_str_cut(&text, '\n'))).n && line.p[0] != '}'; texts++) {
        osp_str word = osp_str_cut(&line, ':');
        (void)osp_str_cut(&line, '"');
        osp_str want = osp_str_cut(&line, '"');
        uint32_t number = 0;
        while (number < n && !osp_str_eq(osp_str_trim(name[number]), word))
            number++;
        osp_str have = osp_go_waitreason_text(&fake, (uint8_t)number);
        if (number == n || !osp_str_eq(have, want))
            fail_msg("%u: wait reason %u (%.*s) is `%.*s`, not `%.*s`", version, number, STRF(word), STRF(want),
                     STRF(have));
    }
    assert_int_equal(texts, n);
    for (uint32_t i = n; i < 256; i++)
        assert_int_equal(osp_go_waitreason_text(&fake, (uint8_t)i).n, 0);
    print_message("# %u: %u wait reasons as in its source\n", version, n);
    osp_file_close(&f);
}

static void the_tables_are_those_of_the_release(void **state)
{
    const char *release = *state;
    char out[] = P_tmpdir "/osprey-test-XXXXXX", goroot[4096], said[4096];
    int fd = mkstemp(out);
    assert_true(fd >= 0);
    close(fd);
    bool had = go(release, (const char *const[]){"go", "env", "GOROOT", NULL}, goroot, sizeof goroot) &&
               go(release, (const char *const[]){"go", "build", "-o", out, ".", NULL}, said, sizeof said);
    OSP_AUTO_CLOSE int program = had ? open(out, O_RDONLY | O_CLOEXEC) : -1;
    unlink(out);
    if (program < 0) {
        print_message("# skipped: %s cannot be had or does not build here\n", release);
        skip();
    }
    osp_err err = {0};
    osp_object *o = osp_object_open_fd(program, release, NULL, &err);
    osp_go_info info;
    bool plain;
    if (!o)
        fail_msg("%s", err.msg);
    layout_matches(o);
    assert_true(osp_object_go(o, &info));
    wait_reasons_match(goroot, osp_go_version_parse(info.version, &plain));
    osp_object_close(o);
}

int main(int argc, char **argv)
{
    struct CMUnitTest test[64];
    char list[4096], *release[64];
    size_t n = 0;
    const char *given = getenv("OSPREY_GO_RELEASES");
    program_dir = argc > 1 ? argv[1] : ".";
    if (given) {
        snprintf(list, sizeof list, "%s", given);
        char *rest = list;
        for (char *word; n < 64 && (word = strsep(&rest, " "));)
            if (*word)
                release[n++] = word;
    } else {
        for (int i = 2; i < argc && n < 64; i++)
            release[n++] = argv[i];
    }
    for (size_t i = 0; i < n; i++)
        test[i] = (struct CMUnitTest){
            .name = release[i], .test_func = the_tables_are_those_of_the_release, .initial_state = release[i]};
    return _cmocka_run_group_tests("layouts", test, n, NULL, NULL);
}
