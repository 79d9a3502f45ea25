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
static const struct {
    RE2::ErrorCode code;
    const char *words;
} complaints[] = {
    {RE2::ErrorBadEscape, "invalid escape sequence"},
    {RE2::ErrorBadCharClass, "invalid character class"},
    {RE2::ErrorBadCharRange, "invalid character class range"},
    {RE2::ErrorMissingBracket, "missing closing ]"},
    {RE2::ErrorMissingParen, "missing closing )"},
    {RE2::ErrorUnexpectedParen, "unexpected )"},
    {RE2::ErrorTrailingBackslash, "trailing backslash at end of expression"},
    {RE2::ErrorRepeatArgument, "missing argument to repetition operator"},
    {RE2::ErrorRepeatSize, "invalid repeat count"},
    {RE2::ErrorRepeatOp, "invalid nested repetition operator"},
    {RE2::ErrorBadPerlOp, "invalid or unsupported Perl syntax"},
    {RE2::ErrorBadUTF8, "invalid UTF-8"},
    {RE2::ErrorBadNamedCapture, "invalid named capture"},
    {RE2::ErrorPatternTooLarge, "expression too large"},
};

static const char *words(RE2::ErrorCode code)
{
    for (const auto &complaint : complaints)
        if (complaint.code == code)
            return complaint.words;
    return "regexp/syntax: internal error";
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
