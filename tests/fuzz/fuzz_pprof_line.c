/* SPDX-License-Identifier: Apache-2.0 */
/* Lines as a person might type them into pprof's shell: cut into words, read as a command, completed, and their values
 * given to options. */
#include "cli/pprof_cli.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static osp_profile *small_profile(void)
{
    osp_err err = {0};
    osp_builder *b = osp_builder_new(1 << 20, &err);
    if (!b)
        abort();
    osp_builder_value(b, S("alloc_space"), S("bytes"));
    osp_builder_value(b, S("inuse_space"), S("bytes"));
    const osp_line line = {osp_builder_function(b, S("main.(*T).run[...]"), S(""), S("main.go"), 1), 0, 7};
    const osp_line other = {osp_builder_function(b, S("std::map<int, char>::at"), S(""), S("m.h"), 1), 0, 9};
    osp_location_id at[2] = {osp_builder_location(b, (osp_mapping_id){0}, 1, &line, 1),
                             osp_builder_location(b, (osp_mapping_id){0}, 2, &other, 1)};
    const osp_label label = {osp_builder_string(b, S("route")), osp_builder_string(b, S("/a b")), {0}, 0};
    osp_builder_sample(b, osp_builder_stack(b, at, 2), osp_builder_labels(b, &label, 1), (int64_t[]){1, 2}, 0);
    osp_profile *p = osp_builder_finish(b, &err);
    if (!p)
        abort();
    return p;
}

static void inside(osp_str part, osp_str whole)
{
    if (part.n && (part.p < whole.p || part.p + part.n > whole.p + whole.n))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static osp_profile *p;
    if (!p)
        p = small_profile();
    char *copy = malloc(n + 1); /* its own, so that a step outside is seen */
    if (!copy)
        abort();
    if (n)
        memcpy(copy, bytes, n);
    osp_str text = {copy, n}, rest = text;
    inside(osp_go_trim(text), text);
    for (osp_str word; (word = osp_go_cut_field(&rest)).n;)
        inside(word, text);
    osp_arena a;
    osp_err err = {0};
    osp_arena_init(&a, 64 << 20);
    const osp_config config = osp_config_defaults();
    osp_pprof_line line;
    if (!osp_pprof_line_read(text, &config, &a, &line, &err) && !err.msg[0])
        abort();
    osp_completion_list list;
    if (osp_pprof_complete(p, text, &a, &list) && (list.typed > n || !list.n || !list.insert.p))
        abort();
    osp_config set = config;
    osp_str value = text, name = osp_str_cut(&value, '=');
    const osp_choice *choice;
    const osp_field *f = osp_field_named(name, &choice);
    osp_buf shown = osp_buf_of(1 << 20);
    if (f && !choice && osp_field_set(f, &set, value, &err))
        osp_field_text(f, &set, &shown);
    if (f && !choice && !f->choices && osp_field_set_flag(f, &set, value, &err))
        osp_field_text(f, &set, &shown);
    osp_buf_drop(&shown);
    osp_arena_drop(&a);
    free(copy);
    return 0;
}
