# SPDX-License-Identifier: Apache-2.0
# What two samples of the same show, and what a change does.
for i in 1 2; do printf 'main;parse %d\nmain;write %d\nmain;old 60\n' $((100 + i)) $((200 - i)); done >before.folded
printf 'main;parse 600\nmain;write 400\nmain;fresh 120\n' >after.folded
osprey diff before.folded before.folded
osprey diff before.folded after.folded
osprey diff -cum -focus=write -all before.folded after.folded
osprey diff -n 1 -json before.folded after.folded
osprey diff -sample_index=cpu before.folded after.folded
osprey diff before.folded
