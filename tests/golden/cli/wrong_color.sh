# SPDX-License-Identifier: Apache-2.0
osprey doctor --color=blue
