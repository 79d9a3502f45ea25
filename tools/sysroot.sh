#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The libraries of another machine, to build and run against: sysroot.sh MACHINE FOLDER PACKAGE... fetches these packages of
# this release of Debian or Ubuntu, and what they need, for that machine, and unpacks them in FOLDER. Nothing is installed;
# what is there already is not fetched again. OSPREY_MIRROR names another mirror. FOLDER/root.ini tells Meson where it is.
set -eu
machine=$1 root=$2
shift 2
[ "$(cat "$root/packages" 2>/dev/null)" != "$*" ] || exit 0
mkdir -p "$root"
root=$(cd "$root" && pwd)
. /etc/os-release
case $ID in
ubuntu)
    mirror=http://ports.ubuntu.com/ubuntu-ports suites="$VERSION_CODENAME $VERSION_CODENAME-updates" parts="main universe"
    [ "$machine" != amd64 ] || mirror=http://archive.ubuntu.com/ubuntu
    ;;
*) mirror=http://deb.debian.org/debian suites="$VERSION_CODENAME" parts=main ;;
esac
keys=/usr/share/keyrings/$ID-archive-keyring.gpg
apt=$root/apt
rm -rf "$root/usr" "$root/lib" "$root/lib64"
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$root/usr/lib"
ln -s usr/lib "$root/lib"
: >"$apt/status"
for suite in $suites; do
    echo "deb [arch=$machine signed-by=$keys] ${OSPREY_MIRROR:-$mirror} $suite $parts"
done >"$apt/sources.list"
cat >"$apt/apt.conf" <<END
Dir::Etc::SourceList "$apt/sources.list"; Dir::Etc::SourceParts "-"; Dir::Etc::Preferences "-";
Dir::Etc::PreferencesParts "-"; Dir::State "$apt"; Dir::State::Lists "$apt/lists"; Dir::State::status "$apt/status";
Dir::Cache "$apt/cache"; APT::Architecture "$machine"; APT::Architectures { "$machine"; }; APT::Sandbox::User "";
Acquire::Languages "none"; Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false"; Debug::NoLocking "true";
END
export APT_CONFIG="$apt/apt.conf"
apt-get -qq update
apt-get -qq -y --no-install-recommends --download-only install "$@"
for deb in "$apt"/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$root"
done
# What these call absolute lies in the folder.
find "$root/usr" -type l -lname '/*' | while read -r link; do
    ln -sf "$root$(readlink "$link")" "$link"
done
rm -rf "$apt"
printf "[constants]\nroot = '%s'\n" "$root" >"$root/root.ini"
echo "$*" >"$root/packages"
