/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of pprof's shell, read without a profile. */
#include "cli/pprof_cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* command, argument, nodecount, sort, focus, ignore, tagfocus, output, pipe; or what was wrong. */
static const char *read_as(const char *text, char out[400])
{
    osp_arena a;
    osp_err err = {0};
    osp_pprof_line l;
    osp_arena_init(&a, 1 << 20);
    const osp_config c = osp_config_defaults();
    if (osp_pprof_line_read(osp_str_from(text), &c, &a, &l, &err))
        snprintf(out, 400, "%s(%.*s) %lld %.*s f=%.*s i=%.*s t=%.*s >%.*s |%.*s", l.command->name, STRF(l.argument),
                 (long long)l.config.nodecount, STRF(l.config.sort), STRF(l.config.focus), STRF(l.config.ignore),
                 STRF(l.config.tagfocus), STRF(l.config.output), STRF(l.pipe));
    else
        snprintf(out, 400, "%s", err.msg);
    osp_arena_drop(&a);
    return out;
}

static void lines_are_read_as_the_peer_reads_them(void **state)
{
    (void)state;
    static const char *const want[][2] = {
        {"top", "top() 10 flat f= i= t= > |"},
        {"top5", "top() 5 flat f= i= t= > |"},
        {"text 5 -cum", "text() 5 cum f= i= t= > |"},
        {"tree --cum a b -c -d", "tree() -1 cum f=a|b i=c|d t= > |"},
        {"top99999999999", "top() 10 flat f=99999999999 i= t= > |"},
        {"top - -7 +3", "top() 3 flat f= i= t= > |"},
        {"peek5 x", "peek(5) -1 flat f=x i= t= > |"},
        {"peek", "command peek requires an argument"},
        {"tags a -b", "tags() -1 flat f= i= t=a > |"},
        {"top >f x", "top() 10 flat f=x i= t= >f |"},
        {"top > f", "top() 10 flat f= i= t= >f |"},
        {"top >", "unexpected end of line after >"},
        {"top x | sort -n | head", "top() 10 flat f=x i= t= > |sort -n | head"},
        {"top |less", "top() 10 flat f= i= t= > |less"},
        {"top |", "unexpected end of line after |"},
        {"quux", "unrecognized command: \"quux\""},
        {"quux9", "unrecognized command: \"quux\""},
        {"9", "unrecognized command: \"9\""},
        {"a\"b\x01", "unrecognized command: \"a\\\"b\\x01\""},
        {"focus x", "did you mean: focus=x"},
        {"nodecount5", "did you mean: nodecount=5"},
        {"lines", "did you mean: lines=<val>"},
        {"granularity x", "unrecognized command: \"granularity\""},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        char out[400];
        assert_string_equal(read_as(want[i][0], out), want[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read_as_the_peer_reads_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
