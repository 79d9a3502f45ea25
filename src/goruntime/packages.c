/* SPDX-License-Identifier: Apache-2.0 */
/* Which Go functions are the runtime's, by their names. */
#include "goruntime/goruntime_internal.h"

/* The package of a Go function: what stands before the first dot after the last slash of the path. Type arguments
 * may hold slashes and dots of their own. */
static osp_str package_of(osp_str func)
{
    osp_str head = func;
    for (size_t i = 0; i < func.n; i++)
        if (func.p[i] == '[' || func.p[i] == '(') {
            head = osp_str_head(func, i);
            break;
        }
    size_t slash = osp_str_rfind(head, '/');
    size_t at = slash < head.n ? slash : 0;
    while (at < head.n && head.p[at] != '.')
        at++;
    return osp_str_head(head, at);
}

bool osp_go_is_runtime(osp_str func, osp_str file)
{
    osp_str package = package_of(func);
    if (package.n < func.n)
        return osp_str_eq(package, S("runtime")) || osp_str_starts(package, S("runtime/internal/")) ||
               osp_str_starts(package, S("internal/runtime/")) || osp_str_eq(package, S("internal/bytealg")) ||
               osp_str_eq(package, S("internal/abi")) || osp_str_eq(package, S("internal/cpu"));
    /* Assembly without a package: gogo, gosave_systemstack_switch, _rt0_amd64, memeqbody, crosscall2. */
    size_t slash = osp_str_rfind(file, '/');
    osp_str dir = osp_str_head(file, slash < file.n ? slash : 0);
    return !file.n || osp_str_ends(dir, S("runtime")) || osp_str_ends(dir, S("/runtime/cgo")) ||
           osp_str_ends(dir, S("/bytealg"));
}

osp_g_kind osp_g_kind_of(const osp_go *go, uint64_t startpc)
{
    osp_symbol f;
    if (startpc == 0 || !osp_object_symbol_at(go->object, startpc - go->bias,
                                              &f)) /* of a thread that C made: no function started it */
        return OSP_G_OF_USER;
    if (osp_str_ends(f.name, S(".abi0")))
        f.name.n -= 5;
    if (!osp_str_starts(f.name, S("runtime.")) || osp_str_eq(f.name, S("runtime.main")) ||
        osp_str_eq(f.name, S("runtime.corostart")) || osp_str_eq(f.name, S("runtime.handleAsyncEvent")))
        return OSP_G_OF_USER;
    if (osp_str_eq(f.name, S("runtime.runfinq")) || osp_str_eq(f.name, S("runtime.runFinalizers")) ||
        osp_str_eq(f.name, S("runtime.runCleanups")))
        return OSP_G_OF_FINALIZERS;
    return OSP_G_OF_RUNTIME;
}
