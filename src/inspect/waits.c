/* SPDX-License-Identifier: Apache-2.0 */
/* What the goroutines of each group wait on. All goroutines are asked once, whatever group they are in: who else waits on a
 * channel may be in another one, or in none that is shown. Then each group's objects are counted, and those on which most
 * of it wait are looked at more closely. */
#include "base/buf.h"
#include "inspect/inspect_internal.h"

#include <stdlib.h>

enum {
    CASES = 64,         /* of a select that are looked at */
    SOCKETS = 1 << 16,  /* of a group that are looked up */
    STACK_MOST = 65536, /* bytes of a stack that are looked through, from its top */
    FRAMES = 16,        /* in which the name of a lock's method is looked for */
    CODE_FRAMES = 32,   /* whose code is looked through */
    CODE_LOCKS = 8,     /* that are global, looked for in code */
    OBJECTS_MOST = 1 << 26,
};

/* Something that is waited on, by whomever. */
typedef struct {
    uint64_t addr; /* of a sleep: when it ends */
    uint32_t in, out, all;
    int32_t fd;
    uint8_t kind; /* osp_wait_kind */
} object;

/* That a goroutine waits on an object. */
typedef struct {
    uint32_t object;
    uint8_t way;
} use;

typedef struct {
    osp_inspect *in;
    const osp_goroutine_list *list;
    osp_wait_reader *reader;
    osp_fds *fds; /* NULL: a core */
    osp_arena *a;
    object *object;
    use *use;
    uint32_t *first; /* of each goroutine its first use; one more at the end */
    size_t object_cap, use_cap;
    uint32_t nobject, nuse;
    osp_index by_addr;
    uint32_t *here; /* of each object its number + 1 among those of the group at hand; 0 = none */
    bool failed;
} joiner;

/* ---- all goroutines --------------------------------------------------------------------------------------------- */

static uint32_t number_of(joiner *j, const osp_wait *w)
{
    bool shared = w->kind != OSP_WAIT_TIME;
    uint32_t id = shared ? osp_index_find(&j->by_addr, w->addr) : UINT32_MAX;
    void *array = j->object;
    if (id != UINT32_MAX)
        return id;
    if (j->nobject == OBJECTS_MOST || !osp_grow(&array, &j->object_cap, (size_t)j->nobject + 1, sizeof *j->object))
        return UINT32_MAX;
    j->object = array;
    j->object[j->nobject] = (object){.addr = shared ? w->addr : (uint64_t)w->value,
                                     .fd = w->kind == OSP_WAIT_FD ? (int32_t)w->value : -1,
                                     .kind = (uint8_t)w->kind};
    if (shared && !osp_index_put(&j->by_addr, w->addr, j->nobject))
        return UINT32_MAX;
    return j->nobject++;
}

static void add_use(joiner *j, const osp_wait *w)
{
    void *array = j->use;
    uint32_t id = number_of(j, w);
    j->failed |= id == UINT32_MAX || !osp_grow(&array, &j->use_cap, (size_t)j->nuse + 1, sizeof *j->use);
    if (j->failed)
        return;
    j->use = array;
    j->use[j->nuse++] = (use){id, (uint8_t)w->way};
    j->object[id].all++;
    j->object[id].in += w->way == OSP_WAY_IN;
    j->object[id].out += w->way == OSP_WAY_OUT;
}

/* A select may have a channel in two of its cases. */
static bool comes_again(const osp_wait *w, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (w[k].addr == w[i].addr && w[k].kind == w[i].kind)
            return true;
    return false;
}

static bool is_waiting(const joiner *j, const osp_goroutine *g)
{
    return (g->status == OSP_G_WAITING || g->status == OSP_G_LEAKED) && !g->torn &&
           osp_wait_has_object(j->reader, g->waitreason);
}

static void ask_all(joiner *j)
{
    osp_wait w[CASES];
    for (uint32_t i = 0; i < j->list->n && !j->failed; i++) {
        const osp_goroutine *g = &j->list->g[i];
        j->first[i] = j->nuse;
        if (!is_waiting(j, g))
            continue;
        size_t n = osp_wait_read(j->reader, g->addr, g->goid, g->waitreason, w, CASES);
        for (size_t k = 0; k < n && k < CASES; k++)
            if (!comes_again(w, k))
                add_use(j, &w[k]);
    }
    j->first[j->list->n] = j->nuse;
}

/* ---- one object ------------------------------------------------------------------------------------------------- */

/* What a semaphore is of, by the method that waits on it; before Go 1.20 its wait reason says no more than that it is one. */
static osp_lock_kind kind_of(joiner *j, const osp_goroutine *g)
{
    static const struct {
        const char *method;
        osp_lock_kind kind;
    } known[] = {
        {"sync.(*Mutex).", OSP_LOCK_MUTEX},        {"internal/sync.(*Mutex).", OSP_LOCK_MUTEX},
        {"sync.(*RWMutex).Lock", OSP_LOCK_WRITER}, {"sync.(*RWMutex).RLock", OSP_LOCK_READER},
        {"sync.(*WaitGroup).", OSP_LOCK_GROUP},
    };
    const osp_go_stack *s = &j->list->stack[g->stack];
    for (uint32_t i = 0; i < s->n && i < FRAMES; i++) {
        const osp_spot *spot;
        size_t n = osp_inspect_spots(j->in, s->pc[i], &spot);
        for (size_t k = 0; k < n; k++)
            for (size_t m = 0; m < sizeof known / sizeof *known; m++)
                if (osp_str_starts(spot[k].func, osp_str_from(known[m].method)))
                    return known[m].kind;
    }
    return OSP_LOCK_OTHER;
}

static osp_str global_at(const joiner *j, uint64_t addr)
{
    uint64_t bias;
    osp_object *o = osp_go_object(osp_inspect_go(j->in), &bias);
    return osp_arena_str(j->a, osp_object_variable_at(o, addr - bias));
}

static void look_at_fd(joiner *j, osp_wait_object *o)
{
    char text[512];
    osp_socket *s = &o->socket;
    if (!j->fds)
        return;
    o->has_socket = osp_fd_socket(j->fds, (int)o->wait.value, s);
    if (o->has_socket) {
        s->local = osp_arena_str(j->a, s->local);
        s->peer = osp_arena_str(j->a, s->peer);
        j->failed |= !s->local.p || !s->peer.p;
    } else if (osp_fd_text(j->fds, (int)o->wait.value, text, sizeof text)) {
        o->file = osp_arena_str(j->a, osp_str_from(text));
        j->failed |= !o->file.p;
    }
}

/* All that is known of an object, for one of the goroutines that wait on it. */
static void look_at(joiner *j, const object *from, const osp_goroutine *by, osp_wait_object *o)
{
    char elem[256];
    o->name = o->file = o->elem = S("");
    o->wait.kind = (osp_wait_kind)from->kind;
    o->wait.addr = from->addr;
    o->wait.value = from->fd;
    o->in = from->in;
    o->out = from->out;
    o->all = from->all;
    if (from->kind == OSP_WAIT_CHAN) {
        o->has_chan = osp_wait_chan(j->reader, from->addr, &o->chan);
        if (o->has_chan && osp_go_type_name(osp_inspect_go(j->in), o->chan.elem_type, elem, sizeof elem))
            o->elem = osp_arena_str(j->a, osp_str_from(elem));
    } else if (from->kind == OSP_WAIT_SEMAPHORE) {
        o->kind = kind_of(j, by);
        o->has_lock = osp_wait_lock(j->reader, o->kind, from->addr, &o->lock);
        o->name = global_at(j, from->addr);
    } else if (from->kind == OSP_WAIT_FD) {
        look_at_fd(j, o);
    }
    j->failed |= !o->elem.p || (!o->name.p && o->name.n);
}

/* ---- one group -------------------------------------------------------------------------------------------------- */

/* An object of the group at hand. */
typedef struct {
    uint32_t object, n;
    uint32_t by; /* the number of a goroutine that waits on it */
    uint8_t way;
    uint64_t unread; /* of a socket: bytes both ways, to show those first */
} local;

static bool comes_first(const joiner *j, const local *x, const local *y)
{
    if (x->n != y->n)
        return x->n > y->n;
    if (x->unread != y->unread)
        return x->unread > y->unread;
    const object *p = &j->object[x->object], *q = &j->object[y->object];
    return p->fd != q->fd ? p->fd < q->fd : p->addr < q->addr;
}

static void count_socket(joiner *j, local *one, osp_group_waits *out)
{
    osp_socket s;
    if (!j->fds || out->sockets == SOCKETS || !osp_fd_socket(j->fds, j->object[one->object].fd, &s))
        return;
    out->sockets++;
    out->unread += s.unread > 0;
    out->unsent += s.unsent > 0;
    out->unread_bytes += s.unread;
    out->unsent_bytes += s.unsent;
    one->unread = s.unread + s.unsent;
}

static void count_sleep(const joiner *j, const object *o, osp_group_waits *out)
{
    if (!j->fds)
        return;
    int64_t left = (int64_t)(o->addr - j->list->taken_ns);
    out->first_ns = out->first_ns == INT64_MIN || left < out->first_ns ? left : out->first_ns;
    out->last_ns = left > out->last_ns ? left : out->last_ns;
}

/* Put one among the first rows, which are kept in order. */
static void keep(const joiner *j, local *kept, uint32_t *n, const local *one)
{
    uint32_t at = *n;
    while (at > 0 && comes_first(j, one, &kept[at - 1]))
        at--;
    if (at == OSP_WAIT_OBJECTS)
        return;
    *n += *n < OSP_WAIT_OBJECTS;
    memmove(kept + at + 1, kept + at, (*n - 1 - at) * sizeof *kept);
    kept[at] = *one;
}

/* The objects of a group, each once; how many. */
static uint32_t gather(joiner *j, const osp_goroutine_group *g, local *all, osp_group_waits *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n; i++) {
        uint32_t m = g->member[i], first = j->first[m], end = j->first[m + 1];
        out->waiting += is_waiting(j, &j->list->g[m]);
        out->known += end > first;
        for (uint32_t u = first; u < end; u++) {
            uint32_t *here = &j->here[j->use[u].object];
            if (j->object[j->use[u].object].kind == OSP_WAIT_TIME) {
                count_sleep(j, &j->object[j->use[u].object], out);
                continue;
            }
            if (!*here) {
                all[n] = (local){.object = j->use[u].object, .by = m, .way = j->use[u].way};
                *here = ++n;
            }
            local *one = &all[*here - 1];
            one->n++;
            one->way = one->way == j->use[u].way ? one->way : OSP_WAY_UNKNOWN;
        }
    }
    return n;
}

static void join_group(joiner *j, const osp_goroutine_group *g, local *all, osp_group_waits *out)
{
    local kept[OSP_WAIT_OBJECTS + 1];
    *out = (osp_group_waits){.first_ns = INT64_MIN, .last_ns = INT64_MIN};
    out->all = gather(j, g, all, out);
    for (uint32_t i = 0; i < out->all; i++) {
        j->here[all[i].object] = 0;
        if (j->object[all[i].object].kind == OSP_WAIT_FD)
            count_socket(j, &all[i], out);
        keep(j, kept, &out->n, &all[i]);
    }
    out->row = osp_new(j->a, osp_wait_object, out->n);
    if (!out->row) {
        j->failed = true;
        return;
    }
    for (uint32_t i = 0; i < out->n; i++) {
        osp_wait_object *o = &out->row[i];
        o->n = kept[i].n;
        look_at(j, &j->object[kept[i].object], &j->list->g[kept[i].by], o);
        o->wait.way = (osp_wait_way)kept[i].way;
    }
}

/* ---- who else has it on the stack ------------------------------------------------------------------------------- */

enum {
    OWNER_BYTES = 512, /* a lock lies at most so far behind the begin of the structure that it is a field of */
    OWNERS = 6,        /* words of a stack that may be that begin, kept of each lock */
};

/* Those that were found for one object: who has its address; who has that of the structure around it, or stands in a function
 * that uses the variable. */
typedef struct {
    uint32_t n, near;
    uint64_t last, goid[OSP_WAIT_REFERENCES], near_goid[OSP_WAIT_REFERENCES];
    uint64_t addr;
    bool is_lock, has_owners, is_global;
} reference;

typedef struct {
    joiner *j;
    osp_index by_addr; /* of what is looked for → its number, doubled; one more: of a structure around it */
    reference *found;
    size_t cap;
    uint32_t n;
    uint64_t *word; /* STACK_MOST bytes */
    uint8_t *code;  /* of each stack, a bit for each of the first global locks: it is known; it is used */
} search;

static bool is_sought(const osp_wait_object *o) { return o->wait.kind == OSP_WAIT_CHAN || o->has_lock; }

/* The address by which a program has it. */
static uint64_t handle_of(const osp_wait_object *o) { return o->has_lock ? o->lock.addr : o->wait.addr; }

static bool look_for(search *s, const osp_wait_object *o)
{
    void *array = s->found;
    uint32_t at = osp_index_find(&s->by_addr, handle_of(o));
    if (!is_sought(o))
        return true;
    if (at == UINT32_MAX) {
        if (!osp_grow(&array, &s->cap, (size_t)s->n + 1, sizeof *s->found))
            return false;
        s->found = array;
        s->found[s->n] = (reference){.addr = handle_of(o), .is_lock = o->has_lock, .is_global = o->name.n > 0};
        at = 2 * s->n++;
        if (!osp_index_put(&s->by_addr, handle_of(o), at))
            return false;
    }
    /* those that wait on it are told by the number of what they wait on */
    uint32_t id = osp_index_find(&s->j->by_addr, o->wait.addr);
    if (id != UINT32_MAX)
        s->j->here[id] = at / 2 + 1;
    return true;
}

static bool waits_on(const joiner *j, uint32_t goroutine, uint32_t number)
{
    for (uint32_t u = j->first[goroutine]; u < j->first[goroutine + 1]; u++)
        if (j->here[j->use[u].object] == number + 1)
            return true;
    return false;
}

/* The words of a goroutine's stack; how many. */
static size_t read_stack(search *s, uint32_t goroutine)
{
    uint64_t sp, hi;
    bool ok;
    if (!osp_wait_stack(s->j->reader, s->j->list->g[goroutine].addr, &sp, &hi))
        return 0;
    size_t n = hi - sp < STACK_MOST ? (size_t)(hi - sp) / 8 : STACK_MOST / 8;
    osp_mem_read_each(&osp_inspect_image(s->j->in)->mem, &(osp_piece){sp, s->word, 8 * n}, 1, &ok);
    return ok ? n : 0;
}

/* A lock is mostly a field, and who holds it has the structure on its stack rather than the field: so has one that waits. */
static bool find_owners(search *s, uint32_t goroutine)
{
    joiner *j = s->j;
    bool ok = true;
    for (uint32_t u = j->first[goroutine]; u < j->first[goroutine + 1]; u++) {
        uint32_t number = j->here[j->use[u].object];
        reference *r = number ? &s->found[number - 1] : NULL;
        if (!r || !r->is_lock || r->is_global || r->has_owners)
            continue;
        size_t n = read_stack(s, goroutine), owners = 0;
        r->has_owners = n > 0;
        for (size_t i = 0; i < n && owners < OWNERS && ok; i++) {
            uint64_t w = s->word[i];
            if (w % 8 || w >= r->addr || r->addr - w > OWNER_BYTES || osp_index_find(&s->by_addr, w) != UINT32_MAX)
                continue;
            ok = osp_index_put(&s->by_addr, w, 2 * (number - 1) + 1);
            owners++;
        }
    }
    return ok;
}

static void add_reference(search *s, uint32_t goroutine, uint32_t at)
{
    reference *r = &s->found[at / 2];
    uint64_t goid = s->j->list->g[goroutine].goid;
    uint32_t *n = at % 2 ? &r->near : &r->n;
    uint64_t *to = at % 2 ? r->near_goid : r->goid;
    if (waits_on(s->j, goroutine, at / 2) ||
        (*n && to[(*n < OSP_WAIT_REFERENCES ? *n : OSP_WAIT_REFERENCES) - 1] == goid))
        return;
    if (*n < OSP_WAIT_REFERENCES)
        to[*n] = goid;
    ++*n;
}

static void look_through(search *s, uint32_t goroutine)
{
    size_t n = read_stack(s, goroutine);
    for (size_t i = 0; i < n; i++) {
        uint32_t at = s->word[i] ? osp_index_find(&s->by_addr, s->word[i]) : UINT32_MAX;
        if (at != UINT32_MAX)
            add_reference(s, goroutine, at);
    }
}

/* A global variable's address is in the code rather than on a stack. Of each stack it is asked once. */
static void look_through_code(search *s, uint32_t goroutine)
{
    uint32_t number = s->j->list->g[goroutine].stack, bit = 0;
    const osp_go_stack *stack = &s->j->list->stack[number];
    for (uint32_t k = 0; k < s->n && bit < CODE_LOCKS; k++) {
        if (!s->found[k].is_global || !s->found[k].is_lock)
            continue;
        uint8_t *known = &s->code[2 * number], *uses = known + 1, mask = (uint8_t)(1 << bit++);
        for (uint32_t i = 0; !(*known & mask) && i < stack->n && i < CODE_FRAMES && !(*uses & mask); i++)
            if (osp_inspect_code_uses(s->j->in, stack->pc[i], s->found[k].addr))
                *uses |= mask;
        *known |= mask;
        if (*uses & mask)
            add_reference(s, goroutine, 2 * k + 1);
    }
}

/* Those that have the address itself come first. */
static void say_references(const reference *r, osp_wait_object *o)
{
    uint32_t n = r->n < OSP_WAIT_REFERENCES ? r->n : OSP_WAIT_REFERENCES;
    uint32_t near = r->near < OSP_WAIT_REFERENCES ? r->near : OSP_WAIT_REFERENCES;
    memcpy(o->reference, r->goid, n * sizeof *r->goid);
    o->references = r->n;
    for (uint32_t i = 0; i < near; i++) {
        bool known = false;
        for (uint32_t k = 0; k < n; k++)
            known = known || o->reference[k] == r->near_goid[i];
        if (known)
            continue;
        o->near++;
        if (n < OSP_WAIT_REFERENCES)
            o->reference[n++] = r->near_goid[i];
    }
}

static bool find_references(joiner *j, const osp_goroutine_groups *groups, osp_group_waits *out)
{
    search s = {.j = j, .word = malloc(STACK_MOST), .code = calloc((size_t)j->list->nstack + 1, 2)};
    bool ok = s.word && s.code;
    for (uint32_t i = 0; i < groups->n && ok; i++)
        for (uint32_t k = 0; k < out[i].n && ok; k++)
            ok = look_for(&s, &out[i].row[k]);
    for (uint32_t i = 0; i < j->list->n && ok && s.n; i++)
        ok = find_owners(&s, i);
    for (uint32_t i = 0; i < j->list->n && ok && s.n; i++) {
        look_through(&s, i);
        look_through_code(&s, i);
    }
    for (uint32_t i = 0; i < groups->n && ok; i++)
        for (uint32_t k = 0; k < out[i].n; k++) {
            osp_wait_object *o = &out[i].row[k];
            o->has_references = is_sought(o);
            if (o->has_references)
                say_references(&s.found[osp_index_find(&s.by_addr, handle_of(o)) / 2], o);
        }
    osp_index_drop(&s.by_addr);
    free(s.found);
    free(s.word);
    free(s.code);
    return ok;
}

static bool join(joiner *j, const osp_goroutine_groups *groups, uint32_t few, osp_group_waits *out)
{
    ask_all(j);
    j->here = calloc((size_t)j->nobject + 1, sizeof *j->here);
    local *all = malloc(((size_t)j->nobject + 1) * sizeof *all);
    j->failed |= !j->here || !all;
    for (uint32_t i = 0; i < groups->n && !j->failed; i++)
        join_group(j, &groups->row[i], all, &out[i]);
    free(all);
    if (!j->failed && j->list->n <= few)
        j->failed = !find_references(j, groups, out);
    return !j->failed;
}

bool osp_inspect_waits(osp_inspect *in, const osp_goroutine_list *l, const osp_goroutine_groups *groups, uint32_t few,
                       osp_arena *a, osp_group_waits **out, osp_err *err)
{
    osp_process *p = osp_inspect_image(in)->process;
    joiner j = {.in = in, .list = l, .a = a};
    *out = osp_new(a, osp_group_waits, groups->n);
    j.reader = osp_wait_reader_new(osp_inspect_go(in), err);
    j.fds = p ? osp_fds_of(p) : NULL;
    j.first = malloc(((size_t)l->n + 1) * sizeof *j.first);
    bool ok = *out && j.reader && j.first && (j.fds || !p) && join(&j, groups, few, *out);
    osp_wait_reader_drop(j.reader);
    osp_fds_drop(j.fds);
    osp_index_drop(&j.by_addr);
    free(j.object);
    free(j.use);
    free(j.first);
    free(j.here);
    return ok || osp_fail_memory(err, "reading what goroutines wait on");
}
