/* SPDX-License-Identifier: Apache-2.0 */
long c_one(long n);
