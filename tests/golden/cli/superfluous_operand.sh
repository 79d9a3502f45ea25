# SPDX-License-Identifier: Apache-2.0
osprey doctor 4711
