#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Build the programs with known truths: tests/targets/build.sh OUTDIR [NAME...]. Each program's first comment says what
# it does and what is true of it. Needs go (1.18 or newer) and a C compiler. Names are those of the programs made;
# without any, all are. What is newer than its sources is left alone.
set -eu
out=${1:?usage: build.sh OUTDIR [NAME...]}
shift
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"
out=$(cd "$out" && pwd)
wanted=" $* "
cc=${CC:-cc}

# want NAME SOURCE: is it asked for, and older than its sources?
want() {
    case "$wanted" in
        "  ") ;;
        *" $1 "*) ;;
        *) return 1 ;;
    esac
    [ ! -e "$out/$1" ] || [ -n "$(find "$here/$2" "$here/build.sh" -newer "$out/$1" -print -quit)" ]
}

# goprog NAME DIR [C flags [go build flags...]]
goprog() {
    name=$1 dir=$2 cflags=${3:--O2 -g}
    shift 2
    [ $# -eq 0 ] || shift
    want "$name" "$dir" || return 0
    echo "target $name"
    (cd "$here" && CGO_ENABLED=${cgo:-1} CGO_CFLAGS="$cflags" GOFLAGS=-mod=mod go build "$@" -o "$out/$name" "./$dir")
}

# cprog NAME FILE [flags...]
cprog() {
    name=$1 file=$2
    shift 2
    want "$name" "$file" || return 0
    echo "target $name"
    "$cc" -O2 -g -Wall "$@" -o "$out/$name" "$here/$file" -lpthread -lm
}

goprog pprof-server pprof-server
goprog cgo-c-spin cgo-c-spin '-O2 -g -fomit-frame-pointer'
goprog cgo-native-thread cgo-native-thread
cprog libpulse.so cgo-native-thread/lib/pulse.c -shared -fPIC
cprog libpulse-stripped.so cgo-native-thread/lib/pulse.c -shared -fPIC -s
goprog cgo-deep cgo-deep
goprog circle circle
goprog callback callback
goprog goroutines-cgo goroutines
goprog shares shares
goprog torture-cgo torture
goprog waits-cgo waits
goprog cgo-park cgo-park
goprog threads threads
goprog loaded-cgo loaded
goprog memory-cgo memory
goprog libgowork.so c-shared '' -buildmode=c-shared
goprog work-plugin.so plugin '' -buildmode=plugin
goprog plugin-host plugin/host
goprog raced raced '' -race || echo "raced: no race detector for this machine"
cgo=0
goprog clock-storm clock-storm
goprog go-waits go-waits
goprog clock-storm-stripped clock-storm '' -ldflags='-s -w'
goprog spin-select spin-select
goprog frameless frameless
goprog vdso vdso
goprog allocs allocs
goprog labels labels
goprog goroutines goroutines
goprog allocs-stripped allocs '' -ldflags='-s -w'
goprog goroutines-stripped goroutines '' -ldflags='-s -w'
goprog goroutines-pie goroutines '' -buildmode=pie
goprog recursion recursion
goprog resident resident
goprog resident-stripped resident '' -ldflags='-s -w'
goprog resident-pie resident '' -buildmode=pie
goprog resident-pie-stripped resident '' -buildmode=pie -ldflags='-s -w'
goprog torture torture
goprog waits waits
goprog wakes wakes
goprog loaded loaded
goprog loaded-stripped loaded '' -ldflags='-s -w'
goprog loaded-pie-stripped loaded '' -buildmode=pie -ldflags='-s -w'
goprog threads-go threads
goprog timers timers
goprog memory memory
goprog memory-pie-stripped memory '' -buildmode=pie -ldflags='-s -w'
goprog timers-pie-stripped timers '' -buildmode=pie -ldflags='-s -w'
goprog threads-go-stripped threads '' -ldflags='-s -w'
goprog threads-pie-stripped threads '' -buildmode=pie -ldflags='-s -w'
goprog waits-pie-stripped waits '' -buildmode=pie -ldflags='-s -w'
cprog c-compute c/c_compute.c
cprog births c/births.c
cprog c-idle c/c_idle.c
cprog c-waits c/waits.c
cprog mallocs c/mallocs.c
cprog mallocs-static c/mallocs.c -static
cprog c-memory memory/take.c -DALONE
cprog signal-handler c/signal_handler.c -fomit-frame-pointer
cprog library-host c/library_host.c -fomit-frame-pointer -ldl
cprog hard c/hard.c -fomit-frame-pointer
cprog hard-bare c/hard.c -fomit-frame-pointer -fno-asynchronous-unwind-tables -fno-unwind-tables -g0
if command -v musl-gcc >/dev/null; then
    cc=musl-gcc cprog hard-musl c/hard.c -fomit-frame-pointer -static -s
fi
if command -v "${CXX:-c++}" >/dev/null; then
    cc=${CXX:-c++} cprog hard-exceptions c/hard.cpp -fomit-frame-pointer
fi
if command -v rustc >/dev/null && want rust others/work.rs; then
    echo "target rust"
    rustc -O -g -o "$out/rust" "$here/others/work.rs"
fi
if want work.js others/work.js; then
    cp "$here/others/work.js" "$out/"
fi
