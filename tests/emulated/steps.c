/* SPDX-License-Identifier: Apache-2.0 */
/* steps: the unwinder over the stacks of an aarch64 program, on any machine. qemu runs the program, stopped after each
 * instruction; at each the registers and the memory are walked. What must come out is known from the calls and returns
 * that were stepped over, so that each instruction of prologues, epilogues and stack switches is looked at.
 *
 *     steps QEMU FROM MOST PROGRAM [ARGUMENT...]
 *
 * With STEPS_MAPS the program is to write its memory map to that file, and is followed when it comes to FROM again.
 *
 * FROM is the function to begin at, MOST how many instructions are followed. Prints one line: instructions, how many of
 * them were in other functions than the one before, the most callers, how many had a wrong stack; and, for some of those,
 * what was wrong. Status 1 if any was. */
#include "base/file.h"
#include "goruntime/goruntime_internal.h"
#include "object/object.h"
#include "unwind/unwind.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PACKET = 1 << 14, DEPTH = 8192, GOROUTINES = 256, SHOWN = 12, MAPS = 64, WALK = 8192 };

/* A return address without its signature. */
#define CODE ((1ull << 48) - 1)

/* Where the program's address 0 lies in qemu's memory. */
static const uint64_t GUEST_BASE = 1ull << 40;

enum { X3 = 3, X8 = 8, X28 = 28, X30 = 30, SP = 31, PC = 32, NREGS = 33, SIGFRAME_PC = 568 };

typedef struct {
    uint64_t x[NREGS];
} registers;

typedef struct {
    uint64_t start, end, bias;
    osp_object *object;
    osp_rows rows;
} mapping;

/* ---- qemu ----------------------------------------------------------------------------------------------------- */

typedef struct {
    pid_t pid;
    int fd;
    uint8_t in[PACKET];
    size_t at, have;
    char packet[PACKET];
    mapping map[MAPS];
    unsigned nmap, signal;         /* signal: to be delivered at the next step */
    unsigned long stopped, thread; /* which thread stopped last; whose steps are followed */
} emulator;

static void die(const char *what)
{
    fprintf(stderr, "steps: %s: %s\n", what, strerrordesc_np(errno));
    exit(2);
}

static int next_byte(emulator *e)
{
    if (e->at == e->have) {
        ssize_t n = read(e->fd, e->in, sizeof e->in);
        if (n <= 0)
            return -1;
        e->have = (size_t)n;
        e->at = 0;
    }
    return e->in[e->at++];
}

/* One packet of GDB's remote protocol and its answer, in e->packet; false once the program has ended. */
static bool ask(emulator *e, const char *question)
{
    char out[256];
    unsigned sum = 0;
    for (const char *p = question; *p; p++)
        sum += (unsigned char)*p;
    int n = snprintf(out, sizeof out, "$%s#%02x", question, sum & 255);
    if (write(e->fd, out, (size_t)n) != n)
        return false;
    int c;
    size_t len = 0;
    while ((c = next_byte(e)) != '$')
        if (c < 0)
            return false;
    while ((c = next_byte(e)) != '#' && len + 1 < sizeof e->packet) {
        if (c < 0)
            return false;
        e->packet[len++] = (char)c;
    }
    e->packet[len] = 0;
    next_byte(e);
    next_byte(e);
    return write(e->fd, "+", 1) == 1 && e->packet[0] != 'W' && e->packet[0] != 'X';
}

static uint64_t hex_le(const char *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--) {
        char byte[3] = {p[2 * i], p[2 * i + 1], 0};
        v = v << 8 | strtoul(byte, NULL, 16);
    }
    return v;
}

static bool read_registers(emulator *e, registers *r)
{
    if (!ask(e, "g") || strlen(e->packet) < 16 * (size_t)NREGS)
        return false;
    for (int i = 0; i < NREGS; i++)
        r->x[i] = hex_le(e->packet + 16 * (size_t)i);
    return true;
}

static bool read_memory(const emulator *e, uint64_t addr, void *out, size_t n)
{
    struct iovec to = {out, n}, from = {(void *)(uintptr_t)(GUEST_BASE + addr), n};
    return process_vm_readv(e->pid, &to, 1, &from, 1, 0) == (ssize_t)n;
}

static uint64_t word_of(const emulator *e, uint64_t addr)
{
    uint64_t v = 0;
    return read_memory(e, addr, &v, sizeof v) ? v : 0;
}

static void start(emulator *e, const char *qemu, char **command)
{
    char base[32], path[64];
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(base, sizeof base, "0x%llx", (unsigned long long)GUEST_BASE);
    snprintf(path, sizeof path, "/tmp/osprey-steps-%d", (int)getpid());
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    e->pid = fork();
    if (e->pid == 0) {
        char *args[64] = {(char *)(uintptr_t)qemu, (char *)(uintptr_t) "-B", base, (char *)(uintptr_t) "-g", path};
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, 1);
        for (int i = 0; command[i] && i < 50; i++)
            args[5 + i] = command[i];
        execv(qemu, args);
        _exit(127);
    }
    for (int try = 0; try < 600; try++) {
        e->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(e->fd, (const struct sockaddr *)&at, sizeof at) == 0) {
            unlink(path);
            return;
        }
        close(e->fd);
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    die("qemu does not listen");
}

/* ---- what is mapped -------------------------------------------------------------------------------------------- */

static void add_object(emulator *e, const char *path, uint64_t bias)
{
    osp_file f;
    osp_err err;
    if (e->nmap == MAPS || !osp_file_open(path, 256 << 20, &f, &err))
        return;
    osp_object *o = osp_object_open_bytes(f.bytes, path, NULL, &err);
    osp_file_close(&f);
    osp_rows rows;
    if (!o || !osp_object_rows(o, &rows, &err)) {
        fprintf(stderr, "steps: %s: %s\n", path, err.msg);
        exit(2);
    }
    e->map[e->nmap++] = (mapping){.bias = bias, .object = o, .rows = rows};
}

static void drop_objects(emulator *e)
{
    while (e->nmap)
        osp_object_close(e->map[--e->nmap].object);
}

/* Executable parts of what the program itself says in /proc/self/maps (a file, whose name it was given). */
static void add_maps(emulator *e, const char *file)
{
    char line[512], path[256];
    unsigned long long lo, hi, off;
    char perms[8];
    FILE *f = fopen(file, "r");
    while (f && fgets(line, sizeof line, f)) {
        osp_err err;
        path[0] = 0;
        if (sscanf(line, "%llx-%llx %7s %llx %*s %*s %255s", &lo, &hi, perms, &off, path) < 4 || perms[2] != 'x' ||
            path[0] != '/')
            continue;
        unsigned before = e->nmap;
        add_object(e, path, 0);
        mapping *m = e->nmap > before ? &e->map[before] : NULL;
        if (m && osp_object_bias(m->object, lo, off, &m->bias, &err)) {
            m->start = lo;
            m->end = hi;
        } else if (m) {
            osp_object_close(e->map[--e->nmap].object);
        }
    }
    if (f)
        fclose(f);
}

static const mapping *mapping_at(const emulator *e, uint64_t addr)
{
    for (unsigned i = 0; i < e->nmap; i++)
        if (addr >= e->map[i].start && addr < e->map[i].end)
            return &e->map[i];
    return NULL;
}

static bool is_sigreturn(const emulator *e, uint64_t addr)
{
    return word_of(e, addr) == 0xd4000001d2801168; /* mov x8, #139; svc #0 */
}

static bool read_word(void *ctx, uint64_t addr, uint64_t *word) { return read_memory(ctx, addr, word, 8); }

static bool rule_at(void *ctx, uint64_t addr, uint32_t *rule)
{
    const mapping *m = mapping_at(ctx, addr);
    if (m) {
        *rule = osp_rows_find(m->rows.row, m->rows.n, (uint32_t)(addr - m->bias - m->rows.base));
        return true;
    }
    /* qemu has a page of its own where the kernel has its vDSO. */
    *rule = OSP_RULE_SIGFRAME_LINK;
    return is_sigreturn(ctx, addr + 1) || is_sigreturn(ctx, addr) || is_sigreturn(ctx, addr - 4);
}

/* ---- the truth -------------------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t addr, g, depth; /* depth: of sp when it was called, from the stack's end */
    bool exact;              /* nothing was called: a signal came, or the runtime made it look so */
} call;

typedef struct {
    uint64_t g;
    call row[DEPTH];
    unsigned n;
} calls;

typedef struct {
    emulator *e;
    osp_unwind_go go;
    uint64_t g0;
    struct {
        uint64_t start, end;
    } gogo[2], mcall; /* gogo has two halves */
    struct {
        uint64_t start, end;
    } between[2], injected[2]; /* functions that make a signal's frame return elsewhere, word by word; where to */
    calls *of[GOROUTINES], *now;
    unsigned n, wrong, unsaid, most, switches; /* unsaid: at code whose table no row can say, __longjmp's */
} truth;

static calls *calls_of(truth *t, uint64_t g)
{
    for (unsigned i = 0; i < t->n; i++)
        if (t->of[i]->g == g)
            return t->of[i];
    if (t->n == GOROUTINES)
        exit(2);
    t->of[t->n] = calloc(1, sizeof(calls));
    t->of[t->n]->g = g;
    return t->of[t->n++];
}

static uint64_t depth_of(const truth *t, const registers *r)
{
    uint64_t hi = t->go.has_go ? word_of(t->e, r->x[X28] + t->go.g_stack_hi) : 0;
    return hi - r->x[SP];
}

static void push(truth *t, const registers *r, uint64_t addr, bool exact)
{
    calls *c = t->now;
    if (c->n < DEPTH)
        c->row[c->n++] = (call){addr, t->go.has_go ? r->x[X28] : 0, depth_of(t, r), exact};
    t->most = c->n > t->most ? c->n : t->most;
}

/* Execution goes on at a place that was not returned to in order: gogo, longjmp. What was called from there is gone; of
 * several calls at one depth, where a function has not made its frame yet, the last that returns there. */
static void resume(truth *t, const registers *r)
{
    calls *c = t->now;
    uint64_t g = t->go.has_go ? r->x[X28] : 0, depth = depth_of(t, r);
    while (c->n && (c->row[c->n - 1].g != g || (int64_t)(c->row[c->n - 1].depth - depth) > 0))
        c->n--;
    unsigned n = c->n;
    while (n && c->row[n - 1].depth == depth && c->row[n - 1].addr != r->x[PC])
        n--;
    c->n = n && c->row[n - 1].depth == depth ? n - 1 : n;
}

#define IN(range, pc) ((pc) >= (range).start && (pc) < (range).end)

enum { STATIC_END = 1 << 30 }; /* where a static program has ended */
enum { SVC = 0xd4000001 };

/* A signal's handler was entered, and its first instruction may be executed. Its frame, which says what sp was, is at sp
 * or not far above. */
static void interrupt(truth *t, const registers *old, const registers *r)
{
    uint64_t at = r->x[SP];
    while (
        (word_of(t->e, at + SIGFRAME_PC - 8) != old->x[SP] || word_of(t->e, at + SIGFRAME_PC - 16) != old->x[X30]) &&
        at < r->x[SP] + 512)
        at += 16;
    push(t, old, word_of(t->e, at + SIGFRAME_PC), true);
    push(t, r, r->x[X30] & CODE, true);
}

/* The instruction w was executed: registers before and after. */
static void follow(truth *t, uint32_t w, const registers *old, const registers *r)
{
    uint64_t pc = old->x[PC], to = r->x[PC];
    bool call_on = (w & 0xfc000000) == 0x94000000 || (w & 0xfefff800) == 0xd63f0000;
    bool returns = (w & 0xfefff800) == 0xd65f0000, jumps = (w & 0xfefff800) == 0xd61f0000;
    calls *c = t->now;
    if (w == SVC && old->x[X8] == 139 && c->n) { /* a handler has returned */
        uint64_t was = c->row[--c->n].addr;
        if (r->x[PC] != was) /* elsewhere than where it had come: Go's runtime injects calls so */
            push(t, r, r->x[X30], true);
    } else if (call_on) {
        push(t, old, pc + 4, false);
    } else if ((returns || jumps) && (IN(t->gogo[0], pc) || IN(t->gogo[1], pc))) {
        t->now = calls_of(t, r->x[X28]);
        resume(t, r);
        t->switches++;
    } else if (c->n && (returns || jumps) && to == c->row[c->n - 1].addr) {
        c->n--;
    } else if (returns || (jumps && c->n && (int64_t)(c->row[c->n - 1].depth - depth_of(t, r)) > 0)) {
        resume(t, r); /* longjmp: sp is above what was called */
    }
    if (t->mcall.end && to == t->mcall.start) { /* the scheduler's own stack, from its begin */
        t->now = calls_of(t, t->g0);
        t->now->n = 0;
    }
}

static void name_of(const emulator *e, uint64_t addr, char *out, size_t n)
{
    osp_symbol s;
    const mapping *m = mapping_at(e, addr);
    if (m && osp_object_symbol_at(m->object, addr - m->bias, &s))
        snprintf(out, n, "%.*s+%llu", STRF(s.name), (unsigned long long)(addr - m->bias - s.start));
    else
        snprintf(out, n, "0x%llx", (unsigned long long)addr);
}

/* Does a function run, or one that it has called, which makes a signal's frame return elsewhere? */
static bool is_between(const truth *t, uint64_t pc)
{
    enum { CALLED = 4 };
    const calls *c = t->now;
    for (unsigned i = 0; i <= CALLED; i++) {
        uint64_t at = i == 0 ? pc : i <= c->n ? c->row[c->n - i].addr : 0;
        if (IN(t->between[0], at) || IN(t->between[1], at))
            return true;
    }
    return false;
}

static void judge(truth *t, const registers *r)
{
    static uint64_t pc[WALK];
    emulator *e = t->e;
    const calls *c = t->now;
    osp_unwind_env env = {e, read_word, rule_at};
    osp_unwind_regs regs = {.pc = r->x[PC], .sp = r->x[SP], .fp = r->x[29], .aarch64 = true};
    uint64_t curg, m;
    uint32_t fp_steps = 0;
    size_t n = 0;
    memcpy(regs.reg, r->x, sizeof regs.reg);
    if (is_between(t, regs.pc))
        return;
    int end = osp_unwind_walk(&env, &t->go, &regs, t->g0, pc, WALK, &n, &curg, &m, &fp_steps);
    unsigned same = 0, more = 0; /* more: the frame of a call that a handler has injected already */
    while (same < c->n && same + more + 1 < n) {
        const call *want = &c->row[c->n - 1 - same];
        uint64_t have = pc[same + more + 1];
        if (have == want->addr - !want->exact)
            same++;
        else if (want->exact && !more && (have == t->injected[0].start || have == t->injected[1].start))
            more = 1;
        else
            break;
    }
    /* __longjmp: the CFA is what it goes to. */
    uint32_t rule;
    if (n == 1 && (end == OSP_UNWIND_UNSUPPORTED || end == OSP_UNWIND_STUCK) && rule_at(e, regs.pc, &rule) &&
        (rule == OSP_RULE_UNKNOWN || osp_rule_kind(rule) == OSP_RULE_LEAF_LINK)) {
        t->unsaid++;
        return;
    }
    /* The scheduler, once it has put down the goroutine that it was entered from, or has taken up another one. */
    bool put_down = t->go.has_go && same < c->n && c->row[c->n - 1 - same].g != curg;
    if ((same == c->n || put_down) && pc[0] == r->x[PC] && end == OSP_UNWIND_ROOT)
        return;
    if (t->wrong++ >= SHOWN)
        return;
    char at[200], have[200] = "nothing", want[200] = "the root";
    name_of(e, r->x[PC], at, sizeof at);
    if (same + more + 1 < n)
        name_of(e, pc[same + more + 1], have, sizeof have);
    if (same < c->n)
        name_of(e, c->row[c->n - 1 - same].addr, want, sizeof want);
    printf("at %s: %u of %u callers are right, then %s instead of %s; the walk ended with %d after %zu\n", at, same,
           c->n, have, want, end, n);
}

/* ---- the run ---------------------------------------------------------------------------------------------------- */

static bool symbol(const mapping *m, osp_str name, uint64_t *start_addr, uint64_t *end_addr)
{
    osp_symbol_value v;
    osp_symbol s;
    if (!osp_object_symbol(m->object, name, &v))
        return false;
    *start_addr = m->bias + v.value;
    *end_addr = osp_object_symbol_at(m->object, v.value, &s) ? m->bias + s.end : *start_addr + 4;
    return true;
}

static void find_go(truth *t, const mapping *m, const registers *r)
{
    osp_go_info info;
    osp_go_places at;
    bool plain, newer;
    if (!osp_object_go(m->object, &info) || !info.nfunc ||
        !osp_go_layout_of_version(osp_go_version_parse(info.version, &plain), &at, &newer))
        return;
    t->go = (osp_unwind_go){.has_go = 1,
                            .g_stack_lo = (uint32_t)at.pub.g_stack_lo,
                            .g_stack_hi = (uint32_t)at.pub.g_stack_hi,
                            .g_m = (uint32_t)at.pub.g_m,
                            .g_sched_sp = (uint32_t)at.pub.g_sched_sp,
                            .g_sched_pc = (uint32_t)at.pub.g_sched_pc,
                            .g_sched_bp = (uint32_t)at.pub.g_sched_bp,
                            .m_g0 = (uint32_t)at.pub.m_g0,
                            .m_curg = (uint32_t)at.pub.m_curg,
                            .g_goid = -1,
                            .g_labels = -1};
    osp_unwind_go_machine(&t->go, true, osp_go_version_parse(info.version, &plain));
    t->g0 = word_of(t->e, word_of(t->e, r->x[X28] + t->go.g_m) + t->go.m_g0);
    symbol(m, S("runtime.gogo"), &t->gogo[0].start, &t->gogo[0].end);
    symbol(m, S("gogo"), &t->gogo[1].start, &t->gogo[1].end);
    symbol(m, S("runtime.(*sigctxt).pushCall"), &t->between[0].start, &t->between[0].end);
    symbol(m, S("runtime.(*sigctxt).preparePanic"), &t->between[1].start, &t->between[1].end);
    symbol(m, S("runtime.asyncPreempt"), &t->injected[0].start, &t->injected[0].end);
    symbol(m, S("runtime.sigpanic"), &t->injected[1].start, &t->injected[1].end);
    symbol(m, S("runtime.mcall"), &t->mcall.start, &t->mcall.end);
}

/* Why it stopped, from e->packet: "T05thread:25f1;". */
static void read_stop(emulator *e)
{
    enum { TRAP = 5 };
    const char *thread = strstr(e->packet, "thread:");
    unsigned sig = (unsigned)strtoul((char[3]){e->packet[1], e->packet[2], 0}, NULL, 16);
    e->stopped = thread ? strtoul(thread + 7, NULL, 16) : 0;
    e->signal = sig == TRAP ? 0 : sig;
}

/* Let the thread that stopped run or do one step; its signal, if it stopped for one, is delivered. Other threads run
 * all the time, and stop for their signals only. */
static bool resume_program(emulator *e, char how)
{
    char s[64];
    do {
        bool other = e->thread && e->stopped != e->thread;
        char now = other ? 'c' : how;
        if (e->signal)
            snprintf(s, sizeof s, "vCont;%c%02x:%lx", now - 32, e->signal, e->stopped);
        else
            snprintf(s, sizeof s, "vCont;%c:%lx", now, e->stopped);
        if (!ask(e, s))
            return false;
        read_stop(e);
    } while (e->thread && e->stopped != e->thread);
    return true;
}

/* Behind a system call qemu has executed the next instruction, too. */
static void went_on(truth *t, uint32_t w, bool delivered, const registers *old, const registers *r)
{
    registers between = *old;
    if (delivered && is_sigreturn(t->e, r->x[X30] & CODE)) {
        interrupt(t, old, r);
        return;
    }
    if (w != SVC) {
        follow(t, w, old, r);
        return;
    }
    between.x[PC] += 4;
    if (old->x[X8] == 139)
        for (int i = 0; i < NREGS; i++)
            between.x[i] = word_of(t->e, old->x[SP] + SIGFRAME_PC - 8 * (uint64_t)(PC - i));
    follow(t, w, old, &between);
    if (r->x[PC] != between.x[PC] && read_memory(t->e, between.x[PC], &w, 4))
        follow(t, w, &between, r);
}

static bool go_to(emulator *e, uint64_t addr)
{
    char z[64];
    snprintf(z, sizeof z, "Z0,%llx,4", (unsigned long long)addr);
    if (!e->thread) {
        if (!ask(e, "?"))
            return false;
        read_stop(e);
        e->signal = 0;
    }
    if (!ask(e, z))
        return false;
    do
        if (!resume_program(e, 'c'))
            return false;
    while (e->signal);
    z[0] = 'z';
    e->thread = e->stopped;
    return ask(e, z);
}

int main(int argc, char **argv)
{
    static emulator e;
    static truth t;
    registers r, old;
    if (argc < 5) {
        fprintf(stderr, "usage: steps QEMU FROM MOST PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    add_object(&e, argv[4], 0);
    e.map[0].end = STATIC_END;
    uint64_t from, end;
    if (!symbol(&e.map[0], osp_str_from(argv[2]), &from, &end)) {
        fprintf(stderr, "steps: no %s in %s\n", argv[2], argv[4]);
        return 2;
    }
    start(&e, argv[1], argv + 4);
    const char *maps = getenv("STEPS_MAPS");
    if (!go_to(&e, from) || !read_registers(&e, &r)) {
        fprintf(stderr, "steps: the program ended before %s\n", argv[2]);
        return 2;
    }
    if (maps) { /* written before the second time */
        if (!resume_program(&e, 's') || !go_to(&e, from) || !read_registers(&e, &r))
            die("the program ended early");
        drop_objects(&e);
        add_maps(&e, maps);
    }
    t.e = &e;
    t.now = calls_of(&t, 0);
    find_go(&t, &e.map[0], &r);
    if (t.go.has_go)
        t.now = calls_of(&t, r.x[X28]);
    unsigned long steps = 0, most = strtoul(argv[3], NULL, 10);
    while (steps < most) {
        uint32_t w = 0;
        judge(&t, &r);
        steps++;
        old = r;
        bool delivered = e.signal != 0;
        if (!read_memory(&e, r.x[PC], &w, 4) || !resume_program(&e, 's') || !read_registers(&e, &r))
            break;
        if (e.signal && memcmp(&old, &r, sizeof r) == 0) /* it stopped for the signal and has executed nothing */
            continue;
        went_on(&t, w, delivered, &old, &r);
    }
    printf(
        "%lu instructions, at most %u callers, %u switches of goroutines, %u that no row describes, %u with a wrong "
        "stack\n",
        steps, t.most, t.switches, t.unsaid, t.wrong);
    kill(e.pid, SIGKILL);
    waitpid(e.pid, NULL, 0);
    drop_objects(&e);
    for (unsigned i = 0; i < t.n; i++)
        free(t.of[i]);
    return t.wrong != 0 || t.unsaid * 100 > steps;
}
