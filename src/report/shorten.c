/* SPDX-License-Identifier: Apache-2.0 */
/* The peer has a regular expression for each language; these read the same by hand. */
#include "report/shorten.h"

static bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
static bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
static bool is_word(char c) { return osp_is_digit(c) || is_lower(c) || is_upper(c) || c == '_'; }

static bool starts_at(osp_str s, size_t at, osp_str text) { return osp_str_starts(osp_str_skip(s, at), text); }

/* Where the line ends that at is in. */
static size_t line_end(osp_str s, size_t at)
{
    while (at < s.n && s.p[at] != '\n')
        at++;
    return at;
}

/* ^(.*?)/v(?:[2-9]|[1-9][0-9]+)([./].*)$ without what stands between the groups. */
static osp_str without_version(osp_str s, char *room)
{
    if (line_end(s, 0) < s.n)
        return s;
    for (size_t i = 0; i + 3 < s.n; i++) {
        if (s.p[i] != '/' || s.p[i + 1] != 'v' || s.p[i + 2] == '0' || !osp_is_digit(s.p[i + 2]))
            continue;
        size_t end = i + 2;
        while (end < s.n && osp_is_digit(s.p[end]))
            end++;
        if (end == s.n || (s.p[end] != '.' && s.p[end] != '/') || (end == i + 3 && s.p[i + 2] == '1'))
            continue;
        memcpy(room, s.p, i);
        memcpy(room + i, s.p + end, s.n - end);
        return (osp_str){room, i + s.n - end};
    }
    return s;
}

/* ^(?:[\w\-\.]+\/)+([^.]+\..+) */
static bool go_name(osp_str s, osp_str *out)
{
    size_t last[2] = {0, 0}; /* after the last slash that may end the directories, and after the last of a fit */
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '/' && !is_word(s.p[i]) && s.p[i] != '-' && s.p[i] != '.')
            break;
        if (s.p[i] != '/')
            continue;
        if (i == last[0]) /* an empty directory */
            break;
        last[0] = i + 1;
        osp_str rest = osp_str_skip(s, i + 1);
        size_t dot = osp_str_find(rest, S("."));
        if (dot > 0 && dot + 1 < rest.n && rest.p[dot + 1] != '\n')
            last[1] = i + 1;
    }
    if (last[1] == 0)
        return false;
    osp_str rest = osp_str_skip(s, last[1]);
    *out = osp_str_head(rest, line_end(rest, osp_str_find(rest, S("."))));
    return true;
}

static size_t java_word(osp_str s, size_t at)
{
    while (at < s.n && (is_word(s.p[at]) || s.p[at] == '$'))
        at++;
    return at;
}

/* ^(?:[a-z]\w*\.)*([A-Z][\w\$]*\.(?:<init>|[a-z][\w\$]*(?:\$\d+)?))(?:(?:\()|$) */
static bool java_name(osp_str s, osp_str *out)
{
    size_t from = 0;
    while (from < s.n && is_lower(s.p[from])) {
        size_t end = from;
        while (end < s.n && is_word(s.p[end]))
            end++;
        if (end == s.n || s.p[end] != '.')
            return false;
        from = end + 1;
    }
    if (from == s.n || !is_upper(s.p[from]))
        return false;
    size_t dot = java_word(s, from), to = dot + 1;
    if (dot == s.n || s.p[dot] != '.' || to == s.n)
        return false;
    if (starts_at(s, to, S("<init>")))
        to += 6;
    else if (is_lower(s.p[to]))
        to = java_word(s, to);
    else
        return false;
    *out = (osp_str){s.p + from, to - from};
    return to == s.n || s.p[to] == '(';
}

/* The end of the C++ name at `at`; `at` if there is none. */
static size_t cpp_word(osp_str s, size_t at)
{
    if (at < s.n && is_word(s.p[at]) && !osp_is_digit(s.p[at]))
        while (at < s.n && is_word(s.p[at]))
            at++;
    return at;
}

static bool is_class(osp_str s, size_t at)
{
    while (at < s.n && s.p[at] == '_')
        at++;
    return at < s.n && is_upper(s.p[at]);
}

/* ^(?:[_a-zA-Z]\w*::)+(_*[A-Z]\w*::~?[_a-zA-Z]\w*(?:<.*>)?) */
static bool cpp_name(osp_str s, osp_str *out)
{
    size_t at = 0, from = 0, to = 0;
    for (;;) {
        size_t end = cpp_word(s, at);
        if (end == at || !starts_at(s, end, S("::")))
            break;
        size_t member = end + 2, tail = member + starts_at(s, member, S("~"));
        if (at > 0 && is_class(s, at) && cpp_word(s, tail) > tail) {
            from = at;
            to = cpp_word(s, tail);
        }
        at = member;
    }
    if (from == 0)
        return false;
    if (to < s.n && s.p[to] == '<') {
        size_t close = osp_str_rfind(osp_str_head(s, line_end(s, to)), '>');
        if (close < line_end(s, to))
            to = close + 1;
    }
    *out = (osp_str){s.p + from, to - from};
    return true;
}

osp_str osp_short_name(osp_str name, char *room)
{
    osp_str s = name, part;
    if (osp_str_starts(s, S("(anonymous namespace)::")))
        s = osp_str_skip(s, 23);
    s = without_version(s, room);
    return go_name(s, &part) || java_name(s, &part) || cpp_name(s, &part) ? part : s;
}
