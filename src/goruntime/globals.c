/* SPDX-License-Identifier: Apache-2.0 */
/* Where the runtime's globals are. By symbol; in a stripped binary by the code of functions that use them.
 *
 * There is no disassembler here: each place in such a function is taken as the 4-byte displacement of a RIP-relative
 * operand, with 0, 1 or 4 bytes of immediate behind it. Most of these targets lie outside the writable data of the
 * object; those inside are looked at in live memory, and the one is taken that is what we want: the list of all Ms is
 * a list of Ms, the slice of Ps holds P 0, 1, 2 …. Wrong guesses do not survive that. */
#include "goruntime/goruntime_internal.h"

#include <elf.h>
#include <stdlib.h>
#include <time.h>

enum {
    CODE_MAX = 16384,
    MS_MAX = 1 << 20, /* far above the runtime's own limit of 10 000 */
    PS_MAX = 1 << 16,
    SCHED_TRIES = 12,
};

bool osp_go_word(const osp_go *go, uint64_t addr, uint64_t *out)
{
    osp_err ignored; /* unreadable is an answer */
    return go->mem.read(go->mem.ctx, addr, out, sizeof *out, &ignored);
}

/* m.g0.m == m: the cheap test whether addr is an M. */
static bool is_m(const osp_go *go, uint64_t addr)
{
    uint64_t g0, m;
    return addr && addr % 8 == 0 && osp_go_word(go, addr + (uint64_t)go->at.pub.m_g0, &g0) && g0 && g0 % 8 == 0 &&
           osp_go_word(go, g0 + (uint64_t)go->at.pub.g_m, &m) && m == addr;
}

/* ---- candidates --------------------------------------------------------------------------------------------- */

typedef osp_go_operands candidates;

void osp_go_add_operands(const osp_go *go, osp_str function, osp_go_operands *c)
{
    osp_symbol_value v;
    osp_symbol f;
    if (!osp_object_symbol(go->object, function, &v) || !osp_object_symbol_at(go->object, v.value, &f) ||
        f.end <= v.value)
        return;
    size_t n = f.end - v.value < CODE_MAX ? (size_t)(f.end - v.value) : CODE_MAX;
    osp_span code = osp_object_bytes(go->object, v.value, n);
    for (size_t i = 0; i + 4 <= code.n; i++) {
        int32_t rel;
        memcpy(&rel, code.p + i, sizeof rel);
        static const unsigned immediate[] = {0, 1, 4};
        for (unsigned k = 0; k < 3; k++) {
            uint64_t to = go->bias + v.value + i + 4 + immediate[k] + (uint64_t)(int64_t)rel;
            if (to % 4 != 0 || to < go->data.lo || to >= go->data.hi || c->n == OSP_GO_OPERANDS_MAX)
                continue;
            bool known = false;
            for (size_t j = 0; j < c->n && !known; j++)
                known = c->addr[j] == to;
            if (!known)
                c->addr[c->n++] = to;
        }
    }
}

/* ---- what each must look like ------------------------------------------------------------------------------- */

/* How many Ms hang on this head, M 0 among them; 0 if it is no such list. */
static uint32_t length_of_ms(const osp_go *go, uint64_t head)
{
    uint64_t m, mark = 0; /* against circles, as in snapshot.c */
    uint32_t n = 0;
    bool zero = false;
    if (!osp_go_word(go, head, &m))
        return 0;
    while (m && n < MS_MAX) {
        uint64_t id;
        if (m == mark)
            return 0;
        if ((n & (n - 1)) == 0)
            mark = m;
        if (!is_m(go, m) || !osp_go_word(go, m + (uint64_t)go->at.pub.m_id, &id))
            return 0;
        zero |= id == 0;
        n++;
        if (!osp_go_word(go, m + (uint64_t)go->at.pub.m_alllink, &m))
            return 0;
    }
    return zero && n < MS_MAX ? n : 0;
}

static void find_allm(osp_go *go, const candidates *c)
{
    uint32_t best = 0;
    for (size_t i = 0; i < c->n; i++) {
        uint32_t n = c->addr[i] % 8 == 0 ? length_of_ms(go, c->addr[i]) : 0;
        if (n > best) {
            best = n;
            go->global[OSP_GO_ALLM] = c->addr[i];
        }
    }
}

static bool is_slice_of_ps(const osp_go *go, uint64_t addr)
{
    uint64_t slice[3], p;
    osp_err ignored;
    if (addr % 8 != 0 || !go->mem.read(go->mem.ctx, addr, slice, sizeof slice, &ignored) || slice[0] % 8 != 0 ||
        slice[1] == 0 || slice[1] > slice[2] || slice[2] > PS_MAX)
        return false;
    for (uint64_t i = 0; i < slice[1]; i++) {
        uint64_t head; /* id and status, both 4 bytes */
        if (!osp_go_word(go, slice[0] + 8 * i, &p) || p == 0 || p % 8 != 0 ||
            !osp_go_word(go, p + (uint64_t)go->at.pub.p_id, &head) || (uint32_t)head != i || head >> 32 > 4)
            return false;
    }
    return true;
}

/* sched by its own counters: Ms made less Ms freed are the Ms on the list. */
static bool is_sched(const osp_go *go, uint64_t addr, uint32_t nm)
{
    uint64_t mnext, nmfreed, most, goidgen, ngsys;
    const osp_go_places *at = &go->at;
    return addr % 8 == 0 && osp_go_word(go, addr, &goidgen) && goidgen > 0 &&
           osp_go_word(go, addr + (uint64_t)at->sched_mnext, &mnext) &&
           osp_go_word(go, addr + (uint64_t)at->sched_nmfreed, &nmfreed) &&
           osp_go_word(go, addr + (uint64_t)at->sched_maxmcount, &most) &&
           osp_go_word(go, addr + (uint64_t)at->sched_ngsys, &ngsys) && nm > 0 && mnext - nmfreed == nm &&
           nmfreed < mnext && (uint32_t)most >= nm && (uint32_t)most <= INT32_MAX && (uint32_t)ngsys > 0 &&
           (uint32_t)ngsys < 1 << 20;
}

void osp_go_let_it_settle(int try)
{
    const int ms = try < 3 ? 0 : try < 8 ? 1 << (try - 3) : 32;
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

static void find_sched_once(osp_go *go, const candidates *c)
{
    const osp_go_places *at = &go->at;
    const int32_t field[] = {0,
                             at->sched_lock,
                             at->sched_mnext,
                             at->sched_nmfreed,
                             at->sched_ngsys,
                             at->sched_free_n,
                             at->sched_free_stack,
                             at->sched_free_bare};
    uint32_t nm = length_of_ms(go, go->global[OSP_GO_ALLM]);
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < sizeof field / sizeof *field; k++)
            if (field[k] >= 0 && is_sched(go, c->addr[i] - (uint64_t)field[k], nm)) {
                go->global[OSP_GO_SCHED] = c->addr[i] - (uint64_t)field[k];
                return;
            }
}

/* While an M starts or ends, the counters and the list disagree. */
static void find_sched(osp_go *go, const candidates *c)
{
    for (int try = 0; try < SCHED_TRIES && go->global[OSP_GO_ALLM] && !go->global[OSP_GO_SCHED]; try++) {
        if (try)
            osp_go_let_it_settle(try);
        find_sched_once(go, c);
    }
}

static bool is_g(const osp_go *go, uint64_t addr)
{
    uint64_t lo, hi, status, id;
    const osp_go_layout *at = &go->at.pub;
    return addr && addr % 8 == 0 && osp_go_word(go, addr + (uint64_t)at->g_stack_lo, &lo) &&
           osp_go_word(go, addr + (uint64_t)at->g_stack_hi, &hi) && lo <= hi &&
           osp_go_word(go, addr + (uint64_t)at->g_status, &status) && (status & 0xffffefff) <= 11 &&
           osp_go_word(go, addr + (uint64_t)at->g_goid, &id) && id < 1ull << 62;
}

/* allgs, allgptr and allglen prove each other: *allgptr is the slice's array, *allglen its length. */
static void find_allgs(osp_go *go, const candidates *c)
{
    for (size_t i = 0; i < c->n; i++) {
        uint64_t slice[3], word, first;
        osp_err ignored;
        if (c->addr[i] % 8 != 0 || !go->mem.read(go->mem.ctx, c->addr[i], slice, sizeof slice, &ignored) ||
            slice[0] == 0 || slice[0] % 8 != 0 || slice[1] == 0 || slice[1] > slice[2] ||
            !osp_go_word(go, slice[0], &first) || !is_g(go, first))
            continue;
        uint64_t ptr = 0, len = 0;
        for (size_t j = 0; j < c->n; j++) {
            if (c->addr[j] % 8 != 0 || (c->addr[j] >= c->addr[i] && c->addr[j] < c->addr[i] + 24) ||
                !osp_go_word(go, c->addr[j], &word))
                continue;
            if (word == slice[0])
                ptr = c->addr[j];
            if (word == slice[1])
                len = c->addr[j];
        }
        if (ptr && len) {
            go->global[OSP_GO_ALLGS] = c->addr[i];
            go->global[OSP_GO_ALLGPTR] = ptr;
            go->global[OSP_GO_ALLGLEN] = len;
            return;
        }
    }
}

/* The fields of memstats that the end of a collection writes, and the question whether one is due reads. */
static void find_memstats(osp_go *go, const candidates *c)
{
    const osp_go_places *at = &go->at;
    const int32_t field[] = {at->mem_last_gc_mono, at->mem_last_gc, at->mem_pause_total,
                             at->mem_numgc,        at->mem_gc_cpu,  at->mem_enablegc};
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < sizeof field / sizeof *field; k++)
            if (field[k] >= 0 && osp_go_is_memstats(go, c->addr[i] - (uint64_t)field[k])) {
                go->global[OSP_GO_MEMSTATS] = c->addr[i] - (uint64_t)field[k];
                return;
            }
}

/* ---- all together ------------------------------------------------------------------------------------------- */

static const char *const names[OSP_GO_NGLOBALS] = {
    [OSP_GO_ALLM] = "runtime.allm",         [OSP_GO_ALLP] = "runtime.allp",       [OSP_GO_ALLGS] = "runtime.allgs",
    [OSP_GO_ALLGPTR] = "runtime.allgptr",   [OSP_GO_ALLGLEN] = "runtime.allglen", [OSP_GO_SCHED] = "runtime.sched",
    [OSP_GO_MEMSTATS] = "runtime.memstats",
};

/* Find what is not known yet of go->global by symbols, then by decoding with a look at live memory. */
static void find_globals(osp_go *go)
{
    bool missing = false;
    for (int i = 0; i < OSP_GO_NGLOBALS; i++) {
        osp_symbol_value v;
        if (!go->global[i] && osp_object_symbol(go->object, osp_str_from(names[i]), &v))
            go->global[i] = go->bias + v.value;
        missing |= !go->global[i];
    }
    if (!missing || osp_object_machine(go->object) != EM_X86_64)
        return;
    candidates *c = calloc(1, sizeof *c);
    if (!c)
        return;
    osp_go_add_operands(go, S("runtime.mcommoninit"), c);
    if (!go->global[OSP_GO_ALLM])
        find_allm(go, c);
    if (!go->global[OSP_GO_SCHED])
        find_sched(go, c);
    c->n = 0;
    osp_go_add_operands(go, S("runtime.procresize"), c);
    for (size_t i = 0; i < c->n && !go->global[OSP_GO_ALLP]; i++)
        if (is_slice_of_ps(go, c->addr[i]))
            go->global[OSP_GO_ALLP] = c->addr[i];
    c->n = 0;
    osp_go_add_operands(go, S("runtime.allgadd"), c);
    if (!go->global[OSP_GO_ALLGS])
        find_allgs(go, c);
    c->n = 0;
    osp_go_add_operands(go, S("runtime.gcMarkTermination"), c);
    osp_go_add_operands(go, S("runtime.gcTrigger.test"), c);
    if (!go->global[OSP_GO_MEMSTATS])
        find_memstats(go, c);
    free(c);
}

bool osp_go_global(osp_go *go, osp_str name, uint64_t *addr)
{
    for (int i = 0; i < OSP_GO_NGLOBALS; i++) {
        if (!osp_str_eq(name, osp_str_from(names[i])))
            continue;
        if (!go->global[i])
            find_globals(go); /* perhaps the runtime had not started when we looked first */
        *addr = go->global[i];
        return *addr != 0;
    }
    osp_symbol_value v;
    if (osp_object_symbol(go->object, name, &v))
        *addr = go->bias + v.value;
    else /* found with the collector, of a stripped program */
        *addr = osp_str_eq(name, S("runtime.mheap_")) ? go->gc.heap : 0;
    return *addr != 0;
}
