/* SPDX-License-Identifier: Apache-2.0 */
#include "model/regex.h"

#include <cstdio>
#include <new>
#include <re2/re2.h>

struct osp_regex {
    RE2 re;
    osp_regex(const re2::StringPiece &pattern, const RE2::Options &options) : re(pattern, options) {}
};

extern "C" osp_regex *osp_regex_new(const char *pattern, size_t n, char *why, size_t size)
{
    try {
        RE2::Options options;
        options.set_log_errors(false);
        osp_regex *r = new osp_regex(re2::StringPiece(pattern, n), options);
        if (r->re.ok())
            return r;
        snprintf(why, size, "%s", r->re.error().c_str());
        delete r;
    } catch (const std::bad_alloc &) {
        snprintf(why, size, "out of memory");
    }
    return nullptr;
}

extern "C" void osp_regex_drop(osp_regex *re) { delete re; }

extern "C" bool osp_regex_match(const osp_regex *re, const char *text, size_t n)
{
    return RE2::PartialMatch(re2::StringPiece(text, n), re->re);
}
