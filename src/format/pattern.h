/* SPDX-License-Identifier: Apache-2.0 */
/* RE2 over bytes: Go's regular expressions with their groups, for lines whose grammar the peer defines by them. Linear
 * in the line, however hostile. The room's door to C++, so without our own types. */
#ifndef OSP_FORMAT_PATTERN_H
#define OSP_FORMAT_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct osp_pattern osp_pattern;

typedef struct {
    const char *p; /* NULL: the group took no part in the match */
    size_t n;
} osp_group;

/* NULL without memory. */
osp_pattern *osp_pattern_new(const char *expression);
void osp_pattern_drop(osp_pattern *pattern); /* NULL is fine */

/* The leftmost match anywhere in text; its groups 1 … n (at most 8) into group[0 … n - 1]. */
bool osp_pattern_find(const osp_pattern *pattern, const char *text, size_t size, osp_group *group, int n);

#ifdef __cplusplus
}
#endif

#endif
