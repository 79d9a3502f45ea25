/* SPDX-License-Identifier: Apache-2.0 */
unsigned long crunch(long iter, int depth);
