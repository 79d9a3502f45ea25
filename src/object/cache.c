/* SPDX-License-Identifier: Apache-2.0 */
/* cache.c: every object that was ever asked for, by what makes it the same: (device, inode, mtime) of a file, or a
 * key of the caller's. Failures are remembered with their message. */
#include "object_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

typedef struct {
    osp_object *object; /* or NULL and why */
    osp_err why;
} entry;

struct osp_objects {
    osp_arena arena;
    osp_object_opts opts;
    osp_intern keys; /* id = index into entry */
    entry *entry;
    size_t cap;
};

static const size_t MAX_KEYS = (size_t)1 << 30;

osp_objects *osp_objects_new(const osp_object_opts *opts)
{
    osp_objects *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    osp_arena_init(&c->arena, MAX_KEYS);
    if (opts)
        c->opts = *opts;
    if (c->opts.debug_root)
        c->opts.debug_root = osp_arena_str(&c->arena, osp_str_from(c->opts.debug_root)).p;
    return c;
}

void osp_objects_drop(osp_objects *c)
{
    if (!c)
        return;
    for (uint32_t i = 0; i < c->keys.n; i++)
        osp_object_close(c->entry[i].object);
    free(c->entry);
    osp_intern_drop(&c->keys);
    osp_arena_drop(&c->arena);
    free(c);
}

/* The entry of a key; *fresh if it must be filled. NULL without memory. */
static entry *entry_of(osp_objects *c, osp_str key, bool *fresh, osp_err *err)
{
    if (!osp_grow((void **)&c->entry, &c->cap, (size_t)c->keys.n + 1, sizeof *c->entry)) {
        osp_fail_memory(err, "keeping an object");
        return NULL;
    }
    uint32_t id = osp_intern_find(&c->keys, key);
    *fresh = id == UINT32_MAX;
    if (*fresh) {
        osp_str copy = osp_arena_str(&c->arena, key);
        id = copy.p ? osp_intern_put(&c->keys, copy, NULL) : UINT32_MAX;
        if (id == UINT32_MAX) {
            osp_fail_memory(err, "keeping an object");
            return NULL;
        }
        c->entry[id] = (entry){0};
    }
    return &c->entry[id];
}

static osp_object *answer(const entry *e, osp_err *err)
{
    if (!e->object)
        *err = e->why;
    return e->object;
}

osp_object *osp_objects_of_fd(osp_objects *c, int fd, const char *name, osp_err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        osp_fail_errno(err, errno, "%s", name);
        return NULL;
    }
    char key[128];
    int n = snprintf(key, sizeof key, "file %llx %llx %lld.%09ld %lld", (unsigned long long)st.st_dev,
                     (unsigned long long)st.st_ino, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                     (long long)st.st_size);
    bool fresh;
    entry *e = entry_of(c, (osp_str){key, (size_t)n}, &fresh, err);
    if (e && fresh)
        e->object = osp_object_open_fd(fd, name, &c->opts, &e->why);
    return e ? answer(e, err) : NULL;
}

osp_object *osp_objects_of_bytes(osp_objects *c, osp_str key, osp_span elf, osp_err *err)
{
    char full[256];
    int n = snprintf(full, sizeof full, "bytes %.*s", (int)(key.n < 200 ? key.n : 200), key.p);
    bool fresh;
    entry *e = entry_of(c, (osp_str){full, (size_t)n}, &fresh, err);
    if (e && fresh) {
        char name[201];
        e->object = osp_object_open_bytes(elf, osp_str_z(key, name, sizeof name), &c->opts, &e->why);
    }
    return e ? answer(e, err) : NULL;
}
