#!/usr/bin/env bash
# Fetches the jars of Apache Kafka through Maven, once, into
#   ${PARTNERPULSE_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/partnerpulse}/kafka/VERSION-HASH/lib
# and prints that folder on standard output. Everything else goes to standard
# error. Safe to run again and in parallel: the finished folder appears by one
# rename. HASH is of pom.xml and lib.sha256 beside this file.
#
# Each jar is checked against lib.sha256. After a change of pom.xml, run this with
# PARTNERPULSE_KAFKA_UNPINNED=1, look at what came, and write the list anew:
#   (cd LIB && sha256sum *.jar) >scripts/kafka/lib.sha256
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

die() {
  echo "kafka: $*" >&2
  exit 1
}

sha256() { # as sha256sum, which macOS does not have
  if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi
}

command -v java >/dev/null || die "Java 17 or newer is needed to run it: https://adoptium.net (or apt-get install openjdk-17-jre-headless)"
java=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
[ "${java:-0}" -ge 17 ] || die "Java 17 or newer is needed to run it, this is $(java -version 2>&1 | head -n 1)"

cache=${PARTNERPULSE_CACHE_DIR:-}
if [ -z "$cache" ]; then
  cache_home=${XDG_CACHE_HOME:-}
  if [ -z "$cache_home" ]; then
    [ -n "${HOME:-}" ] || die "HOME is not set: set PARTNERPULSE_CACHE_DIR to a folder of about 50 MB"
    cache_home=$HOME/.cache
  fi
  cache=$cache_home/partnerpulse
fi
version=$(sed -n 's:.*<kafka\.version>\(.*\)</kafka\.version>.*:\1:p' "$here/pom.xml")
hash=$(cat "$here/pom.xml" "$here/lib.sha256" | sha256 | cut -c 1-12)
target=$cache/kafka/$version-$hash

if [ -d "$target/lib" ]; then
  echo "$target/lib"
  exit 0
fi

command -v mvn >/dev/null || die "Maven is needed to fetch it: https://maven.apache.org/install.html (or apt-get install maven)"
mkdir -p "$cache/kafka" || die "cannot create $cache/kafka: set PARTNERPULSE_CACHE_DIR to a folder that can be written"
# Maven's local repository does not like two writers.
if command -v flock >/dev/null; then
  exec 9>"$cache/kafka/.lock"
  flock 9
  if [ -d "$target/lib" ]; then
    echo "$target/lib"
    exit 0
  fi
fi
work=$(mktemp -d "$cache/kafka/.install-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

echo "kafka: fetching Apache Kafka $version (about 45 MB)" >&2
if ! mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
  -DoutputDirectory="$work/lib" >"$work/mvn.log" 2>&1; then
  cat "$work/mvn.log" >&2
  die "Maven could not fetch Apache Kafka $version (its output is above): check the network and the mirrors in Maven's settings.xml"
fi
if [ "${PARTNERPULSE_KAFKA_UNPINNED:-}" = 1 ]; then
  echo "kafka: checksums not looked at" >&2
else
  (cd "$work/lib" && sha256 -c "$here/lib.sha256") >"$work/sum.log" 2>&1 || {
    grep -v ': OK$' "$work/sum.log" >&2
    die "what Maven fetched is not what scripts/kafka/lib.sha256 lists"
  }
  [ "$(ls "$work/lib" | wc -l)" -eq "$(wc -l <"$here/lib.sha256")" ] ||
    die "Maven fetched jars that scripts/kafka/lib.sha256 does not list"
fi

# mv puts the folder into one that another run has finished meanwhile; then that
# one is used and ours removed.
chmod 755 "$work"
mv "$work" "$target"
rm -rf "${target:?}/${work##*/}"
[ -d "$target/lib" ] || die "cannot move the finished folder to $target"
echo "$target/lib"
