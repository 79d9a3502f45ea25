# SPDX-License-Identifier: Apache-2.0
osprey help version
osprey version --help
