# SPDX-License-Identifier: Apache-2.0
# What two samples of the same show, and what a change does.
for i in 1 2; do printf 'main;parse %d\nmain;write %d\nmain;old 60\n' $((100 + i)) $((200 - i)); done >before.folded
printf 'main;parse 600\nmain;write 400\nmain;fresh 120\n' >after.folded
osprey diff before.folded before.folded
osprey diff before.folded after.folded
osprey diff -cum -focus=write -all before.folded after.folded
osprey diff -n 1 -json before.folded after.folded
osprey diff -sample_index=cpu before.folded after.folded
for i in $(seq 90); do printf 'main;serve;parse;small%d 20\n' "$i"; done >spread.before.folded
sed 's/20$/27/; $amain;serve;idle 10' spread.before.folded >spread.after.folded
for f in before after; do printf 'main;wait;poll 1500\nmain;wait;sleep 700\n' >>spread.$f.folded; done
osprey diff spread.before.folded spread.after.folded
mkdir monday friday
cp before.folded monday/cpu.folded
cp after.folded friday/cpu.folded
osprey diff monday/cpu.folded friday/cpu.folded | head -1
osprey diff before.folded
