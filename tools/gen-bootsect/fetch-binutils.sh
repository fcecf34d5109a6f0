#!/bin/sh
# Fetches GNU as and objcopy of the guest programs' targets for the tests that compare with
# them, from this host's own mirror, into a folder of the user's cache. It needs no root, and
# changes nothing of the system. Where there is no apt-get, those tests skip.
set -eu

folder=$1
[ -d "$folder" ] && exit 0
if ! command -v apt-get >/dev/null; then
	echo "there is no apt-get here: what compares with GNU as skips, unless binutils are installed for each target"
	exit 0
fi
mkdir -p "$(dirname "$folder")"
work=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/root"
cd "$work"
apt() {
	apt-get -qq -o APT::Sandbox::User="$(id -un)" -o Dir::State="$work/state" -o Dir::State::status=/dev/null -o Dir::Cache="$work/cache" "$@"
}
echo "fetching binutils for aarch64, riscv64, s390x and ppc64"
apt update
# libbinutils has the libraries that are not of one target.
apt download libbinutils binutils-aarch64-linux-gnu binutils-riscv64-linux-gnu binutils-s390x-linux-gnu binutils-powerpc64-linux-gnu
for package in *.deb; do
	dpkg-deb -x "$package" root
done
mv root "$folder"
