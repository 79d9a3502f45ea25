/* SPDX-License-Identifier: Apache-2.0 */
/* For legacy_forms.py: reads the paths on stdin, one a line, in any form, and writes each as pprof protobuf to PATH.pb; prints "ok FORM"
 * or "refused WHY" a line. */
#include "format/format.h"

#include <stdio.h>
#include <stdlib.h>

static bool convert(const char *path, osp_found *found, osp_err *err)
{
    char to[4096];
    osp_profile *p = osp_format_open(path, NULL, found, err);
    if (!p)
        return false;
    snprintf(to, sizeof to, "%s.pb", path);
    osp_buf out = osp_buf_of(SIZE_MAX / 2);
    bool ok = osp_format_write(osp_format_named(S("pprof")), p, 0, OSP_PACK_NONE, &out, err) &&
              osp_file_write(to, osp_buf_str(&out), err);
    osp_buf_drop(&out);
    osp_profile_drop(p);
    return ok;
}

int main(void)
{
    char path[4000];
    while (fgets(path, sizeof path, stdin)) {
        osp_err err = {0};
        osp_found found;
        path[strcspn(path, "\n")] = 0;
        if (convert(path, &found, &err))
            printf("ok %s\n", found.format->name);
        else
            printf("refused %s\n", err.msg);
        fflush(stdout);
    }
    return 0;
}
