/* SPDX-License-Identifier: Apache-2.0 */
/* places.c: where sources lie on this machine. What a program's build wrote down about a file may be
 *
 *     /usr/local/go/src/fmt/print.go                   a Go's own source; with -trimpath fmt/print.go
 *     /users/u/go/pkg/mod/github.com/!u/m@v1.2.3/f.go  the module cache; with -trimpath github.com/U/m@v1.2.3/f.go
 *     /users/u/app/pkg/f.go                            the main module; with -trimpath example.com/app/pkg/f.go
 *     /users/u/app/vendor/github.com/U/m/f.go          a copy of a module
 *     /build/app/src/f.c                               any directory of the machine that built it
 *
 * and each of these may lie elsewhere here. So a name is taken apart at the marks that tell what it is, and what is left
 * is looked for at all places where such a thing is kept. The list of places is made once, without running anything. */
#include "code_internal.h"

#include "base/file.h"
#include "base/path.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

int osp_open_source(osp_str path)
{
    char z[PATH_MAX];
    if (path.n == 0 || path.n >= sizeof z || memchr(path.p, 0, path.n)) {
        errno = path.n ? ENAMETOOLONG : ENOENT;
        return -1;
    }
    return osp_open_regular(osp_str_z(path, z, sizeof z));
}

/* ---- names -------------------------------------------------------------------------------------------------- */

/* A module path as the module cache writes it: each capital as '!' and its small letter. */
static osp_str module_escaped(osp_arena *a, osp_str path)
{
    char *out = osp_new(a, char, 2 * path.n + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < path.n; i++) {
        bool capital = path.p[i] >= 'A' && path.p[i] <= 'Z';
        if (capital)
            out[n++] = '!';
        out[n++] = (char)(capital ? path.p[i] + ('a' - 'A') : path.p[i]);
    }
    return (osp_str){out, n};
}

/* The other way: "!u" is "U". */
static osp_str unescaped(osp_arena *a, osp_str path)
{
    char *out = osp_new(a, char, path.n + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < path.n; i++) {
        bool mark = path.p[i] == '!' && i + 1 < path.n && path.p[i + 1] >= 'a' && path.p[i + 1] <= 'z';
        i += mark;
        out[n++] = (char)(mark ? path.p[i] - ('a' - 'A') : path.p[i]);
    }
    return (osp_str){out, n};
}

/* "go1.26.8" out of a path like /usr/lib/go-1.26.8/src or …/toolchain@v0.0.1-go1.26.8.linux-amd64/…; "" if there is
 * none. */
static osp_str release_in(osp_arena *a, osp_str path)
{
    for (size_t at = 0; at + 4 < path.n; at++) {
        osp_str rest = osp_str_skip(path, at);
        if (at && path.p[at - 1] != '/' && path.p[at - 1] != '-')
            continue;
        if (!osp_str_starts(rest, S("go")))
            continue;
        rest = osp_str_skip(rest, 2);
        if (rest.n && (rest.p[0] == '-' || rest.p[0] == '/'))
            rest = osp_str_skip(rest, 1);
        if (!osp_str_starts(rest, S("1.")))
            continue;
        size_t n = 2;
        while (n < rest.n &&
               (osp_is_digit(rest.p[n]) || (rest.p[n] == '.' && n + 1 < rest.n && osp_is_digit(rest.p[n + 1]))))
            n++;
        if (n > 2)
            return osp_arena_fmt(a, "go%.*s", STRF(osp_str_head(rest, n)));
    }
    return S("");
}

/* What follows the last `mark` in s; {NULL, 0} if it is not in it. */
static osp_str after_last(osp_str s, osp_str mark)
{
    osp_str found = {0};
    for (size_t at; (at = osp_str_find(s, mark)) < s.n;) {
        s = osp_str_skip(s, at + mark.n);
        found = s;
    }
    return found;
}

/* ---- the list of places ------------------------------------------------------------------------------------- */

static void add_dir(osp_dirs *d, osp_str dir)
{
    for (size_t i = 0; i < d->n; i++)
        if (osp_str_eq(d->dir[i], dir))
            return;
    if (dir.n && d->n < OSP_MOST_PLACES)
        d->dir[d->n++] = dir;
}

static void add_list(osp_dirs *d, osp_str list)
{
    while (list.n)
        add_dir(d, osp_str_cut(&list, ':'));
}

/* A small file whole; "" if it cannot be read. */
static osp_str small_file(osp_arena *a, osp_str path)
{
    enum { MOST = 1 << 20 };
    osp_err ignored; /* what cannot be read tells nothing */
    OSP_AUTO_CLOSE int fd = osp_open_source(path);
    osp_buf b = osp_buf_of(MOST);
    osp_str text = S("");
    if (fd >= 0 && osp_read_fd(fd, &b, "it", &ignored))
        text = osp_arena_str(a, osp_buf_str(&b));
    osp_buf_drop(&b);
    return text;
}

/* A setting of Go's: from the environment, else from the file that `go env -w` writes. */
static osp_str go_setting(osp_places *p, const char *name)
{
    osp_str value = osp_str_from(getenv(name)), home = osp_str_from(getenv("HOME"));
    if (value.n)
        return osp_arena_str(p->arena, value);
    osp_str config = osp_str_from(getenv("XDG_CONFIG_HOME")), goenv = osp_str_from(getenv("GOENV"));
    if (!goenv.n && config.n)
        goenv = osp_arena_fmt(p->arena, "%.*s/go/env", STRF(config));
    else if (!goenv.n)
        goenv = osp_arena_fmt(p->arena, "%.*s/.config/go/env", STRF(home));
    osp_str text = small_file(p->arena, goenv);
    while (text.n) {
        osp_str line = osp_str_cut(&text, '\n');
        osp_str key = osp_str_cut(&line, '=');
        if (osp_str_eq(osp_str_trim(key), osp_str_from(name)))
            return osp_str_trim(line);
    }
    return S("");
}

static void add_goroot(osp_places *p, osp_str dir)
{
    size_t before = p->goroot.n;
    osp_str src = osp_arena_fmt(p->arena, "%.*s/src/runtime", STRF(dir));
    if (!dir.n || !src.p || access(src.p, F_OK) != 0)
        return;
    add_dir(&p->goroot, dir);
    if (p->goroot.n == before)
        return;
    osp_str version = small_file(p->arena, osp_arena_fmt(p->arena, "%.*s/VERSION", STRF(dir)));
    p->release.dir[before] = osp_str_trim(osp_str_cut(&version, '\n'));
    p->release.n = p->goroot.n;
}

static void add_goroots(osp_places *p, osp_str pattern)
{
    glob_t found;
    if (!pattern.p || glob(pattern.p, 0, NULL, &found) != 0)
        return;
    for (size_t i = found.gl_pathc; i-- > 0;) /* later names are of newer releases, mostly */
        add_goroot(p, osp_arena_str(p->arena, osp_str_from(found.gl_pathv[i])));
    globfree(&found);
}

/* The Go whose `go` is in PATH: GOROOT/bin/go, by whatever links. */
static void add_goroot_of_path(osp_places *p)
{
    for (osp_str rest = osp_str_from(getenv("PATH")); rest.n;) {
        osp_str dir = osp_str_cut(&rest, ':');
        osp_str go = osp_arena_fmt(p->arena, "%.*s/go", STRF(dir));
        char *real = go.p ? realpath(go.p, NULL) : NULL;
        osp_str at = osp_str_from(real);
        if (osp_str_ends(at, S("/bin/go")))
            add_goroot(p, osp_arena_str(p->arena, osp_str_head(at, at.n - 7)));
        free(real);
    }
}

static void find_goroots(osp_places *p, osp_str home)
{
    add_goroot(p, go_setting(p, "GOROOT"));
    add_goroot_of_path(p);
    add_goroot(p, S("/usr/local/go"));
    add_goroot(p, S("/usr/lib/go"));
    add_goroot(p, S("/usr/lib/golang"));
    add_goroots(p, S("/usr/lib/go-*"));
    add_goroots(p, S("/usr/share/go-*"));
    add_goroot(p, S("/snap/go/current"));
    for (size_t i = 0; i < p->modcache.n; i++)
        add_goroots(p, osp_arena_fmt(p->arena, "%.*s/golang.org/toolchain@*", STRF(p->modcache.dir[i])));
    if (home.n)
        add_goroots(p, osp_arena_fmt(p->arena, "%.*s/sdk/go*", STRF(home)));
}

/* The next line of a go.mod or go.work, without comment. */
static osp_str mod_line(osp_str *text)
{
    osp_str line = osp_str_cut(text, '\n');
    return osp_str_trim(osp_str_head(line, osp_str_find(line, S("//"))));
}

/* The directories that a go.work lists behind "use". */
static void find_workspace(osp_places *p, osp_str dir)
{
    osp_str text = small_file(p->arena, osp_arena_fmt(p->arena, "%.*s/go.work", STRF(dir)));
    bool in_block = false;
    while (text.n) {
        osp_str line = mod_line(&text);
        bool use = osp_str_starts(line, S("use "));
        osp_str what = osp_str_trim(osp_str_skip(line, use ? 4 : 0));
        if (use && osp_str_starts(what, S("(")))
            in_block = true;
        else if (osp_str_starts(line, S(")")))
            in_block = false;
        else if ((use || in_block) && what.n && what.p[0] != '/')
            add_dir(&p->around,
                    osp_path_clean(p->arena, osp_arena_fmt(p->arena, "%.*s/%.*s", STRF(dir), STRF(what))));
        else if (use || in_block)
            add_dir(&p->around, what);
    }
}

static void find_module(osp_places *p, osp_str dir)
{
    osp_str text = small_file(p->arena, osp_arena_fmt(p->arena, "%.*s/go.mod", STRF(dir)));
    while (text.n && p->nmodule < OSP_MOST_PLACES) {
        osp_str line = mod_line(&text), path = osp_str_trim(osp_str_skip(line, 7));
        if (!osp_str_starts(line, S("module ")))
            continue;
        if (path.n > 1 && path.p[0] == '"')
            path = osp_str_head(osp_str_skip(path, 1), path.n - 2);
        p->module[p->nmodule++] = (osp_module){path, dir};
        return;
    }
}

static void find_places(osp_places *p)
{
    osp_str home = osp_arena_str(p->arena, osp_str_from(getenv("HOME")));
    p->known = true;
    p->go_release = p->ask_release ? p->ask_release(p->ctx) : S("");
    for (size_t i = 0; i < p->base.n; i++) {
        osp_str dir = osp_path_clean(p->arena, p->base.dir[i]);
        for (;;) {
            add_dir(&p->around, dir);
            size_t slash = osp_str_rfind(dir, '/');
            if (slash == dir.n || dir.n <= 1)
                break;
            dir = osp_str_head(dir, slash ? slash : 1);
        }
    }
    for (size_t i = 0, n = p->around.n; i < n; i++)
        find_workspace(p, p->around.dir[i]);
    for (size_t i = 0; i < p->around.n; i++)
        find_module(p, p->around.dir[i]);
    add_list(&p->gopath, go_setting(p, "GOPATH"));
    if (!p->gopath.n && home.n)
        add_dir(&p->gopath, osp_arena_fmt(p->arena, "%.*s/go", STRF(home)));
    add_dir(&p->modcache, go_setting(p, "GOMODCACHE"));
    for (size_t i = 0; i < p->gopath.n; i++)
        add_dir(&p->modcache, osp_arena_fmt(p->arena, "%.*s/pkg/mod", STRF(p->gopath.dir[i])));
    find_goroots(p, home);
}

/* ---- the search --------------------------------------------------------------------------------------------- */

static int open_in(osp_places *p, osp_str dir, const char *between, osp_str rest, osp_str *place)
{
    *place = osp_arena_fmt(p->arena, "%.*s%s%.*s", STRF(dir), between, STRF(rest));
    return osp_open_source(*place);
}

/* Go's own sources: the Go of the program's release first. Where that is not here, another one's text is shown, and that
 * is said. */
static int open_in_goroot(osp_places *p, osp_str name, osp_str rest, osp_str *place, osp_str *note)
{
    osp_str release = p->go_release.n ? p->go_release : release_in(p->arena, name);
    release = osp_str_cut(&release, ' '); /* without what was built in for experiment */
    for (int same = 1; same >= 0; same--) {
        for (size_t i = 0; i < p->goroot.n; i++) {
            if (osp_str_eq(p->release.dir[i], release) != same)
                continue;
            int fd = open_in(p, p->goroot.dir[i], "/src/", rest, place);
            if (fd >= 0 && !same && release.n)
                *note = osp_arena_fmt(p->arena, "%.*s: shown as in %.*s, for the sources of %.*s are not here",
                                      STRF(rest), STRF(p->release.dir[i]), STRF(release));
            if (fd >= 0)
                return fd;
        }
    }
    return -1;
}

/* "github.com/U/m@v1.2.3/f.go", escaped or not. */
static int open_in_modcache(osp_places *p, osp_str module_file, osp_str *place)
{
    osp_str file = module_file;
    (void)osp_str_cut(&file, '@');
    (void)osp_str_cut(&file, '/');
    osp_str module = osp_str_head(module_file, module_file.n - file.n);
    osp_str form[] = {module, module_escaped(p->arena, module)};
    int fd = -1;
    for (size_t i = 0; fd < 0 && i < p->modcache.n * 2; i++) {
        osp_str whole = osp_arena_fmt(p->arena, "%.*s%.*s", STRF(form[i % 2]), STRF(file));
        fd = open_in(p, p->modcache.dir[i / 2], "/", whole, place);
    }
    return fd;
}

static int open_in_modules(osp_places *p, osp_str import, osp_str *place)
{
    int fd = -1;
    for (size_t i = 0; fd < 0 && i < p->nmodule; i++) {
        const osp_module *m = &p->module[i];
        if (osp_str_starts(import, m->path) && import.n > m->path.n && import.p[m->path.n] == '/')
            fd = open_in(p, m->dir, "", osp_str_skip(import, m->path.n), place);
    }
    for (size_t i = 0; fd < 0 && i < p->around.n; i++)
        fd = open_in(p, p->around.dir[i], "/vendor/", import, place);
    return fd;
}

/* A name with a version in it: its module in the cache; without the version in a module or vendor directory here. */
static int open_versioned(osp_places *p, osp_str name, osp_str *place)
{
    osp_str in_cache = after_last(name, S("/pkg/mod/"));
    osp_str file = in_cache.p ? in_cache : name;
    if (!osp_str_has(file, S("@")))
        return -1;
    for (;;) {
        int fd = open_in_modcache(p, file, place);
        osp_str version = file;
        osp_str path = osp_str_cut(&version, '@'), rest = version;
        (void)osp_str_cut(&rest, '/');
        if (fd < 0 && rest.n)
            fd = open_in_modules(p, osp_arena_fmt(p->arena, "%.*s/%.*s", STRF(unescaped(p->arena, path)), STRF(rest)),
                                 place);
        if (fd >= 0)
            return fd;
        /* Somebody's module cache may be called by any name: begin further on. */
        (void)osp_str_cut(&file, '/');
        if (!osp_str_has(file, S("@")))
            return -1;
    }
}

/* What follows each "/src/" of the name, or all of a relative one: in Go itself, in GOPATH. */
static int open_below_src(osp_places *p, osp_str name, osp_str *place, osp_str *note)
{
    bool rooted = name.n && name.p[0] == '/';
    osp_str rest = osp_str_starts(name, S("$GOROOT/src/")) ? osp_str_skip(name, 12) : name;
    for (bool first = !rooted;; first = false) {
        size_t at = first ? 0 : osp_str_find(rest, S("/src/"));
        if (at == rest.n)
            return -1;
        rest = osp_str_skip(rest, first ? 0 : at + 5);
        int fd = open_in_goroot(p, name, rest, place, note);
        for (size_t i = 0; fd < 0 && i < p->gopath.n; i++)
            fd = open_in(p, p->gopath.dir[i], "/src/", rest, place);
        if (fd >= 0)
            return fd;
    }
}

/* As much of the end of the name as fits below a directory given, but a directory and a file at least: a file's own name
 * says too little. */
static int open_by_end(osp_places *p, osp_str name, osp_str *place, osp_str *note)
{
    for (osp_str rest = name; osp_str_has(rest, S("/")); (void)osp_str_cut(&rest, '/')) {
        if (rest.p[0] == '/')
            continue;
        for (size_t i = 0; i < p->base.n; i++) {
            int fd = open_in(p, p->base.dir[i], "/", rest, place);
            if (fd < 0)
                continue;
            *note = osp_arena_fmt(p->arena, "%.*s: shown is %.*s, by the end of its name", STRF(name), STRF(*place));
            return fd;
        }
    }
    return -1;
}

int osp_places_open(osp_places *p, osp_str name, osp_str shorter, osp_str *place, osp_str *note)
{
    if (!p->known)
        find_places(p);
    *note = S("");
    int fd = osp_open_source(name); /* pprof may have cut off too much */
    if (fd >= 0) {
        *place = name;
        return fd;
    }
    osp_str vendored = after_last(name, S("/vendor/"));
    const osp_str form[] = {name, shorter};
    for (size_t i = 0; fd < 0 && i < 2; i++) {
        fd = open_versioned(p, form[i], place);
        fd = fd < 0 ? open_in_modules(p, form[i], place) : fd;
        fd = fd < 0 ? open_below_src(p, form[i], place, note) : fd;
    }
    if (fd < 0 && vendored.n)
        fd = open_in_modules(p, vendored, place);
    return fd < 0 ? open_by_end(p, name, place, note) : fd;
}
