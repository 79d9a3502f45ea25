/* SPDX-License-Identifier: Apache-2.0 */
/* What Go's net/url makes of a source was asked of Go's net/url. */
#include "source/source_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void sources_become_the_urls_that_go_makes_of_them(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        int64_t seconds;
        const char *url; /* NULL: a file */
    } row[] = {
        {"localhost:6060", 0, "http://localhost:6060/debug/pprof/profile"},
        {"localhost:6060/", 5, "http://localhost:6060/debug/pprof/profile?seconds=5"},
        {"127.0.0.1:8080/x", 0, "http://127.0.0.1:8080/x"},
        {"HTTP://Host/p?b=2&a=1+x&b=%41;&=", 0, "http://Host/p?=&a=1+x&b=2"},
        {"http://h/a b/\"c\"/%41%2f", 0, "http://h/a%20b/%22c%22/A/"},
        {"http://h/p?seconds=7&x#f", 30, "http://h/p?seconds=30&x=#f"},
        {"http://h/p?", 0, "http://h/p?"},
        {"http://u:p@[::1]:80/p", 0, "http://u:p@[::1]:80/p"},
        {"http://[::1%25a%20b]/p", 0, "http://[::1%25a%20b]/p"},
        {"https+insecure://h/p", 0, "https+insecure://h/p"},
        {"ftp://h/p", 0, "ftp://h/p"},
        {"//h/p", 0, "//h/p"},
        {"profile.pb.gz", 0, NULL},
        {"some/file", 0, NULL},
        {"C:\\profile", 0, NULL},
        {"file:///tmp/x", 0, NULL},
        {"52:@[%21]/", 0, NULL},
        {"[a]:80/x", 0, NULL},
        {"http://h:port/", 0, "http://http://h:port/"},
        {"http://h/%zz", 0, NULL},
        {"http://a b/", 0, "http://http://a%20b/"},
        {"", 0, NULL},
        {"a\nb:1", 0, NULL},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        osp_buf url = osp_buf_of(1000);
        int64_t wait_s;
        assert_int_equal(osp_source_url(row[i].source, row[i].seconds, 0, &url, &wait_s), row[i].url != NULL);
        osp_buf_byte(&url, 0);
        if (row[i].url)
            assert_string_equal(url.p, row[i].url);
        osp_buf_drop(&url);
    }
}

static void an_answer_may_take_half_as_long_again_as_the_profile(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        int64_t seconds, timeout, wait_s;
    } row[] = {
        {"h:1", 0, 0, 60},           {"h:1", 30, 0, 45}, {"h:1?seconds=5", 0, 0, 7},
        {"h:1?seconds=5", 10, 3, 3}, {"h:1", -1, 9, 9},  {"h:1?seconds=-5&seconds=3", 0, -1, 60},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        osp_buf url = osp_buf_of(1000);
        int64_t wait_s = 0;
        assert_true(osp_source_url(row[i].source, row[i].seconds, row[i].timeout, &url, &wait_s));
        assert_int_equal(wait_s, row[i].wait_s);
        osp_buf_drop(&url);
    }
}

static void names_are_asked_for_beside_the_profile(void **state)
{
    (void)state;
    static const char *const pair[][2] = {
        {"http://h:1/debug/pprof/profile?seconds=1", "http://h:1/debug/pprof/symbol"},
        {"http://h/x/pprof/heap", "http://h/x/pprof/symbol"},
        {"http://h/profilez", "http://h/symbolz"},
        {"http://h/a/./b/../c/", "http://h/a/symbolz"},
        {"https+insecure://u@h/debug/pprof/x/", "https+insecure://u@h/debug/pprof/symbol"},
    };
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++) {
        osp_buf url = osp_buf_of(1000);
        assert_true(osp_symbol_url(osp_str_from(pair[i][0]), &url));
        osp_buf_byte(&url, 0);
        assert_string_equal(url.p, pair[i][1]);
        osp_buf_drop(&url);
    }
    osp_buf none = osp_buf_of(1000);
    assert_false(osp_symbol_url(S("/some/file"), &none));
    osp_buf_drop(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_become_the_urls_that_go_makes_of_them),
        cmocka_unit_test(an_answer_may_take_half_as_long_again_as_the_profile),
        cmocka_unit_test(names_are_asked_for_beside_the_profile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
