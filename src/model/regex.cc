/* SPDX-License-Identifier: Apache-2.0 */
#include "model/regex.h"

#include <cstdio>
#include <new>
#include <re2/re2.h>

struct osp_regex {
    RE2 re;
    osp_regex(const re2::StringPiece &pattern, const RE2::Options &options) : re(pattern, options) {}
};

/* What is wrong, in the words of Go's regexp/syntax, which pprof's users know. */
static const char *words(RE2::ErrorCode code)
{
    switch (code) {
    case RE2::ErrorBadEscape: return "invalid escape sequence";
    case RE2::ErrorBadCharClass: return "invalid character class";
    case RE2::ErrorBadCharRange: return "invalid character class range";
    case RE2::ErrorMissingBracket: return "missing closing ]";
    case RE2::ErrorMissingParen: return "missing closing )";
    case RE2::ErrorUnexpectedParen: return "unexpected )";
    case RE2::ErrorTrailingBackslash: return "trailing backslash at end of expression";
    case RE2::ErrorRepeatArgument: return "missing argument to repetition operator";
    case RE2::ErrorRepeatSize: return "invalid repeat count";
    case RE2::ErrorRepeatOp: return "invalid nested repetition operator";
    case RE2::ErrorBadPerlOp: return "invalid or unsupported Perl syntax";
    case RE2::ErrorBadUTF8: return "invalid UTF-8";
    case RE2::ErrorBadNamedCapture: return "invalid named capture";
    case RE2::ErrorPatternTooLarge: return "expression too large";
    default: return "regexp/syntax: internal error";
    }
}

extern "C" osp_regex *osp_regex_new(const char *pattern, size_t n, char *why, size_t size)
{
    try {
        RE2::Options options;
        options.set_log_errors(false);
        osp_regex *r = new osp_regex(re2::StringPiece(pattern, n), options);
        if (r->re.ok())
            return r;
        snprintf(why, size, "error parsing regexp: %s: `%s`", words(r->re.error_code()), r->re.error_arg().c_str());
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
