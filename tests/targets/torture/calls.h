// SPDX-License-Identifier: Apache-2.0
long c_level(int depth);    // C, then Go, depth times
long c_burn(long n);        // computes
long c_library(long n);     // libc and libm: memcpy, strlen, qsort, malloc, sin, snprintf
long c_short(long n);       // a few nanoseconds
long c_panics(int through); // Go panics in a callback
long c_thread(void);        // a thread made by C calls Go
long c_sort(int n);         // qsort with a Go comparison
