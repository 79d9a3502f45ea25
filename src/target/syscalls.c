/* SPDX-License-Identifier: Apache-2.0 */
#include "target/target_internal.h"

#include <stdio.h>

const char *osp_syscall_name(uint32_t nr) { return nr < osp_nsyscall ? osp_syscall_names[nr] : NULL; }

const char *osp_syscall_text(uint32_t nr, char number[OSP_SYSCALL_NUMBER])
{
    if (osp_syscall_name(nr))
        return osp_syscall_name(nr);
    snprintf(number, OSP_SYSCALL_NUMBER, "syscall %u", nr);
    return number;
}

int osp_syscall_number(osp_str name)
{
    for (uint32_t nr = 0; nr < osp_nsyscall; nr++)
        if (osp_syscall_names[nr] && osp_str_eq(name, osp_str_from(osp_syscall_names[nr])))
            return (int)nr;
    return -1;
}
