/* SPDX-License-Identifier: Apache-2.0 */
/* target/target_internal.h: what the files of this room share; parsers of /proc texts stand here so that tests and
 * fuzzers can feed them. */
#ifndef OSP_TARGET_INTERNAL_H
#define OSP_TARGET_INTERNAL_H

#include "target/target.h"

#include "base/buf.h"

struct osp_process {
    int pid;
    int pidfd;            /* -1 where the kernel refuses pidfds */
    int memfd;            /* /proc/PID/mem; -1 until process_vm_readv was refused */
    uint64_t start_ticks; /* since boot; tells a reused pid */
    uint32_t uid;         /* effective, for messages */
    char name[16];
};

/* One line of /proc/PID/stat or /proc/PID/task/TID/stat. */
typedef struct {
    osp_str name; /* in the text that was parsed */
    char state;
    int parent;
    uint64_t flags; /* PF_* */
    uint64_t user_ticks, system_ticks, start_ticks;
    uint64_t nthreads;
    uint64_t rss_pages;
} osp_stat_line;
bool osp_stat_parse(osp_str text, osp_stat_line *out);

/* The name that a container's manager gave the group of a process, from the text of /proc/PID/cgroup: the first 12 digits of
 * a long number, as docker, containerd and podman name them, or what follows lxc.payload. or machine-. Empty: none. */
osp_str osp_container_parse(osp_str text);

/* A thread of the kernel, by the flags of its stat line. */
static inline bool osp_is_kernel_thread(const osp_stat_line *s)
{
    return (s->flags & 0x00200000u) != 0; /* PF_KTHREAD, include/linux/sched.h */
}

/* The value of "Name:\tvalue" in the text of a status file, blanks trimmed; empty if there is none. */
osp_str osp_status_field(osp_str text, osp_str name);
uint64_t osp_status_bytes(osp_str text, osp_str name); /* of one in kB; 0 if there is none */

/* The soft limit of a line in the text of a limits file; UINT64_MAX = none, or no such line. */
uint64_t osp_limit_of(osp_str limits, osp_str name);

/* Cut the next word of decimal digits off s; false if there is none. */
bool osp_next_number(osp_str *s, uint64_t *out);

/* The last number of an NSpid field, "4711\t12": the number in the innermost namespace; pid if there is none. */
int osp_innermost_pid(osp_str list, int pid);

/* A line of /proc/self/mountinfo: is it a tree of cgroups, where, and of which hierarchy (0: version 2's)? controllers is the
 * text of /proc/cgroups. */
bool osp_cgroup_mount_parse(osp_str line, osp_str controllers, osp_str *at, uint32_t *hierarchy);
/* Is a process in a cgroup or below it, by the text of its /proc/PID/cgroup? at is the cgroup's path in its hierarchy, "" of
 * the root. */
bool osp_cgroup_text_holds(osp_str text, uint32_t hierarchy, osp_str at);
/* Is a cgroup's folder what a person calls by this name: a service, a container's id? */
bool osp_cgroup_is_called(osp_str folder, osp_str name);

/* By the texts of /proc/self/mountinfo and /proc/PID/cgroup; root stands before every path, for tests. */
void osp_cgroup_usage_of(const char *root, osp_str mountinfo, osp_str cgroups, osp_cgroup_usage *out);

/* How many CPUs a list as "0-3,8" names; 0 if it is none. */
uint32_t osp_cpu_list_count(osp_str list);

/* The text of /proc/PID/task/TID/syscall. */
bool osp_blocking_parse(osp_str text, osp_blocking *out);
/* An address of /proc/PID/net/tcp or tcp6 as people write it: "127.0.0.1:80", "[::1]:80". */
bool osp_socket_address(osp_str text, char *out, size_t size);
/* What a link under /proc/PID/fd says, without a look into the tables of sockets. */
void osp_fd_words(osp_str link, char *out, size_t size);

/* For tests: fds of no process (NULL), with a table of sockets (the text of /proc/PID/net/tcp, tcp6, udp … of this kind; "unix") before
 * the first one is asked for. False without memory. */
bool osp_fds_add(osp_fds *f, const char *kind, osp_str text);
bool osp_fds_find(osp_fds *f, uint64_t inode, osp_socket *out);

/* The text of /proc/PID/maps. Views in the result point into text. */
bool osp_maps_parse(osp_str text, osp_arena *a, osp_map **out, uint32_t *n, osp_err *err) OSP_CHECKED;

/* A line of it. Views in the result point into line, or into the arena. */
bool osp_map_parse(osp_str line, osp_arena *a, osp_map *out);
/* The text of /proc/PID/smaps, in the same way. */
bool osp_smaps_parse(osp_str text, osp_arena *a, osp_smap **out, uint32_t *n, osp_err *err) OSP_CHECKED;

/* ---- a core file (core.c reads it, core_memory.c answers from it) ------------------------------------------------ */

/* A piece of memory. */
typedef struct {
    uint64_t start, end;
    uint64_t offset, have; /* where it is in the core, and how much of it */
    uint32_t flags;        /* PF_R, PF_W, PF_X */
} osp_core_segment;

/* A file that was mapped. */
typedef struct {
    osp_str path;
    int fd;        /* -1: not open (yet) */
    osp_code code; /* why it cannot be opened; OSP_OK: it was not tried, or it can be */
    osp_str why;
} osp_core_file;

struct osp_core {
    osp_arena arena;
    int fd;
    uint64_t size;
    osp_str path, root;
    osp_str exe_path; /* of opts; "" if it was not given */
    osp_str exe;      /* as the process saw it */
    osp_core_facts facts;
    osp_core_segment *segment; /* by address, none overlaps another */
    uint32_t nsegment;
    osp_map *map; /* inode = number of its file + 1, dev = 0 */
    uint32_t nmap;
    osp_core_file *file;
    uint32_t nfile, nopen;
    osp_image_thread *thread;
    uint32_t nthread;
};

/* Bytes of the core file itself; how many there were. */
size_t osp_core_pread(const osp_core *c, uint64_t offset, void *to, size_t n);
/* Memory that the core holds; n bytes, or fewer if it ends before. */
size_t osp_core_held(const osp_core *c, uint64_t addr, void *to, size_t n);
bool osp_core_read(void *core, uint64_t addr, void *dst, size_t n, osp_err *err);
int osp_core_open_map(void *core, const osp_map *m, osp_err *err);

/* Kernel symbols are read in pieces that end at a line end: feed all, then sort. feed gives false on malformed text. */
osp_kallsyms *osp_kallsyms_new(osp_err *err);
/* Before the first line: only these addresses will be asked for; they are sorted, and the caller's. */
void osp_kallsyms_only(osp_kallsyms *k, const uint64_t *addr, size_t n);
bool osp_kallsyms_feed(osp_kallsyms *k, osp_str lines, osp_err *err) OSP_CHECKED;
bool osp_kallsyms_finish(osp_kallsyms *k, osp_err *err) OSP_CHECKED; /* EABSENT if every address was zero */

/* The value of "key value" in lines of text; 0 if it is not there. */
uint64_t osp_keyed_number(osp_str text, const char *key);
/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=123": UINT64_MAX if the word is in no line. */
uint64_t osp_pressure_us(osp_str text, const char *word);

/* One line of an epoll set's fdinfo: "tfd:        5 events:       19 data: …". */
bool osp_epoll_member_parse(osp_str line, osp_epoll_member *out);
/* Read /proc/PID/NAME whole into b. ESRCH and ENOENT say that the process has exited. */
bool osp_proc_read(const osp_process *p, const char *name, osp_buf *b, osp_err *err) OSP_CHECKED;

/* A failed look at p: e is the errno. Says who owns it, what stands in the way, and the cure. Always false. */
bool osp_refused(const osp_process *p, int e, const char *what, osp_err *err);

/* "pid 4711 (`x`) has exited". Always false. */
bool osp_gone(const osp_process *p, osp_err *err);

/* A number in a small file, as under /proc/sys; -1 if there is none. */
int osp_sysctl(const char *path);

bool osp_have_capability(unsigned bit); /* effective, of ourselves */

/* Names of system calls by number, NULL where there is none: made by tools/syscalls.py. */
extern const char *const osp_syscall_names[];
extern const uint32_t osp_nsyscall;

#endif
