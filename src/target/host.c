/* SPDX-License-Identifier: Apache-2.0 */
/* What this kernel and user allow, found out by trying. */
#include "target/target_internal.h"

#include "base/cur.h"
#include "base/file.h"

#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { HELPER_BPF_LOOP = 181 }; /* since Linux 5.17; not in older linux/bpf.h */

/* Load a program for perf events, -1 if the kernel will not; what the verifier says goes to log. */
static int bpf_load(const struct bpf_insn *insn, uint32_t n, char *log, uint32_t size)
{
    union bpf_attr attr = {0};
    attr.prog_type = BPF_PROG_TYPE_PERF_EVENT;
    attr.insns = (uint64_t)(uintptr_t)insn;
    attr.insn_cnt = n;
    attr.license = (uint64_t)(uintptr_t) "GPL";
    if (log) {
        log[0] = 0;
        attr.log_buf = (uint64_t)(uintptr_t)log;
        attr.log_size = size;
        attr.log_level = 1;
    }
    return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
}

static void try_trivial_program(osp_host *out)
{
    const struct bpf_insn insn[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
        {.code = BPF_JMP | BPF_EXIT},
    };
    OSP_AUTO_CLOSE int fd = bpf_load(insn, 2, NULL, 0);
    out->bpf_works = fd >= 0;
    struct bpf_prog_info info = {0};
    union bpf_attr attr = {0};
    attr.info.bpf_fd = (uint32_t)fd;
    attr.info.info_len = sizeof info;
    attr.info.info = (uint64_t)(uintptr_t)&info;
    out->bpf_jit =
        fd >= 0 && syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof attr) == 0 && info.jited_prog_len > 0;
}

/* A call with senseless arguments never loads; a kernel that does not know the helper says so, one that knows it
 * complains about the arguments. */
static bool knows_bpf_loop(void)
{
    const struct bpf_insn insn[] = {
        {.code = BPF_JMP | BPF_CALL, .imm = HELPER_BPF_LOOP},
        {.code = BPF_JMP | BPF_EXIT},
    };
    char log[4096];
    OSP_AUTO_CLOSE int fd = bpf_load(insn, 2, log, sizeof log);
    if (fd >= 0)
        return true;
    return log[0] && !strstr(log, "invalid func ") && !strstr(log, "unknown func ");
}

/* Can this user count an event of user code on itself? */
static bool counts(uint32_t type, uint64_t event)
{
    struct perf_event_attr attr = {0};
    attr.type = type;
    attr.size = sizeof attr;
    attr.config = event;
    attr.exclude_kernel = 1;
    attr.exclude_hv = 1;
    OSP_AUTO_CLOSE int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    return fd >= 0;
}

static bool locked_down_for_confidentiality(void)
{
    char buf[64];
    osp_str text;
    osp_err ignored; /* without the file there is no lockdown to be seen */
    return osp_read_small("/sys/kernel/security/lockdown", buf, sizeof buf, &text, &ignored) &&
           osp_str_has(text, S("[confidentiality]"));
}

/* /sys/kernel/notes: notes of {u32 name size, u32 size, u32 type}, the name and the bytes, each padded to 4. */
size_t osp_host_kernel_build_id(uint8_t out[20])
{
    osp_file file;
    osp_err err; /* a kernel that does not tell is a kernel we do not know */
    size_t n = 0;
    if (!osp_file_open("/sys/kernel/notes", 1 << 16, &file, &err))
        return 0;
    osp_cur c = osp_cur_on(file.bytes, "/sys/kernel/notes", &err);
    while (n == 0 && osp_cur_left(&c) >= 12) {
        size_t name_size = osp_cur_u32(&c), size = osp_cur_u32(&c);
        uint32_t type = osp_cur_u32(&c);
        osp_str name = osp_span_text(osp_cur_bytes(&c, (name_size + 3) & ~(size_t)3));
        osp_span bytes = osp_cur_bytes(&c, (size + 3) & ~(size_t)3);
        if (type != 3 || !osp_str_starts(name, S("GNU")) || bytes.n == 0 || size > 20)
            continue;
        memcpy(out, bytes.p, size);
        n = size;
    }
    osp_file_close(&file);
    return n;
}

uint32_t osp_host_cpus(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (uint32_t)n : 1;
}

void osp_host_clocksource(char out[OSP_CLOCKSOURCE_MAX])
{
    char buf[64];
    osp_str text;
    osp_err ignored; /* absent stays "" */
    out[0] = 0;
    if (osp_read_small("/sys/devices/system/clocksource/clocksource0/current_clocksource", buf, sizeof buf, &text,
                       &ignored))
        osp_str_z(osp_str_trim(text), out, OSP_CLOCKSOURCE_MAX);
}

void osp_host_read(osp_host *out)
{
    *out = (osp_host){0};
    struct utsname name;
    if (uname(&name) == 0)
        osp_str_z(osp_str_from(name.release), out->release, sizeof out->release);
    out->has_btf = access("/sys/kernel/btf/vmlinux", R_OK) == 0;
    out->perf_event_paranoid = osp_sysctl("/proc/sys/kernel/perf_event_paranoid");
    out->kptr_restrict = osp_sysctl("/proc/sys/kernel/kptr_restrict");
    out->yama_ptrace_scope = osp_sysctl("/proc/sys/kernel/yama/ptrace_scope");
    out->uid = geteuid();
    out->cap_bpf = osp_have_capability(CAP_BPF);
    out->cap_perfmon = osp_have_capability(CAP_PERFMON);
    out->cap_sys_ptrace = osp_have_capability(CAP_SYS_PTRACE);
    out->cap_sys_admin = osp_have_capability(CAP_SYS_ADMIN);
    out->cap_syslog = osp_have_capability(CAP_SYSLOG);
    out->perf_works = counts(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK);
    out->hardware_events = counts(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES);
    try_trivial_program(out);
    out->locked_down = locked_down_for_confidentiality();
    out->has_bpf_loop = out->bpf_works && knows_bpf_loop();
    out->ncpu = osp_host_cpus();
    osp_host_clocksource(out->clocksource);
}
