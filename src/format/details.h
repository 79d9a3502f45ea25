/* SPDX-License-Identifier: Apache-2.0 */
/* format/details.h: how readers say what a file tells beside its profile. Without somebody who asks (NULL) nothing happens. */
#ifndef OSP_FORMAT_DETAILS_H
#define OSP_FORMAT_DETAILS_H

#include "format/format.h"

/* group and gloss are literals; name and text are copied. */
void osp_detail_number(osp_details *d, const char *group, osp_str name, osp_detail_kind kind, int64_t value,
                       const char *gloss);
void osp_detail_share(osp_details *d, const char *group, osp_str name, double share, const char *gloss);
void osp_detail_text(osp_details *d, const char *group, osp_str name, osp_str text); /* nothing for an empty text */
void osp_detail_list(osp_details *d, const char *group, osp_str name, osp_detail_kind kind, const int64_t *value,
                     size_t n, const char *gloss);

#endif
