/* SPDX-License-Identifier: Apache-2.0 */
/* What a function activation is, and which domain a stack belongs to. Names are used for what cannot change (package
 * paths, system libraries, glue made by cgo); inside the Go runtime the source file decides, because files keep their
 * names over releases where functions do not. */
#include "diagnose/diagnose_internal.h"

const char *osp_domain_text(osp_domain d)
{
    static const char *const text[OSP_IN_DOMAINS] = {
        [OSP_IN_GO_USER] = "Go user",
        [OSP_IN_GO_SCHEDULER] = "Go scheduler",
        [OSP_IN_GO_GC] = "Go collector",
        [OSP_IN_GO_ALLOC] = "Go allocation",
        [OSP_IN_GO_OTHER] = "Go runtime",
        [OSP_IN_CGO_C] = "C under cgo",
        [OSP_IN_C] = "C",
        [OSP_IN_VDSO] = "vDSO",
        [OSP_IN_KERNEL] = "kernel",
        [OSP_IN_UNKNOWN] = "unknown code",
    };
    return text[d];
}

/* The first element of import paths of the standard library. */
static bool is_std_path(osp_str func)
{
    static const char *const std[] = {
        "archive", "bufio",   "bytes",    "cmp",      "compress", "container", "context", "crypto",  "database",
        "debug",   "embed",   "encoding", "errors",   "expvar",   "flag",      "fmt",     "go",      "hash",
        "html",    "image",   "index",    "internal", "io",       "iter",      "log",     "maps",    "math",
        "mime",    "net",     "os",       "path",     "plugin",   "reflect",   "regexp",  "runtime", "slices",
        "sort",    "strconv", "strings",  "structs",  "sync",     "syscall",   "testing", "text",    "time",
        "unicode", "unique",  "unsafe",   "vendor",   "weak",
    };
    size_t n = 0;
    while (n < func.n && func.p[n] != '/' && func.p[n] != '.')
        n++;
    for (size_t i = 0; i < sizeof std / sizeof *std; i++)
        if (osp_str_eq(osp_str_head(func, n), osp_str_from(std[i])))
            return n < func.n;
    return false;
}

static osp_str dir_of(osp_str file)
{
    size_t slash = osp_str_rfind(file, '/');
    return slash < file.n ? osp_str_head(file, slash) : S("");
}

/* Names that cgo makes on either side, and the thread starts of runtime/cgo. */
static bool is_cgo_glue(osp_str func)
{
    static const char *const head[] = {"_cgo_",       "x_cgo_",  "_cgoexp_", "crosscall",
                                       "threadentry", "_Cfunc_", "_C2func_", "_cgo_export"};
    size_t dot = osp_str_rfind(func, '.');
    osp_str last = dot < func.n ? osp_str_skip(func, dot + 1) : func;
    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        if (osp_str_starts(func, osp_str_from(head[i])) || osp_str_starts(last, osp_str_from(head[i])))
            return true;
    /* main._Cfunc_step.abi0 */
    return osp_str_has(func, S("._Cfunc_")) || osp_str_has(func, S("._C2func_"));
}

static bool is_system_library(osp_str module)
{
    static const char *const head[] = {"libc.so",    "libc-",     "libm.so", "libm-",    "libmvec",
                                       "libpthread", "ld-linux",  "ld-musl", "ld.so",    "libdl",
                                       "librt",      "libstdc++", "libc++",  "libgcc_s", "libresolv",
                                       "ld-2.",      "libasan",   "libtsan", "libubsan"};
    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        if (osp_str_starts(module, osp_str_from(head[i])))
            return true;
    return false;
}

/* Of libc wherever it is linked in: the starts of threads and programs, and the clock. */
static bool is_system_function(osp_str func)
{
    static const char *const name[] = {"clone",
                                       "clone3",
                                       "__clone",
                                       "__clone3",
                                       "start_thread",
                                       "thread_start",
                                       "_start",
                                       "__libc_start_main",
                                       "__libc_start_call_main",
                                       "_dl_start_user",
                                       "clock_gettime",
                                       "__clock_gettime",
                                       "gettimeofday",
                                       "__gettimeofday"};
    if (osp_str_ends(func, S("@plt"))) /* on the way into another library */
        return true;
    if (osp_str_starts(func, S("__GI_")) || osp_str_starts(func, S("__libc_")) ||
        osp_str_starts(func, S("__pthread_")))
        return true;
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (osp_str_eq(func, osp_str_from(name[i])))
            return true;
    return false;
}

/* Of the C++ library, most of which is compiled into whoever uses it. A thread's start there has swallowed the
 * program's lambda, though, wherever no debug data tells them apart. */
static bool is_cxx_library(osp_str func)
{
    return (osp_str_starts(func, S("std::")) && !osp_str_starts(func, S("std::thread::_State_impl"))) ||
           osp_str_starts(func, S("__gnu_cxx::"));
}

osp_call_kind osp_call_kind_of(bool is_go, osp_str func, osp_str file, osp_str module)
{
    if (osp_str_starts(module, S("[kernel")) || (osp_str_starts(module, S("[")) && osp_str_ends(module, S(".ko]"))))
        return OSP_CALL_KERNEL;
    if (osp_str_starts(module, S("[vdso]")) || osp_str_starts(module, S("linux-vdso")))
        return OSP_CALL_VDSO;
    if (is_go) {
        if (is_cgo_glue(func))
            return OSP_CALL_CGO;
        if (osp_go_is_runtime(func, file))
            return OSP_CALL_RUNTIME;
        return is_std_path(func) ? OSP_CALL_STD : OSP_CALL_GO;
    }
    if (!module.n || osp_str_starts(module, S("[")) || osp_str_starts(module, S("//anon")))
        return OSP_CALL_UNKNOWN;
    if (is_cgo_glue(func))
        return OSP_CALL_CGO;
    if (is_system_library(module) || is_system_function(func) || is_cxx_library(func))
        return OSP_CALL_LIB;
    return OSP_CALL_C;
}

static bool file_starts(const osp_call *c, const char *head)
{
    return osp_str_starts(osp_str_base(c->file), osp_str_from(head));
}

static bool is_gc_file(const osp_call *c)
{
    return file_starts(c, "mgc") || file_starts(c, "mwbbuf") || file_starts(c, "mbarrier") ||
           file_starts(c, "mbitmap") || osp_str_ends(dir_of(c->file), S("internal/runtime/gc")) ||
           osp_str_has(c->file, S("internal/runtime/gc/"));
}

static bool is_alloc_file(const osp_call *c)
{
    return file_starts(c, "malloc") || file_starts(c, "mcache") || file_starts(c, "mcentral") ||
           file_starts(c, "mheap") || file_starts(c, "mpage") || file_starts(c, "mfixalloc");
}

static osp_domain domain_of_runtime(const osp_call *call, uint32_t n)
{
    bool gc = false, alloc = false, sched = false, crossing = false;
    for (uint32_t i = 0; i < n && (call[i].kind == OSP_CALL_RUNTIME || call[i].kind == OSP_CALL_CGO); i++) {
        gc = gc || is_gc_file(&call[i]);
        alloc = alloc || is_alloc_file(&call[i]);
        crossing = crossing || osp_is_crossing_frame(&call[i]) || osp_str_has(call[i].func, S("syscall"));
        sched = sched || file_starts(&call[i], "proc.go") || file_starts(&call[i], "netpoll") ||
                osp_str_has(call[i].func, S("mcall"));
    }
    return gc         ? OSP_IN_GO_GC
           : alloc    ? OSP_IN_GO_ALLOC
           : crossing ? OSP_IN_GO_OTHER
           : sched    ? OSP_IN_GO_SCHEDULER
                      : OSP_IN_GO_OTHER;
}

osp_domain osp_domain_of(const osp_call *call, uint32_t n, bool on_m)
{
    if (!n)
        return OSP_IN_UNKNOWN;
    switch (call[0].kind) {
    case OSP_CALL_KERNEL:
        return OSP_IN_KERNEL;
    case OSP_CALL_VDSO:
        return OSP_IN_VDSO;
    case OSP_CALL_UNKNOWN:
        return OSP_IN_UNKNOWN;
    case OSP_CALL_GO:
    case OSP_CALL_STD:
        return OSP_IN_GO_USER;
    case OSP_CALL_RUNTIME:
        return domain_of_runtime(call, n);
    case OSP_CALL_CGO:
        return OSP_IN_GO_OTHER;
    case OSP_CALL_C:
    case OSP_CALL_LIB:
        break;
    }
    for (uint32_t i = 0; i < n && !on_m; i++)
        on_m = osp_is_go_call(&call[i]);
    return on_m ? OSP_IN_CGO_C : OSP_IN_C;
}
