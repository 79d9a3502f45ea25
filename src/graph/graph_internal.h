/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share while a graph is made. Nodes are numbered here: in a graph by what they are, in a
 * call tree by the path to them. */
#ifndef OSP_GRAPH_INTERNAL_H
#define OSP_GRAPH_INTERNAL_H

#include "base/buf.h"
#include "base/hash.h"
#include "graph/graph.h"

#define OSP_NONE UINT32_MAX

typedef struct {
    uint32_t name, file, object; /* of texts; equal texts, equal numbers */
    uint32_t no_padding;
    uint64_t addr;
    int64_t start_line, line, column;
} osp_node_key;

typedef struct {
    int64_t flat, cum, flat_divisor, cum_divisor;
    uint32_t stamp; /* in a call tree: the link into it */
    bool kept;
    bool inlined; /* with no_edges: all edges into it are, and there are some; where wanted, the links tell */
} osp_tally;

enum { OSP_INTO = 1, OSP_OUT_OF = 2 }; /* edges of a node */

typedef struct {
    osp_edge e; /* between nodes as they are numbered here */
    uint32_t stamp;
    bool gone;
} osp_link;

typedef struct {
    uint64_t key; /* from << 32 | to, both + 1; 0 = free */
    uint32_t id;
} osp_pair_cell;

/* Pairs of numbers, each with an id that its owner gives. */
typedef struct {
    osp_pair_cell *cell; /* open addressing, a power of two */
    size_t n, ncell;
} osp_pairs;

/* What something weighs, once a stack; as close together as can be. */
typedef struct {
    int64_t cum;
    uint32_t stamp; /* the stack that last touched it; OSP_NONE: none did */
} osp_sum;

/* Calls that were inlined, between nodes that stand together at a location. */
typedef struct {
    struct osp_inner_call {
        uint32_t from, to;
    } * call;
    uint32_t n;
    osp_pairs pairs;
    bool *outermost;   /* per node: the last at some location */
    int64_t total;     /* of all stacks */
    bool has_negative; /* a stack weighs less than nothing, or so did the total once, which overflows */
} osp_inner;

typedef struct {
    osp_node node;
    int64_t score;
    uint32_t id;
} osp_ranked;

typedef struct {
    const osp_view *v;
    const osp_graph_opts *o;
    osp_graph *g;
    osp_arena scratch;
    osp_err *err;
    osp_intern texts, keys;
    uint32_t *name_of, *file_of, *object_of; /* by function, function, mapping: texts */
    uint32_t *first;                         /* per location, n + 1 offsets into whats[] */
    uint32_t *whats;                         /* what the location's nodes are, innermost inline first: keys */
    osp_str *label;                          /* per key; {NULL, 0} = not made yet */
    uint32_t n;
    osp_tally *t; /* per node */
    /* What a stack adds its weight to, once: nodes, behind them inner calls; weighed[weighed_first[l]] … by location. */
    osp_sum *sum;
    const uint32_t *weighed_first, *weighed;
    /* Where not all edges are asked for; else NULL. */
    uint8_t *wanted; /* per node: OSP_INTO, OSP_OUT_OF */
    uint64_t *bit;   /* per node: a bit, shared with others, if edges may be asked of it */
    uint64_t *has;   /* per stack: the bits of its nodes */
    uint64_t asked;  /* the bits of the nodes that are wanted */
    osp_inner inner; /* with no_edges */
    osp_link *link;
    size_t nlink, link_cap;
    osp_pairs pairs; /* of links; in a tree (parent, what) of nodes */
    struct {         /* of a call tree */
        uint32_t *what, *parent;
        uint32_t *leaf; /* per stack; OSP_NONE if it has none */
        size_t tally_cap, what_cap, parent_cap;
    } tree;
    int64_t node_cutoff, edge_cutoff;
    osp_ranked *rank; /* the nodes that are shown, sorted */
    uint32_t nrank;
    osp_tag *tag; /* .node as numbered here */
    size_t ntag, tag_cap;
} osp_making;

/* False, and the error says why. */
bool osp_making_no_memory(osp_making *m);

/* Links by one of their ends: those of node i are link[first[i]] … link[first[i + 1] - 1], in their own order. */
typedef struct {
    const uint32_t *first, *link;
} osp_link_lists;
bool osp_links_by_end(osp_making *m, bool by_to, osp_link_lists *out);

/* The id of the pair; *fresh if it was not there, and has now the id `next`. OSP_NONE without memory. */
uint32_t osp_pair_put(osp_pairs *p, uint32_t from, uint32_t to, uint32_t next, bool *fresh);
void osp_pairs_clear(osp_pairs *p);

/* A new link at the end; NULL without memory. */
osp_link *osp_link_new(osp_making *m, uint32_t from, uint32_t to);

bool osp_is_shown(const osp_making *m, const osp_tally *t);
uint32_t osp_count_shown(const osp_making *m);

/* order.c: what a node looks like and what comes first. */
static inline uint32_t osp_what(const osp_making *m, uint32_t node)
{
    return m->tree.what ? m->tree.what[node] : node;
}
bool osp_node_of(osp_making *m, uint32_t node, osp_node *out);
bool osp_rank(osp_making *m);
int osp_by_weight(const osp_edge *a, const osp_edge *b, osp_str from_a, osp_str from_b, osp_str to_a, osp_str to_b);

/* ---- weighing -------------------------------------------------------------------------------------------------
 *
 * Frames are by far the most there is of anything: what a location means is looked up once, before. */

enum { OSP_SEVERAL = UINT32_MAX - 1, OSP_LEFT_OUT = UINT32_MAX - 2 };
/* Per location: its node, if it has one and that is kept; OSP_LEFT_OUT if none of its nodes is; else OSP_SEVERAL, as for those
 * with a bit. */
uint32_t *osp_nodes_of_locations(osp_making *m, const uint64_t *bit);

/* A stack at hand. */
typedef struct {
    const osp_location_id *leaf, *end;
    int64_t w, dw;
    uint32_t id;
} osp_weighed;

static inline osp_weighed osp_stack_of(const osp_view *v, uint32_t s)
{
    const osp_stack stack = osp_view_stack(v, s);
    return (osp_weighed){stack.loc, stack.loc + stack.n, v->weight[s], v->divisor ? v->divisor[s] : 0, s};
}

static inline bool osp_is_wanted(const osp_making *m, uint32_t from, uint32_t to)
{
    return !m->wanted || (m->wanted[to] & OSP_INTO) | (m->wanted[from] & OSP_OUT_OF);
}

/* A stack that may have edges that are wanted. */
static inline bool osp_is_linked(const osp_making *m, uint32_t s)
{
    return m->v->live[s] && (!m->has || m->has[s] & m->asked);
}

/* links.c: the edges between the nodes that are kept, or what a table wants to know of them. */
bool osp_links_weigh(osp_making *m);
/* few.c: the same for OSP_FEW nodes or less: how many are kept. */
enum { OSP_FEW = 512 };
bool osp_link_few(osp_making *m, uint32_t nkept);

/* inner.c: calls inside of locations, to be made before the weights are taken. */
bool osp_inner_make(osp_making *m);
/* Say of the nodes that are kept which are inlined; false if that takes edges, which are then wanted. */
bool osp_inner_tell(osp_making *m);

/* tree.c */
bool osp_tree_grow(osp_making *m);
/* Edges go over the nodes that are no longer kept. */
bool osp_tree_contract(osp_making *m);

/* tags.c: the tags of the first n ranked nodes, those under the cutoff left out. */
bool osp_tags_weigh(osp_making *m, uint32_t n);
/* How many nodes fit if each takes one place and one for each of its tags, four at most. */
bool osp_tags_fit(osp_making *m, uint32_t most, uint32_t *out);

/* simplify.c: residual edges go whose ends another path connects. */
bool osp_remove_redundant(osp_making *m);

#endif
