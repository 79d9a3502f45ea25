/* SPDX-License-Identifier: Apache-2.0 */
/* with.c: the same profile with other mappings, or with other names. All else is shared. */
#include "model/model_internal.h"

static const char doing[] = "changing a profile";

static osp_profile *given_up(osp_profile *p, osp_err *err)
{
    osp_profile_drop(p);
    osp_fail_memory(err, doing);
    return NULL;
}

/* Put s behind the strings, for which there is room. Strings that are there already may stand twice: ids stay valid. */
static bool put(osp_profile *p, osp_str *text, osp_str s, osp_string_id *id)
{
    id->i = 0;
    if (s.n == 0)
        return true;
    id->i = p->strings.n;
    text[p->strings.n++] = osp_arena_str(&p->arena, s);
    return text[id->i].p != NULL;
}

static bool all_in_first(osp_profile *p)
{
    osp_mapping_id *in = osp_new(&p->arena, osp_mapping_id, (size_t)p->locations.n);
    for (uint32_t i = 0; in && i < p->locations.n; i++)
        in[i].i = 1;
    p->locations.mapping = in;
    return in != NULL;
}

osp_profile *osp_profile_with_mappings(const osp_profile *of, const osp_mapping_text *row, uint32_t n, osp_err *err)
{
    osp_profile *p = osp_profile_borrow(of, doing, err);
    if (!p)
        return NULL;
    osp_str *text = osp_new(&p->arena, osp_str, (size_t)of->strings.n + 2 * (size_t)n);
    osp_mapping *maps = osp_new(&p->arena, osp_mapping, n);
    if (!text || !maps)
        return given_up(p, err);
    memcpy(text, of->strings.text, of->strings.n * sizeof *text);
    p->strings.text = text;
    for (uint32_t i = 1; i < n; i++) {
        const osp_mapping_text *m = &row[i];
        maps[i] = (osp_mapping){.start = m->start, .limit = m->limit, .offset = m->offset, .has = m->has};
        if (!put(p, text, m->file, &maps[i].file) || !put(p, text, m->build_id, &maps[i].build_id))
            return given_up(p, err);
    }
    bool had_none = of->mappings.n == 1 && n == 2;
    p->mappings.row = maps;
    p->mappings.n = n;
    return had_none && !all_in_first(p) ? given_up(p, err) : p;
}

osp_profile *osp_profile_with_linker_names(const osp_profile *of, osp_err *err)
{
    osp_profile *p = osp_profile_borrow(of, doing, err);
    if (!p)
        return NULL;
    osp_function *row = osp_new(&p->arena, osp_function, of->functions.n);
    if (!row)
        return given_up(p, err);
    for (uint32_t i = 0; i < of->functions.n; i++) {
        row[i] = of->functions.row[i];
        if (row[i].name.i && row[i].linker_name.i)
            row[i].name = row[i].linker_name;
    }
    p->functions.row = row;
    return p;
}
