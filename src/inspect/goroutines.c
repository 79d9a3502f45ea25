/* SPDX-License-Identifier: Apache-2.0 */
/* All goroutines with their stacks, once, from a program that goes on running meanwhile.
 *
 *     1. look at the structures, in the order of their addresses (goruntime's table); those that live join a batch
 *     2. of a batch, read the tops of all stacks, then all structures again; neighbours in memory are read as one piece
 *     3. a structure that is still the same says that the stack held still meanwhile: unwind it, number it by its addresses
 *     4. else it ran meanwhile: read it again alone, a few times
 *
 * The same: goroutine, pc, sp, state and trackingSeq, which counts how often it has left its thread. Where labels or what
 * lies behind the top of the stack was read later, the structure is read once more after that.
 *
 * Memory is a row of 88 bytes a goroutine, and the distinct stacks and labels: what was read goes with its batch. */
#include "base/buf.h"
#include "base/clock.h"
#include "inspect/inspect_internal.h"

#include <elf.h>
#include <stdlib.h>

enum {
    BATCH = 256,
    WINDOW = 8192, /* bytes of a stack that are read at once */
    GAP = 1024,    /* bytes between neighbours that are read along */
    PIECE = 32768, /* bytes of neighbours together */
    RETRIES = 4,
    STACK_BYTES = 1 << 30, /* the runtime's own limit of a stack */
    MOST_FRAMES = 4096,
};
static const size_t ARENA_LIMIT = (size_t)4 << 30;

/* A goroutine of a batch. */
typedef struct {
    osp_g_look look;
    uint64_t addr;
    uint32_t order;                /* in the runtime's list */
    const uint8_t *window, *again; /* the top of its stack; its structure, read after that */
    uint32_t bytes;                /* of the window; 0: it stands nowhere */
    bool window_ok, again_ok;
    uint32_t labels; /* their number */
    osp_g g;
} item;

/* Bytes of the process, many at once: neighbours as one piece. */
typedef struct {
    uint64_t addr;
    uint32_t n;
    const uint8_t **to; /* where the bytes are */
    bool *ok;
} wish;

typedef struct {
    osp_inspect *in;
    osp_go *go;
    osp_goroutine_list *out;
    osp_g_table *table;
    size_t g_bytes, stack_cap, labels_cap;
    osp_intern stacks, labels;
    osp_index kinds; /* of functions that goroutines begin with */
    item batch[BATCH];
    size_t n;
    wish wish[BATCH];
    uint8_t *windows, *structures, *labelled; /* what is read of a batch */
    osp_labels_reader *reader;
    osp_labels_text *text; /* OSP_LABELS_AT_ONCE */
    uint8_t alone[WINDOW];
    osp_g_walker *walker;
    uint64_t pc[MOST_FRAMES];
    osp_image_thread *thread; /* of a core */
    uint32_t nthread;
    bool aarch64; /* the program's machine */
    bool failed;  /* no memory */
} reader;

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static bool read_one(const reader *r, uint64_t addr, void *dst, size_t n)
{
    bool ok;
    osp_mem_read_each(&osp_inspect_image(r->in)->mem, &(osp_piece){addr, dst, n}, 1, &ok);
    return ok;
}

static int by_address(const void *a, const void *b)
{
    const wish *x = a, *y = b;
    return (x->addr > y->addr) - (x->addr < y->addr);
}

/* Room that the wishes can take in the worst case. */
static size_t room_for(size_t bytes) { return BATCH * (bytes + GAP); }

/* Fulfil n wishes, into buf. */
static void read_wishes(reader *r, wish *w, size_t n, uint8_t *buf)
{
    osp_piece piece[BATCH];
    uint16_t first[BATCH + 1];
    bool ok[BATCH];
    size_t np = 0;
    qsort(w, n, sizeof *w, by_address);
    for (size_t i = 0; i < n; i++) {
        osp_piece *p = np ? &piece[np - 1] : NULL;
        uint64_t end = p ? p->addr + p->n : 0, stop = w[i].addr + w[i].n;
        bool joins = p && end > p->addr && stop > w[i].addr && (w[i].addr <= end || w[i].addr - end < GAP) &&
                     stop - p->addr <= PIECE;
        if (joins) {
            size_t more = stop > end ? (size_t)(stop - end) : 0;
            p->n += more;
            buf += more;
        } else {
            first[np] = (uint16_t)i;
            piece[np++] = (osp_piece){w[i].addr, buf, w[i].n};
            buf += w[i].n;
        }
    }
    first[np] = (uint16_t)n;
    osp_mem_read_each(&osp_inspect_image(r->in)->mem, piece, np, ok);
    for (size_t k = 0; k < np; k++)
        for (size_t i = first[k]; i < first[k + 1]; i++) {
            *w[i].ok = ok[k];
            *w[i].to = (const uint8_t *)piece[k].dst + (w[i].addr - piece[k].addr);
        }
}

static bool same_place(const osp_g_look *a, const osp_g_look *b)
{
    return a->goid == b->goid && a->pc == b->pc && a->sp == b->sp && a->seq == b->seq && a->status == b->status;
}

/* Bytes of the stack of l to read at once; 0 if that cannot be its stack. */
static uint32_t window_of(const osp_g_look *l)
{
    if (!osp_g_stands(l) || l->sp == 0 || l->sp % 8 || l->sp >= l->stack_hi || l->stack_hi - l->sp > STACK_BYTES)
        return 0;
    return l->stack_hi - l->sp < WINDOW ? (uint32_t)(l->stack_hi - l->sp) : WINDOW;
}

static bool decode(const reader *r, uint64_t addr, const uint8_t *bytes, osp_g *g)
{
    return osp_g_decode(r->go, addr, bytes, g);
}

/* ---- unwinding -------------------------------------------------------------------------------------------------- */

/* The saved pc is where a call returns, or where a function begins that has not run yet. */
static uint64_t of_call(const reader *r, uint64_t pc)
{
    uint64_t at;
    osp_symbol f;
    osp_object *o = osp_inspect_object(r->in, pc, &at);
    return o && osp_object_symbol_at(o, at, &f) && f.start == at ? pc : pc - 1;
}

/* Unwind into r->pc; *n addresses. True if the walk came to the goroutine's first function. */
static bool unwind(reader *r, const osp_g *g, osp_span top, size_t *n, bool *behind)
{
    int end = osp_g_walk(r->walker, g, top, r->pc, MOST_FRAMES, n, behind);
    if (*n)
        r->pc[0] = of_call(r, r->pc[0]);
    return end == OSP_UNWIND_ROOT;
}

static bool read_word(void *ctx, uint64_t addr, uint64_t *word) { return read_one(ctx, addr, word, sizeof *word); }

static bool rule_at(void *ctx, uint64_t addr, uint32_t *rule)
{
    return osp_space_rule(osp_inspect_space(((reader *)ctx)->in), addr, rule);
}

/* One that runs, in a program that stands still: from the registers of its thread, which may be in a handler of a signal. */
static bool unwind_running(reader *r, const osp_g *g, size_t *n)
{
    osp_m m;
    osp_err ignored; /* its stack is not known then */
    uint64_t curg = 0, at_m = 0;
    uint32_t steps = 0, i = 0;
    *n = 0;
    if (!osp_go_read_m(r->go, g->m, &m, &ignored) || m.curg != g->addr)
        return false;
    while (i < r->nthread && r->thread[i].tid != m.tid)
        i++;
    if (i == r->nthread || !r->thread[i].has_regs)
        return false;
    const osp_regs *from = &r->thread[i].regs;
    bool aarch64 = r->aarch64;
    osp_unwind_regs regs = {
        .pc = from->pc, .sp = from->r[aarch64 ? 31 : 7], .fp = from->r[aarch64 ? 29 : 6], .aarch64 = aarch64};
    memcpy(regs.reg, from->r, sizeof regs.reg);
    osp_unwind_env env = {r, read_word, rule_at};
    int end =
        osp_unwind_walk(&env, osp_inspect_offsets(r->in), &regs, m.g0, r->pc, MOST_FRAMES, n, &curg, &at_m, &steps);
    return end == OSP_UNWIND_ROOT;
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

/* The number of a stack; 0, the empty one, without memory. */
static uint32_t stack_number(reader *r, size_t n, bool whole)
{
    bool fresh;
    uint32_t id = osp_intern_put(&r->stacks, (osp_str){(const char *)r->pc, n * sizeof *r->pc}, &fresh);
    if (id == UINT32_MAX || !fresh) {
        r->failed |= id == UINT32_MAX;
        return id == UINT32_MAX ? 0 : id;
    }
    void *array = r->out->stack;
    uint64_t *pc = osp_new(&r->out->arena, uint64_t, n);
    if (!pc || !osp_grow(&array, &r->stack_cap, (size_t)id + 1, sizeof *r->out->stack)) {
        r->failed = true;
        return 0;
    }
    memcpy(pc, r->pc, n * sizeof *pc);
    r->stacks.text[id].p = (const char *)pc;
    r->out->stack = array;
    r->out->stack[id] = (osp_go_stack){pc, (uint32_t)n, whole};
    r->out->nstack = id + 1;
    return id;
}

static uint32_t labels_number(reader *r, osp_str text)
{
    bool fresh;
    uint32_t id = osp_intern_put(&r->labels, text, &fresh);
    if (id == UINT32_MAX || !fresh) {
        r->failed |= id == UINT32_MAX;
        return id == UINT32_MAX ? 0 : id;
    }
    void *array = r->out->labels;
    osp_str copy = osp_arena_str(&r->out->arena, text);
    if (!copy.p || !osp_grow(&array, &r->labels_cap, (size_t)id + 1, sizeof *r->out->labels)) {
        r->failed = true;
        return 0;
    }
    r->labels.text[id] = copy;
    r->out->labels = array;
    r->out->labels[id] = copy;
    r->out->nlabels = id + 1;
    return id;
}

static uint8_t kind_of(reader *r, uint64_t startpc)
{
    uint32_t kind = osp_index_find(&r->kinds, startpc);
    if (kind == UINT32_MAX) {
        kind = osp_g_kind_of(r->go, startpc);
        r->failed |= !osp_index_put(&r->kinds, startpc, kind);
    }
    return (uint8_t)kind;
}

/* Rows stand at their places in the runtime's list, until that is closed up. */
static osp_goroutine *add_row(reader *r, const osp_g *g, uint32_t order)
{
    osp_goroutine *row = &r->out->g[order];
    /* what a core has waited for until it was written nobody knows */
    bool waits = (g->status == OSP_G_WAITING || g->status == OSP_G_SYSCALL || g->status == OSP_G_LEAKED) &&
                 osp_inspect_image(r->in)->process;
    int64_t waited = waits && g->waitsince ? (int64_t)(r->out->taken_ns - g->waitsince) : -1;
    bool on_m = g->status == OSP_G_RUNNING || g->status == OSP_G_SYSCALL;
    *row = (osp_goroutine){
        .goid = g->goid,
        .addr = g->addr,
        .parent = g->parent,
        .gopc = g->gopc,
        .startpc = g->startpc,
        .m = on_m ? g->m : 0,
        .lockedm = g->lockedm,
        .waited_ns = waited < 0 ? -1 : waited,
        .order = order,
        .status = g->status,
        .waitreason = g->waitreason,
        .kind = kind_of(r, g->startpc),
    };
    r->out->nuser += row->kind == OSP_G_OF_USER;
    return row;
}

/* Take in one whose stack of n addresses is in r->pc. */
static void take(reader *r, const osp_g *g, uint32_t order, size_t n, bool whole, uint32_t labels)
{
    osp_goroutine *row = add_row(r, g, order);
    row->stack = stack_number(r, n, whole || n == 0);
    row->labels = labels;
    r->out->cut += !whole && n > 0;
}

/* ---- one goroutine, read again alone ---------------------------------------------------------------------------- */

static bool read_g(reader *r, uint64_t addr, osp_g *g, osp_g_look *l)
{
    if (!read_one(r, addr, r->labelled, r->g_bytes) || !decode(r, addr, r->labelled, g))
        return false;
    *l = osp_g_look_of(g);
    return true;
}

static bool still_there(reader *r, uint64_t addr, const osp_g_look *l)
{
    osp_g g;
    osp_g_look now;
    return read_g(r, addr, &g, &now) && same_place(&now, l);
}

static uint32_t labels_alone(reader *r, const osp_g *g)
{
    if (!g->labels)
        return 0;
    osp_labels_read(r->reader, &g->labels, 1, r->text);
    return labels_number(r, (osp_str){r->text[0].text, r->text[0].n});
}

typedef enum { TAKEN, GONE, MOVED } outcome;

static outcome try_alone(reader *r, uint64_t addr, uint32_t order, osp_g *g)
{
    osp_g_look l;
    size_t n = 0;
    bool behind, whole = true;
    if (!read_g(r, addr, g, &l))
        return MOVED;
    if (osp_g_is_gone(&l))
        return GONE;
    uint32_t bytes = window_of(&l), labels = labels_alone(r, g);
    if (osp_g_stands(&l) && (!bytes || !read_one(r, l.sp, r->alone, bytes)))
        return MOVED;
    if (!still_there(r, addr, &l))
        return MOVED;
    if (osp_g_stands(&l)) {
        whole = unwind(r, g, (osp_span){r->alone, bytes}, &n, &behind);
        if ((behind || !whole) && !still_there(r, addr, &l))
            return MOVED;
    }
    take(r, g, order, n, whole, labels);
    return TAKEN;
}

/* If it will not hold still it is taken as it was seen last, without a stack. */
static void read_alone(reader *r, uint64_t addr, uint32_t order)
{
    osp_g g = {.status = OSP_G_DEAD};
    for (int i = 0; i < RETRIES; i++)
        if (try_alone(r, addr, order, &g) != MOVED)
            return;
    osp_g_look l = osp_g_look_of(&g);
    if (g.addr == 0 || osp_g_is_gone(&l)) {
        r->out->unread += g.addr == 0;
        return;
    }
    r->out->torn++;
    take(r, &g, order, 0, false, 0);
    r->out->g[order].torn = true;
}

/* ---- a batch ---------------------------------------------------------------------------------------------------- */

static void read_windows(reader *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        item *it = &r->batch[i];
        it->bytes = window_of(&it->look);
        it->window_ok = !osp_g_stands(&it->look);
        if (it->bytes)
            r->wish[n++] = (wish){it->look.sp, it->bytes, &it->window, &it->window_ok};
    }
    read_wishes(r, r->wish, n, r->windows);
}

/* The structures of those that are wanted, into buf. */
static void read_structures(reader *r, const bool *wanted, uint8_t *buf)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        if (!wanted || wanted[i])
            r->wish[n++] = (wish){r->batch[i].addr, (uint32_t)r->g_bytes, &r->batch[i].again, &r->batch[i].again_ok};
    read_wishes(r, r->wish, n, buf);
}

/* Is what was read again still what was looked at? */
static bool held_still(const reader *r, item *it)
{
    if (!it->again_ok || !decode(r, it->addr, it->again, &it->g))
        return false;
    osp_g_look now = osp_g_look_of(&it->g);
    return same_place(&now, &it->look);
}

/* Give the sets of labels at these places their numbers. */
static void number_labels(reader *r, const uint64_t *at, size_t n, uint32_t *id)
{
    for (size_t i = 0; i < n; i += OSP_LABELS_AT_ONCE) {
        size_t some = n - i < OSP_LABELS_AT_ONCE ? n - i : OSP_LABELS_AT_ONCE;
        osp_labels_read(r->reader, at + i, some, r->text);
        for (size_t k = 0; k < some; k++)
            id[i + k] = labels_number(r, (osp_str){r->text[k].text, r->text[k].n});
    }
}

/* The labels of those that held still; ok[i] becomes false for those that ran meanwhile. Many share a set: whoever has it
 * before and after keeps it alive, so it is read once. */
static void read_labels(reader *r, bool *ok)
{
    uint64_t at[BATCH];
    uint32_t id[BATCH];
    uint16_t set[BATCH];
    bool wanted[BATCH];
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        wanted[i] = ok[i] && r->batch[i].g.labels;
        size_t k = 0;
        while (wanted[i] && k < n && at[k] != r->batch[i].g.labels)
            k++;
        if (wanted[i] && k == n)
            at[n++] = r->batch[i].g.labels;
        set[i] = (uint16_t)k;
    }
    if (!n)
        return;
    number_labels(r, at, n, id);
    read_structures(r, wanted, r->labelled);
    for (size_t i = 0; i < r->n; i++)
        if (wanted[i]) {
            ok[i] = held_still(r, &r->batch[i]) && r->batch[i].g.labels == at[set[i]];
            r->batch[i].labels = id[set[i]];
        }
}

static void take_item(reader *r, size_t i)
{
    item *it = &r->batch[i];
    size_t n = 0;
    bool behind = false, whole = true;
    if (osp_g_stands(&it->look))
        whole = unwind(r, &it->g, (osp_span){it->window, it->bytes}, &n, &behind);
    else if (it->look.status == OSP_G_RUNNING && r->nthread)
        whole = unwind_running(r, &it->g, &n);
    if (osp_g_stands(&it->look) &&
        (behind || !whole)) /* what lies behind the window was read later: the stack may have moved on */
        read_alone(r, it->addr, it->order);
    else
        take(r, &it->g, it->order, n, whole, it->labels);
}

static void flush(reader *r)
{
    bool ok[BATCH];
    read_windows(r);
    read_structures(r, NULL, r->structures);
    for (size_t i = 0; i < r->n; i++)
        ok[i] = held_still(r, &r->batch[i]) && r->batch[i].window_ok;
    read_labels(r, ok);
    for (size_t i = 0; i < r->n; i++)
        if (ok[i])
            take_item(r, i);
        else {
            r->out->again++;
            read_alone(r, r->batch[i].addr, r->batch[i].order);
        }
    r->n = 0;
}

static bool on_look(void *ctx, uint32_t index, const osp_g_look *l)
{
    reader *r = ctx;
    if (osp_g_is_gone(l))
        return false;
    r->batch[r->n++] = (item){.look = *l, .addr = osp_g_table_addr(r->table, index), .order = index};
    if (r->n == BATCH)
        flush(r);
    return false;
}

/* ---- all of them ------------------------------------------------------------------------------------------------ */

/* Close the gaps that dead ones have left. */
static void close_up(osp_goroutine_list *l, uint32_t places)
{
    l->n = 0;
    for (uint32_t i = 0; i < places; i++)
        if (l->g[i].addr)
            l->g[l->n++] = l->g[i];
}

static bool read_all(reader *r, osp_err *err)
{
    uint32_t n;
    osp_g_table_stats did;
    osp_go_snapshot snapshot;
    if (!osp_g_table_grow(r->table, &n, err))
        return false;
    r->out->g = calloc((size_t)n + 1, sizeof *r->out->g);
    if (!r->out->g)
        return osp_fail_memory(err, "reading goroutines");
    if (!osp_g_table_pass(r->table, UINT32_MAX, on_look, r, &did, err))
        return false;
    flush(r);
    close_up(r->out, n);
    r->out->unread += (uint32_t)did.unread;
    osp_err ignored; /* without its threads there are goroutines all the same */
    if (osp_go_snapshot_read(r->go, &r->out->arena, &snapshot, &ignored)) {
        r->out->m = snapshot.m;
        r->out->nm = snapshot.nm;
        r->out->counted = snapshot.ngoroutine;
    }
    return !r->failed || osp_fail_memory(err, "reading goroutines");
}

static bool begin(reader *r, osp_err *err)
{
    r->table = osp_g_table_open(r->go, err);
    if (!r->table)
        return false;
    r->g_bytes = osp_g_bytes(r->go);
    r->windows = malloc(room_for(WINDOW));
    r->structures = malloc(room_for(r->g_bytes));
    r->labelled = malloc(room_for(r->g_bytes));
    r->text = calloc(OSP_LABELS_AT_ONCE, sizeof *r->text);
    r->reader = osp_labels_reader_new(osp_inspect_image(r->in)->mem, osp_go_offsets(r->go)->labels_are_slice, err);
    r->walker = osp_g_walker_new(osp_inspect_image(r->in)->mem, r->go, err);
    if (!r->g_bytes || !r->windows || !r->structures || !r->labelled || !r->text || !r->reader || !r->walker)
        return osp_fail_memory(err, "reading goroutines");
    osp_g_walker_space(r->walker, osp_inspect_space(r->in), osp_inspect_offsets(r->in));
    const osp_image *image = osp_inspect_image(r->in);
    r->aarch64 = image->core ? osp_core_facts_of(image->core)->machine == EM_AARCH64 : OSP_AARCH64;
    if (image->still && !image->threads(image->ctx, &r->out->arena, &r->thread, &r->nthread, err))
        return false;
    stack_number(r, 0, true);
    labels_number(r, S(""));
    return !r->failed || osp_fail_memory(err, "reading goroutines");
}

static void end(reader *r)
{
    osp_g_table_close(r->table);
    osp_labels_reader_drop(r->reader);
    osp_g_walker_drop(r->walker);
    osp_intern_drop(&r->stacks);
    osp_intern_drop(&r->labels);
    osp_index_drop(&r->kinds);
    free(r->windows);
    free(r->structures);
    free(r->labelled);
    free(r->text);
    free(r);
}

bool osp_inspect_goroutines(osp_inspect *in, osp_goroutine_list *out, osp_err *err)
{
    reader *r = calloc(1, sizeof *r);
    *out = (osp_goroutine_list){.taken_ns = osp_monotonic_ns(), .counted = -1};
    osp_arena_init(&out->arena, ARENA_LIMIT);
    if (!r)
        return osp_fail_memory(err, "reading goroutines");
    r->in = in;
    r->go = osp_inspect_go(in);
    r->out = out;
    bool ok = begin(r, err) && read_all(r, err);
    out->took_ns = osp_monotonic_ns() - out->taken_ns;
    end(r);
    if (!ok)
        osp_goroutine_list_drop(out);
    return ok;
}

void osp_goroutine_list_drop(osp_goroutine_list *l)
{
    osp_arena_drop(&l->arena);
    free(l->g);
    free(l->stack);
    free(l->labels);
    *l = (osp_goroutine_list){0};
}

const osp_m *osp_goroutine_m(const osp_goroutine_list *l, uint64_t addr)
{
    for (uint32_t i = 0; addr && i < l->nm; i++)
        if (l->m[i].addr == addr)
            return &l->m[i];
    return NULL;
}
