# SPDX-License-Identifier: Apache-2.0
# What the guest of tests/kernels/kernels.py does: sourced by its init, with busybox. Each word leaves files in /out;
# recordings take as many seconds as $seconds says.
# shellcheck disable=SC2154

# target NAME COMMAND...: start it and wait until it is ready. Its pid is $pid.
target() {
    told=/out/$1.told
    shift
    "$@" >"$told" 2>&1 </dev/null &
    pid=$!
    turns=0
    until grep -q ready "$told" || [ $turns -ge 300 ]; do
        usleep 200000
        turns=$((turns + 1))
    done
}

# says NAME COMMAND...: run it; what it prints and its status are kept.
says() {
    name=$1
    shift
    echo "kernels: $name: $*"
    "$@" >"/out/$name.out" 2>"/out/$name.err"
    echo $? >"/out/$name.status"
}

# records NAME PID [OPTION...]
records() {
    name=$1 of=$2
    shift 2
    says "$name" osprey record "$of" -d "$seconds" -o "/out/$name.pb.gz" --json "$@"
    kill -0 "$of" && touch "/out/$name.alive"
}

# The program's end, once its output says so.
ends() {
    turns=0
    until [ $# -eq 0 ] || grep -q "$1" "$told" || [ $turns -ge 150 ]; do
        usleep 200000
        turns=$((turns + 1))
    done
    kill -9 "$pid"
    wait "$pid" 2>/dev/null
}

# as_user PROGRAM [WORD...]: by a user without rights.
as_user() {
    program=$1
    shift
    start-stop-daemon -S -c 1000:1000 -x "$program" -- "$@"
}

# containers PROGRAM: osprey in the pid namespace of the program, and outside of it.
containers() {
    echo "seconds=$seconds; . /guest.sh; mount -t proc proc /proc; target inner $1; records inner \$pid; ends" >/tmp/inner
    unshare -m -p -f sh /tmp/inner
    target outer unshare -p -f "$1"
    for child in $(cat "/proc/$pid/task/$pid/children"); do
        records outer "$child"
        kill -9 "$child"
    done
}

# settings PID: what administrators turn on and off. Not every kernel lets its BPF compiler be turned off.
settings() {
    echo 2 >/proc/sys/net/core/bpf_jit_harden
    records hardened "$1"
    echo 0 >/proc/sys/net/core/bpf_jit_harden
    if echo 0 >/proc/sys/net/core/bpf_jit_enable; then
        records interpreted "$1"
    fi
    echo 1 >/proc/sys/net/core/bpf_jit_enable
    mount -t securityfs securityfs /sys/kernel/security
    for level in integrity confidentiality; do
        echo $level >/sys/kernel/security/lockdown
        records $level "$1"
    done
}
