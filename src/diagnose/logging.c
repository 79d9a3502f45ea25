/* SPDX-License-Identifier: Apache-2.0 */
/* Loggers, by the packages that they are in. */
#include "diagnose/diagnose_internal.h"

/* A logger of the standard library, or of one that is known. */
static bool is_logger(const osp_call *c)
{
    static const char *const head[] = {"log.",
                                       "log/slog.",
                                       "go.uber.org/zap",
                                       "github.com/sirupsen/logrus",
                                       "github.com/rs/zerolog",
                                       "github.com/golang/glog",
                                       "k8s.io/klog"};
    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        if (osp_str_starts(c->func, osp_str_from(head[i])))
            return true;
    return false;
}

uint32_t osp_log_caller(const osp_call *call, uint32_t n)
{
    bool logger = false;
    for (uint32_t i = 0; i < n; i++) {
        logger = logger || is_logger(&call[i]);
        if (logger && !is_logger(&call[i]) && call[i].kind == OSP_CALL_GO)
            return i;
    }
    return UINT32_MAX;
}
