/* SPDX-License-Identifier: Apache-2.0 */
/* What one thread does at this moment, by the small files of its task: syscall (the call that it is blocked in), wchan, stat
 * and status. Nothing of it costs the thread anything. */
#include "target/target_internal.h"

#include "base/clock.h"
#include "base/file.h"

#include <stdio.h>

/* "running", "-1 SP PC" (blocked, but in no call: a page fault), or "NR A0 … A5 SP PC"; see proc_pid_syscall(5). */
bool osp_blocking_parse(osp_str text, osp_blocking *out)
{
    *out = (osp_blocking){0};
    text = osp_str_trim(text);
    if (osp_str_eq(text, S("running"))) {
        out->state = OSP_BLOCKING_RUNNING;
        return true;
    }
    bool none = osp_str_starts(text, S("-1 "));
    osp_str word = osp_str_cut(&text, ' ');
    uint64_t value[8] = {0}, nr = 0;
    size_t want = none ? 2 : 8;
    if (!none && (!osp_str_u64(word, 10, &nr) || nr > UINT32_MAX))
        return false;
    for (size_t i = 0; i < want; i++) {
        word = osp_str_cut(&text, ' ');
        if (!osp_str_starts(word, S("0x")) || !osp_str_u64(osp_str_skip(word, 2), 16, &value[i]))
            return false;
    }
    *out = (osp_blocking){.state = none ? OSP_BLOCKING_NONE : OSP_BLOCKING_CALL,
                          .nr = (uint32_t)nr,
                          .sp = value[want - 2],
                          .pc = value[want - 1]};
    for (size_t i = 0; !none && i < 6; i++)
        out->arg[i] = value[i];
    return text.n == 0;
}

static bool read_of(const osp_process *p, int tid, const char *name, char *buf, size_t size, osp_str *text)
{
    char path[64];
    osp_err ignored; /* what cannot be read is not known */
    snprintf(path, sizeof path, "/proc/%d/task/%d/%s", p->pid, tid, name);
    return osp_read_small(path, buf, size, text, &ignored);
}

void osp_thread_call(const osp_process *p, int tid, osp_blocking *out)
{
    char buf[256];
    osp_str text;
    if (!read_of(p, tid, "syscall", buf, sizeof buf, &text) || !osp_blocking_parse(text, out))
        *out = (osp_blocking){.state = OSP_BLOCKING_UNKNOWN};
}

/* x86-64: the kernel keeps the number apart (orig_rax) and puts the result into rax; aarch64: the number stays in x8. */
void osp_blocking_of_regs(const osp_regs *r, bool aarch64, osp_blocking *out)
{
    static const uint8_t amd64[6] = {5, 4, 1, 10, 8, 9}; /* rdi rsi rdx r10 r8 r9 */
    *out = (osp_blocking){.state = OSP_BLOCKING_RUNNING, .sp = r->r[aarch64 ? 31 : 7], .pc = r->pc};
    if (r->syscall > UINT32_MAX)
        return;
    out->state = OSP_BLOCKING_CALL;
    out->nr = (uint32_t)r->syscall;
    for (int i = 0; i < 6; i++)
        out->arg[i] = r->r[aarch64 ? i : amd64[i]];
}

bool osp_thread_ticks(const osp_process *p, int tid, char *state, uint64_t *user, uint64_t *system)
{
    char buf[1024];
    osp_str text;
    osp_stat_line st;
    if (!read_of(p, tid, "stat", buf, sizeof buf, &text) || !osp_stat_parse(text, &st))
        return false;
    *state = st.state;
    *user = st.user_ticks;
    *system = st.system_ticks;
    return st.state != 'Z' && st.state != 'X';
}

uint64_t osp_thread_start_ns(const osp_process *p, int tid)
{
    char buf[1024];
    osp_str text;
    osp_stat_line st;
    if (!read_of(p, tid, "stat", buf, sizeof buf, &text) || !osp_stat_parse(text, &st))
        return 0;
    uint64_t asleep = osp_clock_ns(CLOCK_BOOTTIME) - osp_monotonic_ns(), born = st.start_ticks * osp_tick_ns();
    return born > asleep ? born - asleep : 0; /* the machine's sleep counts in the one, not in the other */
}

static bool read_schedstat(const osp_process *p, int tid, osp_thread_clock *out)
{
    char buf[128];
    osp_str text;
    return read_of(p, tid, "schedstat", buf, sizeof buf, &text) && osp_next_number(&text, &out->run_ns) &&
           osp_next_number(&text, &out->wait_ns) && osp_next_number(&text, &out->slices);
}

bool osp_thread_clock_read(const osp_process *p, int tid, osp_thread_clock *out)
{
    char state;
    uint64_t user, system;
    *out = (osp_thread_clock){0};
    if (read_schedstat(p, tid, out))
        return true;
    if (!osp_thread_ticks(p, tid, &state, &user, &system))
        return false;
    *out = (osp_thread_clock){.run_ns = (user + system) * osp_tick_ns()}; /* a kernel without CONFIG_SCHED_INFO */
    return true;
}

bool osp_thread_switches(const osp_process *p, int tid, uint64_t *out)
{
    char buf[4096];
    osp_str text;
    uint64_t kept, taken;
    if (!read_of(p, tid, "status", buf, sizeof buf, &text))
        return false;
    osp_str first = osp_status_field(text, S("voluntary_ctxt_switches"));
    osp_str second = osp_status_field(text, S("nonvoluntary_ctxt_switches"));
    bool ok = osp_next_number(&first, &kept) && osp_next_number(&second, &taken);
    *out = ok ? kept + taken : 0;
    return ok;
}

uint64_t osp_thread_slices(const osp_process *p, int tid)
{
    osp_thread_clock c;
    return read_schedstat(p, tid, &c) ? c.slices : UINT64_MAX;
}

/* Fields 19 (nice), 40 (rt_priority) and 41 (policy) of a stat line, which may be negative. */
static void take_policy(osp_str text, osp_thread_look *out)
{
    size_t close = osp_str_rfind(text, ')');
    osp_str rest = osp_str_trim(osp_str_skip(text, close + 1));
    for (int field = 3; rest.n && field <= 41; field++) {
        osp_str word = osp_str_cut(&rest, ' ');
        bool negative = osp_str_starts(word, S("-"));
        uint64_t v;
        if (!osp_str_u64(osp_str_skip(word, negative), 10, &v) || v > INT32_MAX)
            continue;
        int number = negative ? -(int)v : (int)v;
        out->nice = field == 19 ? number : out->nice;
        out->priority = field == 40 ? number : out->priority;
        out->policy = field == 41 ? number : out->policy;
    }
}

void osp_thread_look_at(const osp_process *p, int tid, osp_thread_look *out)
{
    char buf[4096];
    osp_str text;
    *out = (osp_thread_look){.policy = -1};
    osp_thread_call(p, tid, &out->call);
    if (read_of(p, tid, "wchan", buf, sizeof buf, &text) && !osp_str_eq(text, S("0")))
        osp_str_z(osp_str_trim(text), out->wchan, sizeof out->wchan);
    if (read_of(p, tid, "stat", buf, sizeof buf, &text))
        take_policy(text, out);
    if (read_of(p, tid, "status", buf, sizeof buf, &text))
        osp_str_z(osp_status_field(text, S("Cpus_allowed_list")), out->cpus, sizeof out->cpus);
}

osp_str osp_policy_text(int policy)
{
    static const char *const name[] = {"other", "fifo", "rr", "batch", "", "idle", "deadline", "ext"};
    bool known = policy >= 0 && (size_t)policy < sizeof name / sizeof *name;
    return known ? osp_str_from(name[policy]) : S("");
}
