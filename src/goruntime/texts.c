/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of the runtime's own numbers, as it prints them in tracebacks. */
#include "goruntime/goruntime_internal.h"

osp_str osp_go_status_text(uint8_t status)
{
    /* 5 and 7 are not in use; 10 and 11 came with 1.26 */
    static const char *const text[] = {
        "idle", "runnable", "running",   "syscall",   "waiting", "",
        "dead", "",         "copystack", "preempted", "leaked",  "waiting for cgo callback",
    };
    return status < sizeof text / sizeof *text ? osp_str_from(text[status]) : S("");
}

static const uint32_t since[] = {
#define OSP_GO_SINCE(...) __VA_ARGS__
#define OSP_W(...)
#include "goruntime/waitreasons.def"
};
enum { NCOLUMNS = sizeof since / sizeof *since };

static const struct {
    int16_t number[NCOLUMNS];
    const char *text;
} reasons[] = {
#define OSP_GO_SINCE(...)
#define OSP_W(a, b, c, d, e, f, g, text) {{a, b, c, d, e, f, g}, text},
#include "goruntime/waitreasons.def"
};

osp_str osp_go_waitreason_text(const osp_go *go, uint8_t reason)
{
    size_t c = NCOLUMNS - 1;
    if (go->number < 11300 && reason >= 13) /* "GC scavenge wait" came with 1.13; else they are as in 1.16 */
        reason++;
    while (c > 0 && since[c] > go->number)
        c--;
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].number[c] == reason)
            return osp_str_from(reasons[i].text);
    return S("");
}
