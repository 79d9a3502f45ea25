/* SPDX-License-Identifier: Apache-2.0 */
/* What a file descriptor of a process is, in words: by its link under /proc/PID/fd, and for sockets by the tables of its
 * network namespace under /proc/PID/net. The tables are read when the first socket is asked for. */
#include "target/target_internal.h"

#include "base/file.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TABLE_MAX = 64 << 20, SOCKETS_MAX = 1 << 20 };

typedef struct {
    uint64_t inode;
    const char *kind; /* "tcp", "unix" … */
    osp_str local, peer;
    uint32_t state; /* of TCP */
    uint64_t unread, unsent;
} sock;

struct osp_fds {
    const osp_process *process;
    osp_arena arena;
    sock *row; /* malloc'ed, sorted by inode */
    size_t cap;
    uint32_t n;
    bool read;
};

osp_fds *osp_fds_of(const osp_process *p)
{
    osp_fds *f = calloc(1, sizeof *f);
    if (f) {
        f->process = p;
        osp_arena_init(&f->arena, TABLE_MAX);
    }
    return f;
}

void osp_fds_drop(osp_fds *f)
{
    if (!f)
        return;
    osp_arena_drop(&f->arena);
    free(f->row);
    free(f);
}

/* ---- the tables ----------------------------------------------------------------------------------------------------- */

static osp_str next_word(osp_str *s)
{
    while (s->n && *s->p == ' ')
        *s = osp_str_skip(*s, 1);
    return osp_str_cut(s, ' ');
}

/* "0100007F:1F90": each 4 bytes of the address as one number of this machine, then the port. */
bool osp_socket_address(osp_str text, char *out, size_t size)
{
    osp_str host = osp_str_cut(&text, ':');
    uint64_t port, word;
    uint32_t part[4];
    char name[INET6_ADDRSTRLEN];
    if ((host.n != 8 && host.n != 32) || !osp_str_u64(text, 16, &port) || port > 65535)
        return false;
    for (size_t i = 0; i < host.n / 8; i++) {
        if (!osp_str_u64((osp_str){host.p + 8 * i, 8}, 16, &word))
            return false;
        part[i] = (uint32_t)word;
    }
    static const uint8_t v4[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:1.2.3.4 */
    const uint8_t *bytes = (const uint8_t *)part;
    bool four = host.n == 8 || memcmp(bytes, v4, sizeof v4) == 0;
    if (!inet_ntop(four ? AF_INET : AF_INET6, host.n == 8 ? bytes : four ? bytes + 12 : bytes, name, sizeof name))
        return false;
    snprintf(out, size, four ? "%s:%u" : "[%s]:%u", name, (unsigned)port);
    return true;
}

/* "0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 1000 0 12345 …" */
static bool parse_inet(osp_str line, osp_arena *a, sock *out)
{
    char text[64];
    uint64_t state;
    (void)next_word(&line);
    osp_str local = next_word(&line), peer = next_word(&line), st = next_word(&line), queues = next_word(&line);
    if (!osp_socket_address(local, text, sizeof text) || !osp_str_u64(st, 16, &state))
        return false;
    out->local = osp_arena_str(a, osp_str_from(text));
    if (!osp_socket_address(peer, text, sizeof text))
        return false;
    out->peer = osp_str_ends(osp_str_from(text), S(":0")) ? (osp_str){0} : osp_arena_str(a, osp_str_from(text));
    out->state = (uint32_t)state;
    osp_str unsent = osp_str_cut(&queues, ':');
    if (!osp_str_u64(unsent, 16, &out->unsent) || !osp_str_u64(queues, 16, &out->unread))
        return false;
    for (int i = 0; i < 4; i++)
        (void)next_word(&line);
    return osp_str_u64(next_word(&line), 10, &out->inode);
}

/* "0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/x.sock" */
static bool parse_unix(osp_str line, osp_arena *a, sock *out)
{
    for (int i = 0; i < 6; i++)
        (void)next_word(&line);
    if (!osp_str_u64(next_word(&line), 10, &out->inode))
        return false;
    out->local = osp_arena_str(a, osp_str_trim(line));
    return true;
}

bool osp_fds_add(osp_fds *f, const char *kind, osp_str text)
{
    bool local = strcmp(kind, "unix") == 0;
    (void)osp_str_cut(&text, '\n'); /* its head */
    while (text.n) {
        osp_str line = osp_str_cut(&text, '\n');
        sock s = {.kind = kind};
        if (!(local ? parse_unix(line, &f->arena, &s) : parse_inet(line, &f->arena, &s)) || s.inode == 0)
            continue;
        if (f->n == SOCKETS_MAX || !osp_grow((void **)&f->row, &f->cap, (size_t)f->n + 1, sizeof s))
            return false;
        f->row[f->n++] = s;
    }
    return true;
}

static int by_inode(const void *a, const void *b)
{
    uint64_t x = ((const sock *)a)->inode, y = ((const sock *)b)->inode;
    return (x > y) - (x < y);
}

static void read_tables(osp_fds *f)
{
    static const char *const table[][2] = {{"net/tcp", "tcp"},  {"net/tcp6", "tcp"},  {"net/udp", "udp"},
                                           {"net/udp6", "udp"}, {"net/unix", "unix"}, {"net/raw", "raw"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        osp_buf b = osp_buf_of(TABLE_MAX);
        osp_err ignored; /* a socket that is in no table has no address */
        if (osp_proc_read(f->process, table[i][0], &b, &ignored))
            (void)osp_fds_add(f, table[i][1], osp_buf_str(&b));
        osp_buf_drop(&b);
    }
}

/* ---- one descriptor ------------------------------------------------------------------------------------------------- */

static const char *tcp_state(uint32_t state)
{
    static const char *const name[] = {"",          "",       "SYN_SENT",   "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",
                                       "TIME_WAIT", "closed", "CLOSE_WAIT", "LAST_ACK", "listens",   "CLOSING"};
    return state < sizeof name / sizeof *name ? name[state] : "";
}

bool osp_fds_find(osp_fds *f, uint64_t inode, osp_socket *out)
{
    if (!f->read) {
        f->read = true;
        if (f->process)
            read_tables(f);
        if (f->n)
            qsort(f->row, f->n, sizeof *f->row, by_inode);
    }
    const sock *s = f->n ? bsearch(&(sock){.inode = inode}, f->row, f->n, sizeof *f->row, by_inode) : NULL;
    if (!s)
        return false;
    bool tcp = strcmp(s->kind, "tcp") == 0;
    *out = (osp_socket){s->kind, s->local, s->peer, tcp ? tcp_state(s->state) : "", s->unread, s->unsent};
    return true;
}

static void socket_text(osp_fds *f, uint64_t inode, char *out, size_t size)
{
    osp_socket s;
    if (!osp_fds_find(f, inode, &s)) {
        snprintf(out, size, "socket");
        return;
    }
    int n = snprintf(out, size, "%s%s%.*s%s%.*s%s%s", s.kind, s.local.n ? " " : "", STRF(s.local),
                     s.peer.n ? " \xe2\x86\x92 " : "", STRF(s.peer), *s.state ? " " : "", s.state);
    if (s.unread && n > 0 && (size_t)n < size)
        snprintf(out + n, size - (size_t)n, ", %llu unread", (unsigned long long)s.unread);
}

void osp_fd_words(osp_str link, char *out, size_t size)
{
    if (osp_str_starts(link, S("anon_inode:"))) {
        link = osp_str_skip(link, 11);
        bool in_brackets = osp_str_starts(link, S("[")) && osp_str_ends(link, S("]"));
        link = in_brackets ? osp_str_head(osp_str_skip(link, 1), link.n - 2) : link;
        snprintf(out, size, "%.*s", STRF(osp_str_eq(link, S("eventpoll")) ? S("epoll") : link));
    } else if (osp_str_starts(link, S("pipe:["))) {
        snprintf(out, size, "pipe");
    } else {
        snprintf(out, size, "%.*s", STRF(link));
    }
}

/* What /proc/PID/fd/FD points at; empty if it is not open. */
static osp_str link_of(const osp_fds *f, int fd, char *link, size_t size)
{
    char path[64];
    if (!f->process)
        return (osp_str){0};
    snprintf(path, sizeof path, "/proc/%d/fd/%d", f->process->pid, fd);
    ssize_t n = readlink(path, link, size);
    return (osp_str){link, n < 0 ? 0 : (size_t)n};
}

static bool is_socket(osp_str link, uint64_t *inode)
{
    return osp_str_starts(link, S("socket:[")) && osp_str_ends(link, S("]")) &&
           osp_str_u64(osp_str_head(osp_str_skip(link, 8), link.n - 9), 10, inode);
}

bool osp_fd_text(osp_fds *f, int fd, char *out, size_t size)
{
    char link[512];
    uint64_t inode;
    osp_str text = link_of(f, fd, link, sizeof link);
    if (text.n == 0)
        return false;
    if (is_socket(text, &inode))
        socket_text(f, inode, out, size);
    else
        osp_fd_words(text, out, size);
    return true;
}

bool osp_fd_socket(osp_fds *f, int fd, osp_socket *out)
{
    char link[512];
    uint64_t inode;
    return is_socket(link_of(f, fd, link, sizeof link), &inode) && osp_fds_find(f, inode, out);
}

uint32_t osp_fds_open(osp_fds *f, int *out, uint32_t most)
{
    char path[32];
    uint32_t n = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", f->process->pid);
    DIR *dir = opendir(path);
    if (!dir)
        return UINT32_MAX;
    for (struct dirent *e; n < most && (e = readdir(dir));) {
        uint64_t fd;
        if (osp_str_u64(osp_str_from(e->d_name), 10, &fd) && fd <= INT32_MAX)
            out[n++] = (int)fd;
    }
    closedir(dir);
    return n;
}

/* ---- epoll ---------------------------------------------------------------------------------------------------------- */

bool osp_epoll_member_parse(osp_str line, osp_epoll_member *out)
{
    uint64_t fd, events;
    if (!osp_str_starts(line, S("tfd:")))
        return false;
    line = osp_str_skip(line, 4);
    if (!osp_str_u64(next_word(&line), 10, &fd) || fd > INT32_MAX || !osp_str_eq(next_word(&line), S("events:")) ||
        !osp_str_u64(next_word(&line), 16, &events))
        return false;
    *out = (osp_epoll_member){(int)fd, (uint32_t)events};
    return true;
}

uint32_t osp_fd_epoll(osp_fds *f, int fd, osp_epoll_member *out, uint32_t most)
{
    char name[32];
    uint32_t n = 0;
    osp_err ignored; /* it is closed by now */
    osp_buf b = osp_buf_of(TABLE_MAX);
    snprintf(name, sizeof name, "fdinfo/%d", fd);
    if (osp_proc_read(f->process, name, &b, &ignored))
        for (osp_str rest = osp_buf_str(&b); rest.n && n < most;)
            n += osp_epoll_member_parse(osp_str_cut(&rest, '\n'), &out[n]);
    osp_buf_drop(&b);
    return n;
}

/* Asked of a copy of the descriptor, which is closed at once: asking changes nothing. */
bool osp_fd_ready(osp_fds *f, int fd, uint32_t *events)
{
    OSP_AUTO_CLOSE int copy = f->process->pidfd >= 0 ? (int)syscall(SYS_pidfd_getfd, f->process->pidfd, fd, 0) : -1;
    struct pollfd one = {.fd = copy, .events = POLLIN | POLLPRI | POLLOUT | POLLRDHUP};
    if (copy < 0 || poll(&one, 1, 0) < 0)
        return false;
    *events = (uint32_t)(uint16_t)one.revents;
    return true;
}
