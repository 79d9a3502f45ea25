# SPDX-License-Identifier: Apache-2.0
# What the Go compiler would refuse is refused here, with the reason.
printf 'main;work 3\n' >a.folded
osprey convert a.folded default.pgo
ls
