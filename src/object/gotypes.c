/* SPDX-License-Identifier: Apache-2.0 */
/* gotypes.c: where a Go type has its members, by DWARF.
 *
 * Go writes a DW_TAG_structure_type "runtime.g" with DW_TAG_member children among the top-level entries of one of its
 * units. A path "sched.sp" goes from a member to its type, through typedefs, to that type's members. A type without a name
 * of its own is asked for by the variable that is of it: "runtime.work" before Go 1.19. */
#include "object_internal.h"

#include <dwarf.h>
#include <elfutils/libdw.h>

enum {
    ENTRIES_MAX = 100 * 1000 * 1000, /* a sibling attribute can point backwards */
    TYPEDEFS_MAX = 16,
    MEMBERS_MAX = 10000,
    TYPES_MAX = 48,
};

typedef struct {
    const char *name;
    Dwarf_Die die;
    bool found;
} go_type;

/* From a member to its type; false if there is none. */
static bool type_of(Dwarf_Die *die)
{
    for (int i = 0; i < TYPEDEFS_MAX; i++) {
        Dwarf_Attribute a;
        Dwarf_Die to;
        if (!dwarf_attr(die, DW_AT_type, &a) || !dwarf_formref_die(&a, &to))
            return false;
        *die = to;
        if (dwarf_tag(die) != DW_TAG_typedef)
            return true;
    }
    return false;
}

/* A structure, or the one that a variable is. */
static bool is_type(const char *name, Dwarf_Die *die)
{
    const char *own = NULL;
    if (dwarf_tag(die) == DW_TAG_structure_type || dwarf_tag(die) == DW_TAG_variable)
        own = dwarf_diename(die);
    return own && strcmp(own, name) == 0 && (dwarf_tag(die) == DW_TAG_structure_type || type_of(die));
}

/* The structures by their names; how many were found. */
static size_t find_types(Dwarf *dw, go_type *type, size_t n)
{
    size_t missing = n;
    uint64_t left = ENTRIES_MAX;
    Dwarf_CU *unit = NULL;
    Dwarf_Die top;
    while (left && missing && dwarf_get_units(dw, unit, &unit, NULL, NULL, &top, NULL) == 0) {
        Dwarf_Die die;
        if (dwarf_srclang(&top) != DW_LANG_Go || dwarf_child(&top, &die) != 0)
            continue;
        do {
            for (size_t i = 0; i < n; i++) {
                Dwarf_Die found = die;
                if (!type[i].found && is_type(type[i].name, &found)) {
                    type[i].die = found;
                    type[i].found = true;
                    missing--;
                }
            }
        } while (missing && left-- > 1 && dwarf_siblingof(&die, &die) == 0);
    }
    return n - missing;
}

/* Offset of the member called name; *die becomes the member. -1 if there is none. */
static int64_t member(Dwarf_Die *die, osp_str name)
{
    Dwarf_Die m;
    int left = MEMBERS_MAX;
    if (dwarf_child(die, &m) != 0)
        return -1;
    do {
        const char *text = dwarf_tag(&m) == DW_TAG_member ? dwarf_diename(&m) : NULL;
        Dwarf_Attribute a;
        Dwarf_Word at;
        if (text && osp_str_eq(osp_str_from(text), name) && dwarf_attr(&m, DW_AT_data_member_location, &a) &&
            dwarf_formudata(&a, &at) == 0 && at < INT32_MAX) {
            *die = m;
            return (int64_t)at;
        }
    } while (left-- > 0 && dwarf_siblingof(&m, &m) == 0);
    return -1;
}

static int32_t offset_of(Dwarf_Die type, osp_str path)
{
    int64_t at = 0;
    while (path.n) {
        int64_t step = member(&type, osp_str_cut(&path, '.'));
        if (step < 0 || (path.n && !type_of(&type)))
            return -1;
        at += step;
    }
    return at <= INT32_MAX ? (int32_t)at : -1;
}

bool osp_dwarf_go_members(osp_dwarf *d, osp_go_member *m, size_t n)
{
    go_type type[TYPES_MAX] = {0};
    size_t ntype = 0;
    for (size_t i = 0; i < n; i++) {
        size_t t = 0;
        while (t < ntype && strcmp(type[t].name, m[i].type) != 0)
            t++;
        if (t == TYPES_MAX)
            return false;
        if (t == ntype)
            type[ntype++].name = m[i].type;
    }
    if (find_types(osp_dwarf_libdw(d), type, ntype) == 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        size_t t = 0;
        while (strcmp(type[t].name, m[i].type) != 0)
            t++;
        m[i].offset = -1; /* a release may lack the whole type */
        for (osp_str either = osp_str_from(m[i].path); type[t].found && either.n && m[i].offset < 0;)
            m[i].offset = offset_of(type[t].die, osp_str_cut(&either, '|'));
    }
    return true;
}
