/* SPDX-License-Identifier: Apache-2.0 */
/* What Java's two legacy forms have in common. */
#ifndef OSP_FORMAT_JAVA_H
#define OSP_FORMAT_JAVA_H

#include "format/legacy.h"

/* Samples, and the text that names their "addresses", become a profile without addresses. */
osp_profile *osp_java_finish(osp_bare *b, osp_str names, osp_err *err);

#endif
