/* SPDX-License-Identifier: Apache-2.0 */
/* base/limit.h: how much memory input may cost. The user says it with OSPREY_MEMORY, in bytes or with a K, M, G or T
 * behind the number; else it is the least of half of the machine's memory, half of what our cgroup may have, three quarters
 * of what is available now, and 16 GiB: who reads a profile beside a busy service must not have it killed. */
#ifndef OSP_BASE_LIMIT_H
#define OSP_BASE_LIMIT_H

#include "base/err.h"
#include "base/str.h"

#include <stddef.h>

/* Bytes that what is read may take, unpacked and decoded. */
size_t osp_memory_limit(void);

/* What the memory limits of our cgroup and those above it come to, by the text of /proc/self/cgroup and where cgroups are
 * mounted; SIZE_MAX if there is none. In a container the text may be the host's: then the files at the mount's root count. */
size_t osp_memory_of_cgroup(osp_str groups, osp_str mounted);

/* What OSPREY_MEMORY says, 0 if it is not set; EUSAGE if it is no size of 1 MiB at least. */
bool osp_memory_said(size_t *out, osp_err *err) OSP_CHECKED;

#endif
