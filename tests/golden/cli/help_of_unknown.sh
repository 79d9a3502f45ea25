# SPDX-License-Identifier: Apache-2.0
osprey help elephant
