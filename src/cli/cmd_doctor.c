/* SPDX-License-Identifier: Apache-2.0 */
/* osprey doctor: what this kernel and this user allow, and for each thing that is missing the command that grants it.
 *
 * What the kernel asks for (perf_event_open(2), capabilities(7), ptrace(2); Linux 5.8 and newer):
 *
 *     perf events on own processes, user side    perf_event_paranoid <= 2, or CAP_PERFMON
 *     the kernel side of them                    perf_event_paranoid <= 1, or CAP_PERFMON
 *     loading BPF programs for perf events       CAP_BPF and CAP_PERFMON
 *     reading memory of own processes            yama.ptrace_scope = 0, or CAP_SYS_PTRACE
 *     processes of other users                   CAP_SYS_PTRACE, and CAP_PERFMON for samples
 *     addresses in /proc/kallsyms                kptr_restrict <= 1 and CAP_SYSLOG, or 0 and paranoid <= 1
 *
 * CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON. Debian's kernels know perf_event_paranoid = 3: nothing at all;
 * others take it for 2. So whether perf events work is tried. */
#include "base/json.h"
#include "cli/cli_internal.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static void can(osp_ability *a, const char *name, const char *gives)
{
    *a = (osp_ability){.name = name, .state = OSP_CAN};
    snprintf(a->why, sizeof a->why, "%s", gives);
}

static void setcap(osp_ability *a, const char *self)
{
    snprintf(a->grant, sizeof a->grant, "sudo setcap cap_perfmon,cap_bpf,cap_sys_ptrace,cap_syslog+ep %s", self);
}

static void not_offered(osp_ability *a, const char *name, const char *why)
{
    can(a, name, why);
    a->state = OSP_NOT_OFFERED;
}

static void by_perf(const osp_host *h, bool perfmon, const char *self, osp_ability *user, osp_ability *kernel)
{
    can(user, "sample your own processes", "user stacks, by perf events");
    can(kernel, "sample inside the kernel", "kernel stacks of your own processes");
    if (!h->perf_works) {
        user->state = OSP_CANNOT;
        if (!perfmon && h->perf_event_paranoid > 2) {
            snprintf(user->why, sizeof user->why, "kernel.perf_event_paranoid = %d", h->perf_event_paranoid);
            snprintf(user->grant, sizeof user->grant, "sudo sysctl kernel.perf_event_paranoid=2");
        } else {
            snprintf(user->why, sizeof user->why, "perf_event_open is refused, as by a container's seccomp filter");
            snprintf(user->grant, sizeof user->grant, "docker run --cap-add PERFMON ...");
        }
    }
    if (!perfmon && h->perf_event_paranoid > 1) {
        kernel->state = OSP_CANNOT;
        snprintf(kernel->why, sizeof kernel->why, "kernel.perf_event_paranoid = %d and no CAP_PERFMON",
                 h->perf_event_paranoid);
        setcap(kernel, self);
    }
}

static void by_bpf(const osp_host *h, bool perfmon, const char *self, osp_ability *a)
{
    const char *name = "complete stacks, by BPF";
    bool may = perfmon && (h->cap_bpf || h->cap_sys_admin);
    can(a, name, "Go, cgo, C and kernel; goroutines, labels");
    if (!may) {
        a->state = OSP_CANNOT;
        snprintf(a->why, sizeof a->why, "no %s",
                 perfmon      ? "CAP_BPF"
                 : h->cap_bpf ? "CAP_PERFMON"
                              : "CAP_BPF, CAP_PERFMON");
        setcap(a, self);
    } else if (!h->bpf_works) {
        not_offered(a, name, "the kernel loads no BPF program here (lockdown, or a container's seccomp filter)");
    } else if (h->locked_down) {
        not_offered(a, name, "the kernel is locked down for confidentiality");
    } else if (!h->has_btf) {
        not_offered(a, name, "the kernel has no BTF (CONFIG_DEBUG_INFO_BTF)");
    } else if (!h->has_bpf_loop) {
        not_offered(a, name, "needs Linux 5.17 or newer");
    } else if (!h->bpf_jit) {
        a->state = OSP_CANNOT;
        snprintf(a->why, sizeof a->why, "net.core.bpf_jit_enable = 0");
        snprintf(a->grant, sizeof a->grant, "sudo sysctl net.core.bpf_jit_enable=1");
    }
}

static void by_ptrace(const osp_host *h, bool perfmon, const char *self, osp_ability *own, osp_ability *others)
{
    can(own, "read your own processes", "goroutines, the Go runtime's state");
    if (!h->cap_sys_ptrace && h->yama_ptrace_scope > 0) {
        own->state = OSP_CANNOT;
        snprintf(own->why, sizeof own->why, "kernel.yama.ptrace_scope = %d", h->yama_ptrace_scope);
        if (h->yama_ptrace_scope == 1)
            snprintf(own->grant, sizeof own->grant, "sudo sysctl kernel.yama.ptrace_scope=0");
        else if (h->yama_ptrace_scope == 2)
            setcap(own, self);
    }
    if (h->yama_ptrace_scope > 2)
        not_offered(own, own->name, "kernel.yama.ptrace_scope = 3: forbidden to everybody until the next boot");
    can(others, "processes of other users", "all of the above for them too");
    if (!h->cap_sys_ptrace || !perfmon) {
        others->state = OSP_CANNOT;
        snprintf(others->why, sizeof others->why, "no %s",
                 perfmon             ? "CAP_SYS_PTRACE"
                 : h->cap_sys_ptrace ? "CAP_PERFMON"
                                     : "CAP_SYS_PTRACE, CAP_PERFMON");
        setcap(others, self);
    }
}

static void names(const osp_host *h, const char *self, osp_ability *a)
{
    can(a, "names of kernel functions", "from /proc/kallsyms");
    if ((h->kptr_restrict < 2 && h->cap_syslog) || (h->kptr_restrict < 1 && h->perf_event_paranoid < 2))
        return;
    a->state = OSP_CANNOT;
    if (h->kptr_restrict < 2) {
        snprintf(a->why, sizeof a->why, "no CAP_SYSLOG");
        setcap(a, self);
    } else {
        snprintf(a->why, sizeof a->why, "kernel.kptr_restrict = %d", h->kptr_restrict);
        snprintf(a->grant, sizeof a->grant, "sudo sysctl kernel.kptr_restrict=%d", h->cap_syslog ? 1 : 0);
    }
}

void osp_abilities(const osp_host *h, const char *self, osp_ability out[OSP_ABILITIES])
{
    bool perfmon = h->cap_perfmon || h->cap_sys_admin;
    can(&out[0], "analyse files", "profiles, from anywhere");
    by_perf(h, perfmon, self, &out[1], &out[3]);
    by_ptrace(h, perfmon, self, &out[2], &out[6]);
    by_bpf(h, perfmon, self, &out[4]);
    names(h, self, &out[5]);
    can(&out[7], "hardware counters", "cycles and instructions");
    if (!h->hardware_events && (h->perf_works || perfmon || h->perf_event_paranoid <= 2))
        not_offered(&out[7], out[7].name, "not on this machine; the CPU clock serves");
    else if (!h->hardware_events) {
        out[7].state = OSP_CANNOT;
        snprintf(out[7].why, sizeof out[7].why, "kernel.perf_event_paranoid = %d", h->perf_event_paranoid);
        snprintf(out[7].grant, sizeof out[7].grant, "sudo sysctl kernel.perf_event_paranoid=2");
    }
}

/* ---- the screen -------------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    bool have;
} capability;

enum { CAPABILITIES = 5 };

static void list_capabilities(const osp_host *h, capability out[CAPABILITIES])
{
    out[0] = (capability){"BPF", h->cap_bpf};
    out[1] = (capability){"PERFMON", h->cap_perfmon};
    out[2] = (capability){"SYS_PTRACE", h->cap_sys_ptrace};
    out[3] = (capability){"SYS_ADMIN", h->cap_sys_admin};
    out[4] = (capability){"SYSLOG", h->cap_syslog};
}

static void write_screen(const osp_cli *cli, osp_buf *out, const osp_host *h, const osp_ability *ability)
{
    capability cap[CAPABILITIES];
    list_capabilities(h, cap);
    osp_buf_fmt(out, "kernel   %s, BTF %s, %u CPUs, clock %s\n", h->release, h->has_btf ? "✓" : "✗", h->ncpu,
                h->clocksource[0] ? h->clocksource : "unknown");
    osp_buf_fmt(out, "you      uid %u,", h->uid);
    bool any = false;
    for (int i = 0; i < CAPABILITIES; i++) {
        if (cap[i].have)
            osp_buf_fmt(out, " CAP_%s", cap[i].name);
        any |= cap[i].have;
    }
    osp_buf_add(out, any ? S("\n\n") : S(" no capabilities\n\n"));
    bool docker = false;
    for (int i = 0; i < OSP_ABILITIES; i++) {
        const osp_ability *a = &ability[i];
        static const char *const mark[] = {[OSP_CAN] = "✓", [OSP_CANNOT] = "✗", [OSP_NOT_OFFERED] = "–"};
        static const osp_colour hue[] = {[OSP_CAN] = OSP_GREEN, [OSP_CANNOT] = OSP_RED, [OSP_NOT_OFFERED] = OSP_DIM};
        osp_buf_add(out, S("  "));
        osp_paint(cli, out, hue[a->state], "%s", mark[a->state]);
        osp_buf_fmt(out, " %-28s %s\n", a->name, a->why);
        /* One command often grants the next line's ability too: say it once, after the last of them. */
        if (a->grant[0] && (i + 1 == OSP_ABILITIES || strcmp(a->grant, ability[i + 1].grant) != 0)) {
            osp_buf_add(out, S("      "));
            osp_paint(cli, out, OSP_BOLD, "%s", a->grant);
            osp_buf_byte(out, '\n');
        }
        docker |= strstr(a->grant, "setcap") != NULL;
    }
    if (docker)
        osp_buf_add(out, S("\n  or run osprey with sudo; in docker: --cap-add PERFMON --cap-add BPF "
                           "--cap-add SYS_PTRACE --cap-add SYSLOG\n"));
}

static void write_json(osp_buf *out, const osp_host *h, const osp_ability *ability)
{
    static const char *const state[] = {[OSP_CAN] = "yes", [OSP_CANNOT] = "no", [OSP_NOT_OFFERED] = "not offered"};
    capability cap[CAPABILITIES];
    list_capabilities(h, cap);
    osp_json j = osp_json_on(out);
    osp_json_object(&j, NULL);
    osp_json_object(&j, "kernel");
    osp_json_str(&j, "release", osp_str_from(h->release));
    osp_json_bool(&j, "btf", h->has_btf);
    osp_json_bool(&j, "bpf_loop", h->has_bpf_loop);
    osp_json_bool(&j, "bpf_loads", h->bpf_works);
    osp_json_bool(&j, "bpf_jit", h->bpf_jit);
    osp_json_int(&j, "perf_event_paranoid", h->perf_event_paranoid);
    osp_json_int(&j, "kptr_restrict", h->kptr_restrict);
    osp_json_int(&j, "yama_ptrace_scope", h->yama_ptrace_scope);
    osp_json_uint(&j, "cpus", h->ncpu);
    osp_json_str(&j, "clocksource", osp_str_from(h->clocksource));
    osp_json_end(&j);
    osp_json_object(&j, "user");
    osp_json_uint(&j, "uid", h->uid);
    osp_json_array(&j, "capabilities");
    for (int i = 0; i < CAPABILITIES; i++)
        if (cap[i].have)
            osp_json_str(&j, NULL, osp_str_from(cap[i].name));
    osp_json_end(&j);
    osp_json_end(&j);
    osp_json_array(&j, "abilities");
    for (int i = 0; i < OSP_ABILITIES; i++) {
        osp_json_object(&j, NULL);
        osp_json_str(&j, "name", osp_str_from(ability[i].name));
        osp_json_str(&j, "can", osp_str_from(state[ability[i].state]));
        osp_json_str(&j, "why", osp_str_from(ability[i].why));
        if (ability[i].grant[0])
            osp_json_str(&j, "grant", osp_str_from(ability[i].grant));
        osp_json_end(&j);
    }
    osp_json_end(&j);
    osp_json_end(&j);
}

static const osp_option options[] = {
    {"json", 0, NULL, "as one JSON object"},
    {0},
};

static const char *const examples[] = {"doctor", "doctor --json", NULL};

static int cmd_doctor(const osp_cli *cli)
{
    if (cli->noperand)
        return osp_cli_usage(cli, "takes no operand, not `%s`", cli->operand[0]);
    char self[480];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    snprintf(self + (n > 0 ? n : 0), sizeof self - (size_t)(n > 0 ? n : 0), "%s",
             n > 0 ? "" : "$(command -v osprey)");
    osp_host host;
    osp_ability ability[OSP_ABILITIES];
    osp_host_read(&host);
    osp_abilities(&host, self, ability);
    osp_buf out = osp_buf_of(1 << 20);
    if (osp_cli_given(cli, "json"))
        write_json(&out, &host, ability);
    else
        write_screen(cli, &out, &host, ability);
    return osp_cli_answer(&out, OSP_EXIT_DONE);
}

const osp_command osp_command_doctor = {
    .name = "doctor",
    .args = "",
    .summary = "say what this machine allows, and how to get more",
    .examples = examples,
    .options = options,
    .run = cmd_doctor,
};
