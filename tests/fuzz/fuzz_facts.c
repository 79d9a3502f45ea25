/* SPDX-License-Identifier: Apache-2.0 */
/* Saved facts, which a stranger may have sent. What is accepted can be judged and printed, and comes back from a second
 * writing as it was. */
#include "diagnose/diagnose.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { ARENA_LIMIT = 64 << 20 };

static void judge(const osp_facts *f)
{
    osp_findings found;
    osp_buf json = osp_buf_of(4 << 20);
    (void)osp_asked_for(f);
    osp_diagnose(f, &found);
    for (uint32_t i = 0; i < found.n; i++)
        if (!(found.row[i].confidence >= 0 && found.row[i].confidence <= 1) || !osp_rule_of(&found.row[i]))
            abort();
    osp_findings_json(f, &found, &json);
    osp_buf_drop(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    osp_arena a, b;
    osp_facts f, g;
    osp_err err = {0};
    osp_arena_init(&a, ARENA_LIMIT);
    osp_arena_init(&b, ARENA_LIMIT);
    osp_buf first = osp_buf_of(ARENA_LIMIT), second = osp_buf_of(ARENA_LIMIT);
    bool ok = osp_facts_load((osp_span){bytes, n}, &a, &f, &err);
    if (!ok && err.code == OSP_OK)
        abort();
    if (ok && osp_facts_save(&f, &first, &err)) {
        judge(&f);
        if (!osp_facts_load(osp_str_bytes(osp_buf_str(&first)), &b, &g, &err)) {
            if (err.code != OSP_ELIMIT)
                abort();
        } else if (osp_facts_save(&g, &second, &err) && !osp_str_eq(osp_buf_str(&first), osp_buf_str(&second))) {
            abort();
        }
    }
    osp_buf_drop(&first);
    osp_buf_drop(&second);
    osp_arena_drop(&a);
    osp_arena_drop(&b);
    return 0;
}
