/* SPDX-License-Identifier: Apache-2.0 */
/* RE2, which has the syntax and the matches of Go's regexp package: the room's door to C++, so without our own types. */
#ifndef OSP_MODEL_REGEX_H
#define OSP_MODEL_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct osp_regex osp_regex;

/* NULL if the pattern is wrong or there is no memory; then why[size] says so. Drop with osp_regex_drop (NULL is
 * fine there). */
osp_regex *osp_regex_new(const char *pattern, size_t n, char *why, size_t size);
void osp_regex_drop(osp_regex *re);

/* True if the pattern matches somewhere in text (it is not anchored). Any number of threads may ask. */
bool osp_regex_match(const osp_regex *re, const char *text, size_t n);

#ifdef __cplusplus
}
#endif

#endif
