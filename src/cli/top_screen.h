/* SPDX-License-Identifier: Apache-2.0 */
/* cli/top_screen.h: the screen of `osprey top`: where the person is in it (a state that keys change), and what it looks
 * like (cells). Both are pure: tests press keys and read screens without a terminal. */
#ifndef OSP_TOP_SCREEN_H
#define OSP_TOP_SCREEN_H

#include "cli/cells.h"
#include "cli/ps_table.h"
#include "cli/top_model.h"

enum { OSP_TOP_DEEPEST = 24, OSP_TOP_WORD = 64 };

/* One step of the way: a view, of all or of something that was entered. */
typedef struct {
    osp_top_view view;
    int tid;                       /* of this thread; 0 = all */
    uint64_t group, reason, focus; /* as in osp_top_question */
    char title[OSP_TOP_WORD];      /* what was entered; "" = the process itself */
    char filter[OSP_TOP_WORD];
    uint64_t cursor;  /* id of the row that it stands on; 0 = the first, whichever that is */
    size_t line, top; /* where that row was last; the first row that is shown */
} osp_top_level;

typedef enum {
    OSP_WISH_NONE,
    OSP_WISH_QUIT,
    OSP_WISH_WHY,
    OSP_WISH_OPEN,
    OSP_WISH_CLOSE,
    OSP_WISH_LOOK
} osp_top_wish;

typedef struct {
    osp_top_level level[OSP_TOP_DEEPEST];
    int depth; /* of the level that is shown */
    size_t order[OSP_TOP_VIEWS];
    int pid;  /* 0: none is open */
    bool all; /* processes without Go too */
    bool typing, help, paused;
    osp_top_wish wish; /* what the last key asks of those who know processes: pid is set for OSP_WISH_OPEN;
                          OSP_WISH_LOOK: look at them again */
} osp_top_state;

/* The rows at hand: of a process, or processes. One of the two is empty. */
typedef struct {
    const osp_top_row *row;
    uint32_t n;
    const osp_ps *ps;
} osp_top_list;

/* A state that begins with the list of processes (pid 0), or with the functions of one; and one step into a process, for
 * OSP_WISH_OPEN. */
void osp_top_begin(osp_top_state *s, int pid);

/* Change the state by a key, with these rows on the screen, of which so many lines are visible. */
void osp_top_press(osp_top_state *s, const osp_top_list *list, int visible, uint32_t key);

/* What stands in the head. */
typedef struct {
    const osp_ps_row *process; /* NULL = not known yet */
    osp_top_sum sum;
    double refresh_s;
    osp_str note; /* "starting to sample", "it has ended"; "" = nothing to say */
} osp_top_head;

/* The whole screen. Moves s->level's top and line so that the cursor is visible. */
void osp_top_paint(osp_top_state *s, const osp_top_head *head, const osp_top_list *list, osp_grid *g);

/* What is known of a process as one JSON object: its facts, and rows of every view. */
bool osp_top_json(const osp_top_head *head, const osp_top_model *m, const osp_top_thread *thread, uint32_t nthread,
                  osp_buf *out, osp_err *err) OSP_CHECKED;

/* How many rows of a list fit a screen of that height. */
int osp_top_visible(int rows);

#endif
