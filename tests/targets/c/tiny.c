// SPDX-License-Identifier: Apache-2.0
// A function in a shared object, so small that its stub weighs as much: for hard.c.
int tiny(int n);
int tiny(int n) { return n + 1; }
