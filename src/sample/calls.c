/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted of system calls: how long they took, which way their bytes go, what a futex was asked for. */
#include "sample/sample_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

osp_call_moves osp_call_moves_of(uint32_t nr)
{
    static const char in[] = " read readv pread64 preadv preadv2 recvfrom recvmsg ";
    static const char out[] = " write writev pwrite64 pwritev pwritev2 sendto sendmsg sendfile splice tee vmsplice "
                              "copy_file_range ";
    const char *name = osp_syscall_name(nr);
    if (!name)
        return OSP_MOVES_NOTHING;
    return osp_str_among(osp_str_from(name), in)    ? OSP_MOVES_IN
           : osp_str_among(osp_str_from(name), out) ? OSP_MOVES_OUT
                                                    : OSP_MOVES_NOTHING;
}

const char *osp_failure_text(uint32_t error, char number[OSP_ERRNO_NUMBER])
{
    switch (error) {
    case 512:
        return "ERESTARTSYS";
    case 513:
        return "ERESTARTNOINTR";
    case 514:
        return "ERESTARTNOHAND";
    case 516:
        return "ERESTART_RESTARTBLOCK";
    default:
        snprintf(number, OSP_ERRNO_NUMBER, "errno %u", error);
        return strerrorname_np((int)error) ? strerrorname_np((int)error) : number;
    }
}

void osp_descriptor_calls(uint64_t bits[OSP_CALL_WORDS])
{
    static const char calls[] =
        "read readv pread64 preadv preadv2 recvfrom recvmsg recvmmsg write writev pwrite64 pwritev pwritev2 sendto "
        "sendmsg "
        "sendmmsg sendfile splice tee vmsplice copy_file_range accept accept4 connect shutdown bind listen "
        "getsockopt "
        "setsockopt getsockname getpeername fsync fdatasync sync_file_range fallocate ftruncate flock fcntl ioctl "
        "lseek "
        "fstat getdents64 close epoll_ctl epoll_wait epoll_pwait epoll_pwait2 timerfd_settime timerfd_gettime";
    memset(bits, 0, OSP_CALL_WORDS * sizeof *bits);
    for (osp_str rest = osp_str_from(calls); rest.n;) {
        int nr = osp_syscall_number(osp_str_cut(&rest, ' '));
        if (nr >= 0 && nr < OSP_CALL_WORDS * 64)
            bits[nr / 64] |= (uint64_t)1 << nr % 64;
    }
}

const char *osp_futex_op_text(uint32_t op)
{
    /* linux/futex.h, FUTEX_WAIT … */
    static const char *const text[] = {
        NULL,      "wait",      "wake",       "fd",          "requeue",     "cmp_requeue",     "wake_op",
        "lock_pi", "unlock_pi", "trylock_pi", "wait_bitset", "wake_bitset", "wait_requeue_pi", "cmp_requeue_pi",
        "lock_pi2"};
    return op < sizeof text / sizeof *text ? text[op] : NULL;
}

/* ---- times ------------------------------------------------------------------------------------------------------ */

_Static_assert((int)OSP_TIME_STEPS == (int)OSP_STEPS, "the kernel side counts in the same steps");
enum { PER_POWER = 1 << OSP_STEP_BITS };

uint32_t osp_time_step(uint64_t ns) { return osp_bpf_time_step(ns); }

/* The middle of a step. */
static uint64_t time_at(uint32_t step)
{
    if (step < OSP_STEP_EXACT)
        return step;
    uint32_t power = OSP_STEP_FIRST + (step - OSP_STEP_EXACT) / PER_POWER;
    uint32_t part = (step - OSP_STEP_EXACT) % PER_POWER;
    uint64_t width = (uint64_t)1 << (power - OSP_STEP_BITS);
    return ((uint64_t)1 << power) + part * width + width / 2;
}

uint64_t osp_called_quantile(const osp_called *c, double share)
{
    double wanted = share * (double)c->calls;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < OSP_TIME_STEPS; i++) {
        seen += c->step[i];
        if (seen && (double)seen >= wanted)
            return time_at(i) < c->max_ns ? time_at(i) : c->max_ns;
    }
    return c->max_ns;
}

/* ---- all calls of a recording ------------------------------------------------------------------------------------- */

static osp_called *called_of(osp_calls *t, uint32_t nr, uint32_t op)
{
    uint64_t key = (uint64_t)op << 32 | nr;
    uint32_t at = osp_index_find(&t->at, key);
    if (at != UINT32_MAX)
        return &t->row[at];
    void *array = t->row;
    if (!osp_grow(&array, &t->cap, t->n + 1, sizeof *t->row))
        return NULL;
    t->row = array;
    if (!osp_index_put(&t->at, key, (uint32_t)t->n))
        return NULL;
    t->row[t->n] = (osp_called){.nr = nr, .op = op, .moves = osp_call_moves_of(nr)};
    return &t->row[t->n++];
}

bool osp_calls_add(osp_calls *t, osp_raw_sample *head)
{
    uint32_t nr = head->reason & OSP_REASON_CALL;
    uint64_t ns = head->value[0], result = head->value[1];
    bool failed = head->reason >> OSP_REASON_ERRNO & OSP_REASON_ERRNOS;
    osp_called *c = called_of(t, nr, head->reason >> OSP_REASON_OP);
    if (!c)
        return false;
    if (c->moves == OSP_MOVES_NOTHING)
        head->value[1] = 0;
    c->calls++;
    c->errors += failed;
    c->nothing += !failed && result == 0;
    c->bytes += head->value[1];
    c->ns += ns;
    c->max_ns = ns > c->max_ns ? ns : c->max_ns;
    c->step[osp_time_step(ns)]++;
    return true;
}

bool osp_calls_add_tally(osp_calls *t, const osp_bpf_tally_key *key, osp_bpf_tally *more)
{
    osp_called *c = called_of(t, key->nr, key->op);
    if (!c)
        return false;
    if (c->moves == OSP_MOVES_NOTHING)
        more->results = 0;
    c->calls += more->calls;
    c->errors += key->error ? more->calls : 0;
    c->nothing += more->nothing;
    c->bytes += more->results;
    c->ns += more->ns;
    c->max_ns = more->max_ns > c->max_ns ? more->max_ns : c->max_ns;
    for (uint32_t i = 0; i < OSP_TIME_STEPS; i++)
        c->step[i] += more->step[i];
    return true;
}

bool osp_calls_add_used(osp_calls *t, const osp_bpf_used_key *key, const osp_bpf_used *more)
{
    void *array = t->used;
    if (!osp_grow(&array, &t->used_cap, t->nused + 1, sizeof *t->used))
        return false;
    t->used = array;
    t->used[t->nused++] = (osp_used){.nr = key->nr,
                                     .error = key->error,
                                     .fd = (int)(key->descriptor - 1),
                                     .calls = more->calls,
                                     .nothing = more->nothing,
                                     .bytes = osp_call_moves_of(key->nr) == OSP_MOVES_NOTHING ? 0 : more->results,
                                     .ns = more->ns};
    return true;
}

void osp_calls_clear(osp_calls *t)
{
    free(t->row);
    free(t->used);
    t->row = NULL;
    t->used = NULL;
    t->n = t->cap = t->nused = t->used_cap = 0;
    osp_index_clear(&t->at);
}

void osp_calls_drop(osp_calls *t)
{
    osp_calls_clear(t);
    osp_index_drop(&t->at);
}
