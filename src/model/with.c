/* SPDX-License-Identifier: Apache-2.0 */
/* with.c: the same profile with other mappings, other names, fewer sample types. All else is shared. */
#include "model/model_internal.h"

#include <stdlib.h>

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

/* Per type: has no other its name? *n: how many of them. */
static bool find_single(const osp_profile *p, bool *single, uint32_t *n)
{
    osp_intern names = {0};
    uint32_t *first = calloc((size_t)p->values.n + 1, sizeof *first); /* per name: the first type of that name */
    bool ok = first != NULL;
    *n = 0;
    for (uint32_t i = 0; ok && i < p->values.n; i++) {
        bool fresh;
        const uint32_t id = osp_intern_put(&names, osp_text(p, p->values.type[i].type), &fresh);
        ok = id != UINT32_MAX;
        if (ok && fresh)
            first[id] = i;
        else if (ok)
            single[first[id]] = false;
        single[i] = ok && fresh;
    }
    for (uint32_t i = 0; i < p->values.n; i++)
        *n += single[i];
    osp_intern_drop(&names);
    free(first);
    return ok;
}

static osp_profile *with_types(const osp_profile *of, const bool *kept, uint32_t n, osp_err *err)
{
    osp_profile *p = osp_profile_borrow(of, doing, err);
    if (!p)
        return NULL;
    osp_value_type *type = osp_new(&p->arena, osp_value_type, n);
    const int64_t **value = osp_new(&p->arena, const int64_t *, n);
    if (!type || !value)
        return given_up(p, err);
    bool preferred = false;
    for (uint32_t i = 0, to = 0; i < of->values.n; i++) {
        if (!kept[i])
            continue;
        type[to] = of->values.type[i];
        value[to++] = of->samples.value[i];
        preferred |= osp_str_eq(osp_text(of, of->values.type[i].type), osp_text(of, of->values.preferred));
    }
    p->values.n = n;
    p->values.type = type;
    p->values.preferred = preferred ? of->values.preferred : type[0].type;
    p->samples.value = value;
    return p;
}

bool osp_profile_with_single_types(const osp_profile *of, osp_profile **out, osp_err *err)
{
    uint32_t n = 0;
    bool *single = calloc((size_t)of->values.n + 1, sizeof *single);
    bool ok = (single && find_single(of, single, &n)) || osp_fail_memory(err, doing);
    *out = NULL;
    if (ok && n < of->values.n) {
        ok = n || osp_fail(err, OSP_EFORMAT, "profiles have empty common sample type list");
        *out = ok ? with_types(of, single, n, err) : NULL;
        ok = *out != NULL;
    }
    free(single);
    return ok;
}
