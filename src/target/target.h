/* SPDX-License-Identifier: Apache-2.0 */
/* target/target.h: a process from outside: memory, maps, threads, times, and facts of its kernel; or what is left of one in
 * a core file. The only room that opens /proc and /sys. Nothing here writes to the process, and nothing but what is called a
 * freeze stops it. */
#ifndef OSP_TARGET_H
#define OSP_TARGET_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* A piece of memory to be read into dst. */
typedef struct {
    uint64_t addr;
    void *dst;
    size_t n; /* bytes */
} osp_piece;

/* Where memory comes from: a live process, a core file, or an array in a test. */
typedef struct osp_mem {
    void *ctx;
    bool (*read)(void *ctx, uint64_t addr, void *dst, size_t n, osp_err *err); /* all n bytes or false */
    /* Many pieces, in this order, by as few system calls as can be. Returns how many were read whole, from the first
     * on; fewer than n: the next one could not be, and *err says why. NULL: there is nothing faster than read. */
    size_t (*read_many)(void *ctx, const osp_piece *piece, size_t n, osp_err *err);
} osp_mem;

/* read_many, by read where there is none. */
size_t osp_mem_read_many(const osp_mem *m, const osp_piece *piece, size_t n, osp_err *err);
/* Read of these pieces what can be read; ok[i] says which. */
void osp_mem_read_each(const osp_mem *m, const osp_piece *piece, size_t n, bool *ok);

typedef struct osp_process osp_process;

/* Take hold of pid (a pidfd and a start time, so that a reused pid is noticed). EABSENT: no such process, a zombie, or
 * a thread of the kernel; EPERM: it is not ours and the kernel says no, with the cure; EUSAGE: a thread of a process,
 * or one whose main thread has ended; ELIMIT: a 32-bit program. Where the kernel lets us see it but not read its
 * memory (Yama), it opens, and reading fails with the cure. */
osp_process *osp_process_open(int pid, osp_err *err);
void osp_process_close(osp_process *p);

int osp_process_pid(const osp_process *p);
bool osp_process_alive(const osp_process *p); /* false once it has exited, zombie included */
int osp_process_poll(const osp_process *p);   /* readable once it has exited; -1 where the kernel has no such thing */
osp_mem osp_process_mem(osp_process *p);      /* by process_vm_readv, else /proc/PID/mem */

typedef struct {
    osp_str name;    /* comm */
    osp_str exe;     /* path as the process sees it; " (deleted)" cut off */
    osp_str cmdline; /* words joined by blanks */
    char state;      /* R S D T t Z … of the main thread */
    uint32_t uid;
    uint64_t start_ns; /* CLOCK_BOOTTIME */
    uint32_t nthreads;
    bool is_32bit;
    uint64_t rss_bytes;
    int ns_pid; /* its pid in its own pid namespace */
} osp_process_info;
bool osp_process_info_read(osp_process *p, osp_arena *a, osp_process_info *out, osp_err *err) OSP_CHECKED;

typedef struct {
    uint64_t start, end, offset;
    uint64_t dev, inode;
    bool read, write, exec;
    osp_str path; /* "", "[vdso]", "[heap]", "/usr/lib/x.so" */
    bool deleted; /* the file is gone from that path; osp_process_map_fd still opens it */
} osp_map;

/* All mappings, by address. */
bool osp_process_maps(osp_process *p, osp_arena *a, osp_map **out, uint32_t *n, osp_err *err) OSP_CHECKED;

/* How much of a mapping is where, in bytes. */
typedef struct {
    osp_map map;
    uint64_t resident;  /* in memory; what follows is of it */
    uint64_t share;     /* each page divided by how many processes map it */
    uint64_t anonymous; /* not of a file: memory of the process alone, and its own copies of pages of a file */
    uint64_t lazy_free; /* given back by MADV_FREE: the kernel takes it when it needs some */
    uint64_t huge;      /* anonymous, in pages of 2 MiB */
    uint64_t swapped;   /* not resident */
    uint64_t hugetlb;   /* of hugetlbfs, which counts as resident nowhere */
    bool no_huge;       /* not in large pages: so mmap marks stacks of threads since Linux 6.7 */
} osp_smap;

/* All mappings, by address, by /proc/PID/smaps. The kernel counts the pages of each as it writes this, a mapping at a time:
 * some milliseconds for each GB that is resident. */
bool osp_process_smaps(osp_process *p, osp_arena *a, osp_smap **out, uint32_t *n, osp_err *err) OSP_CHECKED;

/* Which pages of this range of memory are resident, by /proc/PID/pagemap: a bit each, from the lowest of resident[0] on. Both
 * ends are whole pages of osp_page_bytes(). */
bool osp_process_pages(osp_process *p, uint64_t start, uint64_t end, uint64_t *resident, osp_err *err) OSP_CHECKED;
uint64_t osp_page_bytes(void);

/* Memory of a process as its status file sums it up, in bytes. */
typedef struct {
    uint64_t resident, most_resident;  /* now, and ever */
    uint64_t anonymous, files, shared; /* of what is resident; before Linux 4.5 all 0 */
    uint64_t swapped, page_tables, locked;
    uint64_t
        stack_limit; /* RLIMIT_STACK, which is how large stacks of new threads are by default; UINT64_MAX = none */
} osp_process_memory;
bool osp_process_memory_read(osp_process *p, osp_process_memory *out, osp_err *err) OSP_CHECKED;

/* Open the file behind a mapping: through /proc/PID/map_files (works for deleted files and other mount namespaces),
 * else /proc/PID/root + path, else path; the inode is checked. -1 and *err on failure. */
int osp_process_map_fd(osp_process *p, const osp_map *m, osp_err *err);
/* Open the file that a mapping of a process which has ended was of: by its path, under the root of another process (0: under
 * ours); the inode is checked. -1 and *err on failure. */
int osp_mapped_file(int root_of, const osp_map *m, osp_err *err);
/* Open the file of the program that a process runs; -1 if that cannot be. */
int osp_process_exe(int pid, uint64_t *dev, uint64_t *inode);
/* Has this process ended, be its zombie still there? */
bool osp_process_ended(int pid);

typedef struct {
    int tid;
    int ns_tid; /* in its own pid namespace, which is how the process itself names it */
    char name[16];
    char state;
    uint64_t run_ns;                   /* on a CPU (schedstat) */
    uint64_t wait_ns;                  /* runnable, waiting for a CPU (schedstat) */
    uint64_t user_ticks, system_ticks; /* of sysconf(_SC_CLK_TCK) */
    uint64_t voluntary, involuntary;   /* context switches */
} osp_thread;

/* Every thread with its times, by tid. Threads that end meanwhile are left out. */
bool osp_process_threads(osp_process *p, osp_arena *a, osp_thread **out, uint32_t *n, osp_err *err) OSP_CHECKED;

/* What a process has used of its machine since it began, and uses now. */
typedef struct {
    uint64_t minor_faults, major_faults;
    uint64_t user_ns, system_ns; /* of all its threads, ended ones included; in ticks */
    uint64_t children_ns;        /* CPU time of children that have ended and were waited for; in ticks */
    uint64_t rss_bytes, anon_bytes, swap_bytes;
    uint32_t threads;
    uint32_t fds;  /* open descriptors; UINT32_MAX = we may not know */
    uint32_t cpus; /* that its main thread may run on; 0 = not known */
} osp_usage;
bool osp_process_usage(osp_process *p, osp_usage *out, osp_err *err) OSP_CHECKED;
/* So many descriptors it may have open (RLIMIT_NOFILE); 0 = not known. */
uint64_t osp_process_fd_limit(osp_process *p);

/* A tick of theirs; so exact they are. */
uint64_t osp_tick_ns(void);

/* CPU time of a process so far, all its threads together, ended ones included; 0 = it has ended, or the kernel does not say. */
uint64_t osp_process_cpu_ns(const osp_process *p);
/* The threads that it has now, at most max; 0: it has ended. */
size_t osp_process_tids(const osp_process *p, int *tid, size_t max);

/* What one thread has had of CPUs so far. While it runs the kernel may be a tick behind. */
typedef struct {
    uint64_t run_ns, wait_ns; /* on one; runnable, waiting for one (0 where the kernel does not count it) */
    uint64_t slices;          /* how often it was put on one */
} osp_thread_clock;
bool osp_thread_clock_read(const osp_process *p, int tid, osp_thread_clock *out); /* false: it has ended */
/* Its state (R S D T …) and its CPU time in ticks, outside the kernel and in it. */
bool osp_thread_ticks(const osp_process *p, int tid, char *state, uint64_t *user, uint64_t *system);
/* When it was born, CLOCK_MONOTONIC, right to a tick; 0: it has ended. */
uint64_t osp_thread_start_ns(const osp_process *p, int tid);
/* How often it was taken off one; equal to slices while it is on none. */
bool osp_thread_switches(const osp_process *p, int tid, uint64_t *out);

/* The name of one thread; "" if it has ended. */
void osp_thread_name(int pid, int tid, char out[16]);

/* ---- a program to look into: a process, or a core -------------------------------------------------------------- */

/* Registers of a thread, numbered as DWARF does: x86-64 rax rdx rcx rbx rsi rdi rbp rsp r8 … r15, aarch64 x0 … x30 sp. */
typedef struct {
    uint64_t r[32], pc;
    uint64_t tls;     /* the thread pointer: fs base, tpidr_el0; 0 = not known */
    uint64_t syscall; /* number of the system call that it is in, or was in last (orig_rax, x8); UINT64_MAX = none */
} osp_regs;

typedef struct {
    int tid;
    int ns_tid;    /* in its own pid namespace */
    char name[16]; /* "" if a core does not say */
    bool has_regs; /* never of a live thread: it runs */
    osp_regs regs;
    int signal; /* that ended it; 0 = none */
} osp_image_thread;

typedef struct osp_core osp_core;

/* All that is asked of a program that is looked into, wherever it comes from; a test makes one up. Copy it freely: it
 * owns nothing. */
typedef struct osp_image {
    osp_mem mem;
    const osp_map *map; /* by address; of a process: as they were when this was made */
    uint32_t nmap;
    osp_str name;    /* for messages: "pid 4711", "core.4711" */
    osp_str exe;     /* its program as it sees it; "" if unknown */
    int pid, ns_pid; /* as we number it, and as it does itself; 0 = not known */
    void *ctx;
    int (*open_map)(void *ctx, const osp_map *m,
                    osp_err *err); /* the file behind a mapping; -1 and *err on failure */
    bool (*threads)(void *ctx, osp_arena *a, osp_image_thread **out, uint32_t *n, osp_err *err);
    bool (*alive)(void *ctx); /* false: it has exited, nothing can be read any more. A core stays */
    bool still;               /* it stands still: a core, or frozen; threads have their registers */
    osp_process *process;     /* NULL: it is a core */
    osp_core *core;           /* NULL: it is a process */
} osp_image;

/* Texts and maps are in the arena; p must outlive it. */
bool osp_process_image(osp_process *p, osp_arena *a, osp_image *out, osp_err *err) OSP_CHECKED;

/* ---- what a thread does now ------------------------------------------------------------------------------------ */

typedef enum {
    OSP_BLOCKING_UNKNOWN, /* the kernel does not say */
    OSP_BLOCKING_RUNNING, /* it runs, or waits for a CPU */
    OSP_BLOCKING_NONE,    /* blocked, but in no system call: a page fault, a stop */
    OSP_BLOCKING_CALL,
} osp_blocking_state;

/* The system call that a thread is blocked in. */
typedef struct {
    osp_blocking_state state;
    uint32_t nr;     /* of OSP_BLOCKING_CALL */
    uint64_t arg[6]; /* of OSP_BLOCKING_CALL */
    uint64_t sp, pc; /* of the thread's code, where it is blocked */
} osp_blocking;

typedef struct {
    osp_blocking call;
    char wchan[48]; /* where it sleeps in the kernel; "" if the kernel does not say */
    char cpus[64];  /* "0-3,8": where it may run; "" unknown */
    int policy;     /* SCHED_*; -1 unknown */
    int priority;   /* of realtime policies */
    int nice;
} osp_thread_look;
void osp_thread_look_at(const osp_process *p, int tid, osp_thread_look *out);
void osp_thread_call(const osp_process *p, int tid, osp_blocking *out);
/* The same of a thread that stands: the call that it was stopped in, if it was. */
void osp_blocking_of_regs(const osp_regs *r, bool aarch64, osp_blocking *out);
/* How often it has been put on a CPU: equal numbers say that it has not run in between. UINT64_MAX: not known. */
uint64_t osp_thread_slices(const osp_process *p, int tid);
osp_str osp_policy_text(int policy); /* "other", "fifo" …; "" unknown */

/* What file descriptors of a process are, in words. p must outlive it. NULL without memory. */
typedef struct osp_fds osp_fds;
osp_fds *osp_fds_of(const osp_process *p);
void osp_fds_drop(osp_fds *f);
/* "tcp 10.0.0.1:443 → 10.0.0.2:5123", "epoll", "pipe", "/var/log/x". False if it is not open. */
bool osp_fd_text(osp_fds *f, int fd, char *out, size_t size);
/* A socket, by the kernel's tables. */
typedef struct {
    const char *kind;        /* "tcp", "unix" … */
    osp_str local, peer;     /* "" = none, or not known; they live as long as f */
    const char *state;       /* of TCP, if it is not established: "listens", "CLOSE_WAIT"; else "" */
    uint64_t unread, unsent; /* bytes; of one that listens: connections that nobody has accepted yet */
} osp_socket;
/* False if fd is no socket, or is in no table. */
bool osp_fd_socket(osp_fds *f, int fd, osp_socket *out);

/* The numbers of those that are open, in no order; how many, at most `most`. UINT32_MAX: we may not know. */
uint32_t osp_fds_open(osp_fds *f, int *out, uint32_t most);

/* What an epoll set asks of a descriptor. */
typedef struct {
    int fd;
    uint32_t events; /* EPOLLIN … */
} osp_epoll_member;
/* Those of the epoll set that is open as fd, in the kernel's order; how many, at most `most`. */
uint32_t osp_fd_epoll(osp_fds *f, int fd, osp_epoll_member *out, uint32_t most);
/* Which events are there on it now, of those that poll() can ask for; the process notices nothing. False: not known. */
bool osp_fd_ready(osp_fds *f, int fd, uint32_t *events);

/* A blocked call in words, its name first: "read fd 7 (tcp …), 4096 bytes", "futex wait 0xc000054150 for 5 s". mem reads what
 * arguments point at; fds may be NULL. */
void osp_blocking_text(const osp_blocking *call, const osp_mem *mem, osp_fds *fds, char *out, size_t size);
/* ---- a core file ------------------------------------------------------------------------------------------------ */

typedef struct {
    const char *root; /* where the files of its machine are: "/" by default */
    const char *exe;  /* the file of its program; NULL: where the core says, else beside the core */
} osp_core_opts;

/* What a core says of itself. */
typedef struct {
    int machine;  /* ELF e_machine: EM_X86_64, EM_AARCH64 */
    osp_str name; /* comm of its process; "" if it does not say */
    osp_str args; /* the first 79 bytes of its command line */
    int pid, parent;
    uint32_t uid;
    int signal; /* that ended it; 0 = none: it was copied while it ran */
    int signal_code;
    uint64_t fault_addr;     /* of SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP; else 0 */
    int64_t written;         /* seconds since 1970, by the file's time */
    uint64_t missing_bytes;  /* that should be in the file: it was cut short */
    uint64_t left_out_bytes; /* of mapped memory that was never written to it, and that no file holds as it was */
    uint32_t
        odd; /* segments and notes that cannot be as they say: overlapping, beyond the address space, malformed */
} osp_core_facts;

/* Is the file at path an ELF core? */
bool osp_core_is(const char *path);

/* Open a core file of a 64-bit process, of x86-64 or aarch64: one that the kernel wrote, or gcore. Memory that is not in it
 * but was of a file, and could not be written to, is read from that file where it is still the same one. Not thread-safe.
 * EUSAGE: the file is no core; EFORMAT: nothing of it can be understood. */
osp_core *osp_core_open(const char *path, const osp_core_opts *opts, osp_err *err);
void osp_core_close(osp_core *c);
const osp_core_facts *osp_core_facts_of(const osp_core *c);
osp_image osp_core_image(
    osp_core *c); /* all in it is the core's; threads in the order of the core, the one that failed
                                          first */

/* As osp_process_smaps and osp_process_pages, of a core: for resident counts what it holds of memory that could be written to
 * and is not all zero, a page at a time. The whole core is read. */
bool osp_core_smaps(osp_core *c, osp_arena *a, osp_smap **out, uint32_t *n, osp_err *err) OSP_CHECKED;
void osp_core_pages(osp_core *c, uint64_t start, uint64_t end, uint64_t *resident);

/* ---- a brief stop ---------------------------------------------------------------------------------------------- */

/* All threads of a process stand still, for limit_ms at most. It runs on whatever becomes of osprey: its end, SIGKILL and a
 * hang included. Signals are not lost; a process that is stopped already stays so. Calls that a stop and a continuation break
 * off (epoll_wait, semop: see signal(7)) return EINTR, as under any debugger.
 * EPERM: another traces it, or the kernel says no. */
typedef struct osp_freeze osp_freeze;
typedef struct {
    uint64_t stop_ns;         /* from when the first thread was asked to stop to when the last was let go */
    uint32_t stopped, missed; /* threads; missed: the kernel did not let them stop in time */
    bool expired;             /* the time was over: what was read last was not read of one moment */
} osp_freeze_report;
osp_freeze *osp_freeze_begin(osp_process *p, unsigned limit_ms, osp_err *err);
/* Let it run. False (and expired): it ran already. f is gone. */
bool osp_freeze_end(osp_freeze *f, osp_freeze_report *out);
/* The registers of a thread; false if it does not stand. */
bool osp_freeze_regs(const osp_freeze *f, int tid, osp_regs *out);
/* Let the image of the process have threads with registers. f must outlive its use. */
void osp_freeze_image(osp_freeze *f, osp_image *image);

/* ---- all processes ----------------------------------------------------------------------------------------- */

/* A row of a list, from what anyone may read. */
typedef struct {
    int pid, parent;
    osp_str name; /* of the program's file where comm is the cut head of it, else comm */
    osp_str exe;  /* as the process sees it, " (deleted)" cut off; "" if we may not know */
    char state;
    uint32_t nthreads;
    uint64_t rss_bytes;
    uint64_t start_ns; /* CLOCK_BOOTTIME; with the pid it tells a process from a later one */
    uint64_t cpu_ns;   /* CPU time of all its threads, ended ones included */
    uint64_t read_ns;  /* CLOCK_MONOTONIC when cpu_ns was read */
} osp_process_row;

/* All processes by pid, but for threads of the kernel and zombies. */
bool osp_processes_read(osp_arena *a, osp_process_row **out, uint32_t *n, osp_err *err) OSP_CHECKED;

/* One of them. EABSENT: it has ended. */
bool osp_process_row_read(int pid, osp_arena *a, osp_process_row *out, osp_err *err) OSP_CHECKED;

/* The container that a process runs in, in the arena: its id of 12 digits or its name, as the manager named its cgroup; else,
 * for a process in another pid namespace than ours, "pid:[4026532201]"; "" for one beside us. */
osp_str osp_process_container(int pid, osp_arena *a);

/* The most memory that this process, osprey itself, had resident at once; 0 if unknown. */
uint64_t osp_own_peak_bytes(void);

/* A cgroup: of which hierarchy (0: version 2's), and the inode number of its folder. */
typedef struct {
    uint32_t hierarchy;
    uint64_t id;
    char path[4096]; /* where it was found */
    uint32_t root;   /* so many bytes of the path are where its hierarchy is mounted */
} osp_cgroup;

/* The cgroup that a path names (below /sys/fs/cgroup or absolute), or a name (of a service or a container), or the id of a
 * container, of 8 digits at least. EABSENT: there is none; EUSAGE: several, which one? */
bool osp_cgroup_find(osp_str name, osp_cgroup *out, osp_err *err) OSP_CHECKED;
/* Is a process in it, or in one below? */
bool osp_cgroup_holds(const osp_cgroup *g, int pid);
/* Its processes, but for ourselves. EABSENT: none. */
bool osp_cgroup_processes(const osp_cgroup *g, osp_arena *a, osp_process_row **out, uint32_t *n,
                          osp_err *err) OSP_CHECKED;

/* What the cgroups of a process allow it, its tightest limits, and what is used of those. Counts are since each folder was made. */
typedef struct {
    bool known;
    double quota_cores; /* 0 = none */
    uint64_t period_us;
    uint64_t periods, throttled_periods, throttled_ns; /* of the folder with that quota */
    char cpu_path[256];                                /* that folder; "" = none */
    uint64_t memory_limit, memory_bytes;               /* 0 = none; bytes used where that limit is */
    uint64_t reclaimable_bytes;                        /* of those: page cache that has not been used lately */
    char memory_path[256];
    char own_path[256];                          /* the process's own folder that counts memory; "" = none */
    bool v2;                                     /* of that folder */
    uint64_t memory_high;                        /* 0 = none; version 2 alone has it */
    uint64_t high_events, max_events, oom_kills; /* of the process's own folder */
    uint64_t pids_limit, pids;                   /* 0 = none */
    bool frozen;
} osp_cgroup_usage;
bool osp_process_cgroup_usage(int pid, osp_cgroup_usage *out, osp_err *err) OSP_CHECKED;
/* The same as last, with the counts of that folder read again: its process may have ended. */
void osp_cgroup_events_again(const osp_cgroup_usage *last, osp_cgroup_usage *out);
/* Seconds in which something in it waited for memory, since it was made; of the host where that is not kept by cgroup. Negative:
 * not known. */
double osp_cgroup_stalled_s(const osp_cgroup_usage *c);

/* ---- how the host is ------------------------------------------------------------------------------------------- */

enum { OSP_PRESSURE_CPU, OSP_PRESSURE_MEMORY, OSP_PRESSURE_IO, OSP_PRESSURE_KINDS };

/* The machine at one moment; times and counts since it was started. */
typedef struct {
    uint64_t memory_bytes, available_bytes, swap_bytes, swap_free_bytes;
    uint64_t swap_in, swap_out, compact_stalls, direct_reclaims; /* pages; times */
    double load;                                                 /* runnable and blocked threads, mean of a minute */
    /* Microseconds in which all threads waited for it; UINT64_MAX = not known. */
    uint64_t full_us[OSP_PRESSURE_KINDS];
    char thp[16]; /* transparent huge pages: "always", "madvise", "never"; "" = not known */
} osp_host_state;
void osp_host_state_read(osp_host_state *out);

/* The process that traces this one; 0 = none. */
int osp_process_tracer(const osp_process *p);

/* ---- the kernel's side ------------------------------------------------------------------------------------- */

/* Kernel symbols from /proc/kallsyms, sorted by address. EPERM-like absence (all zero addresses) is EABSENT. */
typedef struct osp_kallsyms osp_kallsyms;
osp_kallsyms *osp_kallsyms_open(osp_err *err);
/* The same for these addresses alone, which are sorted: in little memory. */
osp_kallsyms *osp_kallsyms_open_for(const uint64_t *addr, size_t n, osp_err *err);
void osp_kallsyms_close(osp_kallsyms *k);
/* The symbol at addr: its name, module ("" = vmlinux) and start. False if none. */
bool osp_kallsyms_at(const osp_kallsyms *k, uint64_t addr, osp_str *name, osp_str *module, uint64_t *start);

/* The name of a system call of this kind of machine, "epoll_pwait"; NULL if its number is newer than the headers that
 * osprey was built with. */
const char *osp_syscall_name(uint32_t nr);
/* The same; "syscall 999", written into number, where it has no name here. */
enum { OSP_SYSCALL_NUMBER = 32 };
const char *osp_syscall_text(uint32_t nr, char number[OSP_SYSCALL_NUMBER]);
/* Its number; -1 if no call is called that. */
int osp_syscall_number(osp_str name);

/* Has the kernel a tracepoint SYSTEM:NAME? EUSAGE: it has none, and which is nearest; EPERM, EABSENT: it shows us none. */
bool osp_tracepoint_check(osp_str system, osp_str name, osp_err *err) OSP_CHECKED;

/* The running kernel's build id. Returns its bytes, at most 20; 0 if the kernel does not say. */
size_t osp_host_kernel_build_id(uint8_t out[20]);

enum { OSP_CLOCKSOURCE_MAX = 32 };

/* CPUs online; at least 1. */
uint32_t osp_host_cpus(void);
/* The kernel's clock source, "tsc", "kvm-clock", "hpet" …; "" if it does not say. */
void osp_host_clocksource(char out[OSP_CLOCKSOURCE_MAX]);

/* What this kernel and user allow; every field measured, none assumed. */
typedef struct {
    char release[65];
    bool has_btf, has_bpf_loop;
    int perf_event_paranoid, kptr_restrict, yama_ptrace_scope; /* -1 = no such file */
    uint32_t uid;
    bool cap_bpf, cap_perfmon, cap_sys_ptrace, cap_sys_admin, cap_syslog;
    bool perf_works;      /* perf_event_open(cpu-clock) of user code works */
    bool hardware_events; /* perf_event_open(cpu-cycles) works */
    bool bpf_works;       /* a trivial program loads */
    bool bpf_jit;         /* and is made machine code: the kernel's interpreter runs no callbacks */
    bool locked_down;     /* lockdown for confidentiality (that for integrity forbids nothing of ours) */
    uint32_t ncpu;
    char clocksource[OSP_CLOCKSOURCE_MAX];
} osp_host;
/* Tries it all out: loads BPF programs and opens perf events. */
void osp_host_read(osp_host *out);

#endif
