#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ./dev fresh RELEASE [WORD...]: prove that a machine which has nothing needs one command. Makes a minimal Debian of that
# release (bookworm, trixie) or Ubuntu (noble) in a folder, puts a clean clone of HEAD into it and runs `./dev WORD` there, each
# word twice: the second run must find everything done. Without words: demo, then test.
#
#   OSPREY_FRESH    the folder for all this (build-fresh)          OSPREY_MIRROR   another mirror than the release's own
#
# The kernel is this machine's; everything else is the release's. Needs root, debootstrap and git.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

die() {
    printf 'fresh: %s\n' "$*" >&2
    exit 1
}

release=${1:-}
script=""
extra=()
[ $# -eq 0 ] || shift
case $release in
bookworm | trixie) mirror=${OSPREY_MIRROR:-http://deb.debian.org/debian} components=main ;;
noble) mirror=${OSPREY_MIRROR:-http://archive.ubuntu.com/ubuntu} components=main,universe
    extra=(--keyring=/usr/share/keyrings/ubuntu-archive-keyring.gpg) # of the package ubuntu-keyring
    [ -e /usr/share/debootstrap/scripts/noble ] || script=gutsy ;; # which all of Ubuntu's are
*) die "which release? bookworm, trixie or noble" ;;
esac
[ $# -gt 0 ] || set -- demo test
[ "$(id -u)" = 0 ] || die "needs root, to make a system and enter it"
command -v debootstrap >/dev/null || die "needs debootstrap:  apt-get install debootstrap"

# Mounts of our own, which go when we go.
if [ "${OSPREY_FRESH_INSIDE:-}" != "$$" ]; then
    exec unshare --mount --propagation private env OSPREY_FRESH_INSIDE=$$ bash tests/fresh/fresh.sh "$release" "$@"
fi

folder=${OSPREY_FRESH:-build-fresh}
mkdir -p "$folder"
base=$folder/$release.base root=$folder/$release
if [ ! -e "$base/made" ]; then
    echo "fresh: making a minimal $release in $base"
    rm -rf "$base"
    debootstrap --variant=minbase --components="$components" "${extra[@]}" "$release" "$base" "$mirror" $script \
        >"$base.log" 2>&1 ||
        { tail -20 "$base.log" >&2; die "debootstrap failed"; }
    touch "$base/made"
fi
rm -rf "$root"
cp -a "$base" "$root"
cp /etc/resolv.conf "$root/etc/resolv.conf"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
git clone -q --no-hardlinks . "$root/root/osprey"
git -C "$root/root/osprey" log -1 --format='fresh: %h %s'

inside() {
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" \
        ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
        chroot "$root" bash -c "cd /root/osprey && ./dev $1"
}

for word in "$@"; do
    for turn in first second; do
        echo "fresh: $release: ./dev $word, the $turn time"
        start=$SECONDS
        inside "$word" || die "$release: ./dev $word failed the $turn time"
        echo "fresh: $release: ./dev $word took $((SECONDS - start)) s"
    done
done
echo "fresh: $release: ./dev $* each ran twice and succeeded"
