/* SPDX-License-Identifier: Apache-2.0 */
/* Function names for small boxes. */
#ifndef OSP_REPORT_SHORTEN_H
#define OSP_REPORT_SHORTEN_H

#include "base/str.h"

/* Room for what osp_short_name makes of a name. */
#define OSP_SHORT_NAME_ROOM(name) ((name).n + 1)

/* The name without what a reader does not miss: Go's directories and module version, Java's package and arguments,
 * C++'s namespaces but for the class. A view of name, or of room, where it was put together. */
osp_str osp_short_name(osp_str name, char *room);

#endif
