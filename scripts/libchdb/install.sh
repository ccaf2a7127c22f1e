#!/usr/bin/env bash
# Fetches libchdb, the ClickHouse engine that PartnerPulse embeds, once, into
#   ${PARTNERPULSE_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/partnerpulse}/libchdb/VERSION/
# and prints the library's path on standard output. Everything else goes to
# standard error. Safe to run again and in parallel: the finished folder appears
# by one atomic rename. The Go side (internal/embedded/clickhouse/chdb) looks in
# the same place.
#
# The version and the checksum are those of package-lock.json beside this file.
# A platform that it does not list is refused, unless
# PARTNERPULSE_LIBCHDB_UNPINNED=1 accepts what the registry serves.
set -euo pipefail

version=26.7.3-stable.1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

die() {
  echo "libchdb: $*" >&2
  exit 1
}

case "$(uname -s)/$(uname -m)" in
  Linux/x86_64) platform=linux-x64-gnu ;;
  Linux/aarch64 | Linux/arm64) platform=linux-arm64-gnu ;;
  Darwin/x86_64) platform=darwin-x64 ;;
  Darwin/arm64) platform=darwin-arm64 ;;
  *) die "no build for $(uname -s)/$(uname -m); use a ClickHouse server (the clickhouse address in the configuration)" ;;
esac

cache=${PARTNERPULSE_CACHE_DIR:-}
if [ -z "$cache" ]; then
  cache_home=${XDG_CACHE_HOME:-}
  if [ -z "$cache_home" ]; then
    [ -n "${HOME:-}" ] || die "HOME is not set: set PARTNERPULSE_CACHE_DIR to a folder of about 600 MB"
    cache_home=$HOME/.cache
  fi
  cache=$cache_home/partnerpulse
fi
target=$cache/libchdb/$version
package=@chdb/lib-$platform
library=node_modules/$package/libchdb.so

if [ -f "$target/$library" ]; then
  echo "$target/$library"
  exit 0
fi

command -v node >/dev/null || die "Node.js is needed to fetch it: install Node.js 20 or newer (it brings npm) and run this again"
command -v npm >/dev/null || die "npm is needed to fetch it: install npm and run this again"

mkdir -p "$cache/libchdb" || die "cannot create $cache/libchdb: set PARTNERPULSE_CACHE_DIR to a folder that can be written"
work=$(mktemp -d "$cache/libchdb/.install-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

echo "libchdb: fetching $package $version (about 560 MB unpacked)" >&2
flags=(--ignore-scripts --no-audit --no-fund --loglevel=error --no-update-notifier)
if grep -q "\"node_modules/$package\"" "$here/package-lock.json"; then
  cp "$here/package.json" "$here/package-lock.json" "$work/"
  install=(npm ci "${flags[@]}")
elif [ "${PARTNERPULSE_LIBCHDB_UNPINNED:-}" = 1 ]; then
  echo "libchdb: no checksum is recorded for $platform; taking what the registry serves" >&2
  echo '{"private":true}' >"$work/package.json"
  install=(npm install --no-save "${flags[@]}" "$package@$version")
else
  die "scripts/libchdb/package-lock.json has no checksum for $platform; run again with PARTNERPULSE_LIBCHDB_UNPINNED=1 to accept what the registry serves, or use a ClickHouse server"
fi

if ! (cd "$work" && "${install[@]}") >"$work/npm.log" 2>&1; then
  cat "$work/npm.log" >&2
  die "npm could not install $package $version (its output is above): check the network, the registry (npm config get registry) and the free space in $cache"
fi
[ -f "$work/$library" ] || die "npm did not install $package $version: the registry does not have it for this platform, or its checksum differs"

# rename(2) fails on a folder that another run has finished meanwhile; then
# that one is used.
node -e 'require("fs").renameSync(process.argv[1], process.argv[2])' "$work" "$target" 2>/dev/null ||
  [ -f "$target/$library" ] ||
  die "cannot move the finished folder to $target"
chmod 755 "$target"
echo "$target/$library"
