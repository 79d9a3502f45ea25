/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* bpf/arch.h: what the sampler's two sides know of the machine that they run on. Files of any machine are read, and their
 * stacks walked, on each: unwind rows (rows.h) say what differs there. */
#ifndef OSP_BPF_ARCH_H
#define OSP_BPF_ARCH_H

#if defined(__TARGET_ARCH_arm64) || defined(__aarch64__)
#define OSP_AARCH64 1
enum {
    OSP_HOST_REGS = 32, /* general registers, by DWARF's numbers: x0 to x30, sp */
    OSP_HOST_G = 28
}; /* the one where Go code keeps g */
#else
#define OSP_AARCH64 0
enum { OSP_HOST_REGS = 16, OSP_HOST_G = 14 };
#endif

#endif
