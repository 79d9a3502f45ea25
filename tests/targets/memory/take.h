/* SPDX-License-Identifier: Apache-2.0 */
/* Take memory of a kind, touch all of it, and keep it: so many MB. */
int take(const char *kind, int mb);
