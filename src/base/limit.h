/* SPDX-License-Identifier: Apache-2.0 */
/* base/limit.h: how much memory input may cost. The user says it with OSPREY_MEMORY, in bytes or with a K, M, G or T
 * behind the number; else it is half of the machine's memory and at most 16 GiB. */
#ifndef OSP_BASE_LIMIT_H
#define OSP_BASE_LIMIT_H

#include "base/err.h"

#include <stddef.h>

/* Bytes that what is read may take, unpacked and decoded. */
size_t osp_memory_limit(void);

/* What OSPREY_MEMORY says, 0 if it is not set; EUSAGE if it is no size of 1 MiB at least. */
bool osp_memory_said(size_t *out, osp_err *err) OSP_CHECKED;

#endif
