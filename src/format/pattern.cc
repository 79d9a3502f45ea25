/* SPDX-License-Identifier: Apache-2.0 */
#include "format/pattern.h"

#include <new>
#include <re2/re2.h>

struct osp_pattern {
    RE2 re;
    osp_pattern(const char *expression, const RE2::Options &options) : re(expression, options) {}
};

extern "C" osp_pattern *osp_pattern_new(const char *expression)
{
    try {
        RE2::Options options;
        options.set_log_errors(false);
        /* Go takes a byte that is no UTF-8 for a character, too. */
        options.set_encoding(RE2::Options::EncodingLatin1);
        osp_pattern *p = new osp_pattern(expression, options);
        if (p->re.ok())
            return p;
        delete p;
    } catch (const std::bad_alloc &) {
    }
    return nullptr;
}

extern "C" void osp_pattern_drop(osp_pattern *pattern) { delete pattern; }

extern "C" bool osp_pattern_find(const osp_pattern *pattern, const char *text, size_t size, osp_group *group, int n)
{
    re2::StringPiece found[9], all(text, size);
    if (!pattern->re.Match(all, 0, size, RE2::UNANCHORED, found, n + 1))
        return false;
    for (int i = 0; i < n; i++)
        group[i] = {found[i + 1].data(), found[i + 1].size()};
    return true;
}
