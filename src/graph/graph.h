/* SPDX-License-Identifier: Apache-2.0 */
/* graph/graph.h: who calls whom: nodes and edges with their weights, out of a view, trimmed as pprof trims. */
#ifndef OSP_GRAPH_H
#define OSP_GRAPH_H

#include "base/path.h"
#include "model/model.h"

/* What makes a node what it is; fields that the granularity leaves out are empty. */
typedef struct osp_node {
    osp_str name, file;
    osp_str object; /* the mapping's file; only where there is no name, and with opts.objects */
    uint64_t addr;
    int64_t start_line, line, column;
    osp_str label; /* all that as pprof prints it: "main.main main.go:12" */
    /* Sums over samples; with mean, divide by the divisors: osp_mean(). cum counts a sample once. */
    int64_t flat, cum, flat_divisor, cum_divisor;
    uint32_t in_inlined, in_called; /* kept edges into it: calls that were inlined, and other calls */
    size_t first_tag, ntag;         /* in tag[]; only with visual */
} osp_node;

/* Samples of a node by their labels. First come a node's tags for all text labels of a sample together, by label; then
 * those for its number called "bytes", by label and name. Without text labels there is no tag of the first kind. */
typedef struct osp_tag {
    uint32_t node;
    bool numeric;
    osp_str label; /* "key:text" of all text labels, with a backslash and an n between them */
    osp_str name;  /* of a numeric tag: the number as it is printed; numbers that look alike are one */
    osp_str unit;
    int64_t value; /* the first of these numbers */
    int64_t flat, cum, flat_divisor, cum_divisor;
} osp_tag;

typedef struct osp_edge {
    uint32_t from, to; /* indices into node[]: caller, callee; one of them may be a ghost */
    int64_t weight, divisor;
    bool residual; /* goes over nodes that were left out */
    bool inlined;
} osp_edge;

typedef struct osp_graph_opts {
    osp_granularity granularity;
    bool no_inlines;                     /* as in the view's query */
    bool columns;                        /* keep columns where lines are kept */
    bool by_cum;                         /* sort by cum, not flat */
    bool drop_negative;                  /* leave out nodes with flat < 0, or flat = 0 and cum < 0 */
    double node_fraction, edge_fraction; /* leave out what is smaller than this part of the total */
    uint32_t node_count;                 /* keep so many nodes; 0 = all */
    osp_str trim_path, source_path;      /* colon lists: prefixes of file names to cut, directories of sources */
    bool whole_paths;                    /* cut nothing of file names, not even what is always cut */
    bool no_edges;                       /* in_inlined and in_called then only say whether there would be such */
    const osp_regex *edges_of;           /* only edges from or to nodes whose label matches; NULL = all */
    bool objects;                        /* functions of one name in several objects are several nodes */
    bool call_tree;                      /* a node for each path, not one for all */
    /* For a picture: sorted by how much a node tells, few edges, tags. The view needs its rows for these, if the profile has
     * labels; value is the query's. A tag's number is printed in the unit tag_unit. */
    bool visual;
    uint32_t value;
    osp_str tag_unit;
} osp_graph_opts;

typedef struct osp_graph {
    osp_arena arena;
    uint32_t nnode, nedge;
    uint32_t
        nghost; /* nodes after the others that add up to nothing, or are negative and dropped: not shown, but met */
    osp_node *node; /* sorted */
    osp_edge *edge;
    osp_tag *tag; /* by node */
    size_t ntag;
    uint32_t norig;         /* nodes before node_count */
    uint32_t dropped_nodes; /* by node_fraction */
    uint32_t dropped_edges; /* by edge_fraction, in the last step alone, as the peer counts them */
} osp_graph;

bool osp_graph_make(const osp_view *v, const osp_graph_opts *o, osp_graph *out, osp_err *err) OSP_CHECKED;
void osp_graph_drop(osp_graph *g);

/* The edges by the node they lead into (or come from), the heaviest first as pprof sorts them: those of node[n] are
 * list[first[n]] … list[first[n + 1] - 1], indices into edge[]. Lives as long as the graph. */
typedef struct osp_edge_list {
    uint32_t *first, *list;
} osp_edge_list;
bool osp_graph_edges_in(osp_graph *g, osp_edge_list *out, osp_err *err) OSP_CHECKED;
bool osp_graph_edges_out(osp_graph *g, osp_edge_list *out, osp_err *err) OSP_CHECKED;

/* What the frames of every location are called: label[first[loc]] …, innermost inline first, at least one a location.
 * In the arena. */
typedef struct osp_frame_labels {
    const uint32_t *first;
    const osp_str *label;
} osp_frame_labels;
bool osp_frame_labels_make(const osp_view *v, const osp_graph_opts *o, osp_arena *a, osp_frame_labels *out,
                           osp_err *err) OSP_CHECKED;

#endif
