/* SPDX-License-Identifier: Apache-2.0 */
long c_level(int depth);
long c_burn(long n);
