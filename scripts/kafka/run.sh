#!/usr/bin/env bash
# Runs Apache Kafka 4 (KRaft) on 127.0.0.1 without Docker: one broker, or three.
#
#   scripts/kafka/run.sh [--nodes 1|3] [--port 9092] [--data DIR]
#
# Brokers listen on PORT, PORT+1, PORT+2 and their controllers 1000 above. When all
# of them serve, the bootstrap addresses are printed on standard output as
# host:port,host:port. Runs until SIGINT or SIGTERM, until its parent process ends
# or until a broker does, and then ends all brokers. Without --data the data goes
# with it. Needs Java 17; install.sh fetches the rest.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cluster=PartnerPulseLocal0000A # any 16 bytes in base64
heap=-Xmx400m
ready_seconds=120

die() {
  echo "kafka: $*" >&2
  exit 1
}

nodes=1 port=9092 data=
while [ $# -gt 0 ]; do
  case "$1" in
    --nodes | --port | --data) [ $# -ge 2 ] || die "$1 needs a value" ;;
    -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) die "unknown argument $1 (--nodes, --port, --data)" ;;
  esac
  case "$1" in
    --nodes) nodes=$2 ;;
    --port) port=$2 ;;
    --data) data=$2 ;;
  esac
  shift 2
done
[[ $nodes == 1 || $nodes == 3 ]] || die "--nodes is 1 or 3, not $nodes"
[[ $port =~ ^[0-9]{1,5}$ && $port -ge 1 && $port -le 64000 ]] || die "--port is a number from 1 to 64000, not $port"

parent() { # of this script, as it is now
  if [ -r "/proc/$$/status" ]; then awk '$1 == "PPid:" { print $2 }' "/proc/$$/status"; else ps -o ppid= -p $$ | tr -d ' '; fi
}
born_of=$(parent)

lib=$("$here/install.sh")

pids=()
finish() { # in order, for a minute at most
  trap '' INT TERM
  local pid end=$((SECONDS + 60))
  for pid in ${pids[@]+"${pids[@]}"}; do kill -TERM "$pid" 2>/dev/null || :; done
  for pid in ${pids[@]+"${pids[@]}"}; do
    while kill -0 "$pid" 2>/dev/null && [ $SECONDS -lt $end ]; do sleep 0.2; done
    kill -KILL "$pid" 2>/dev/null || :
  done
  [ -z "${temporary:-}" ] || rm -rf "$temporary"
}
trap finish EXIT
trap 'exit 0' INT TERM

temporary=
if [ -z "$data" ]; then
  temporary=$(mktemp -d "${TMPDIR:-/tmp}/partnerpulse-kafka-XXXXXX")
  data=$temporary
fi
mkdir -p "$data" || die "cannot create $data"
data=$(cd "$data" && pwd)
for n in 1 3; do
  if [ -e "$data/node-$n" ] && [ "$n" -gt "$nodes" ] || [ "$n" = "$nodes" ] && [ -e "$data/node-1" ] && [ ! -e "$data/node-$n" ]; then
    die "$data holds another number of nodes than $nodes"
  fi
done

voters=
for n in $(seq "$nodes"); do voters+=${voters:+,}$n@127.0.0.1:$((port + 999 + n)); done
for n in $(seq "$nodes"); do
  node=$data/node-$n
  mkdir -p "$node"
  sed -e "s|@ID@|$n|" -e "s|@PORT@|$((port + n - 1))|" -e "s|@CONTROLLER_PORT@|$((port + 999 + n))|" \
    -e "s|@VOTERS@|$voters|" -e "s|@DIR@|$node/log|" -e "s|@REPLICAS@|$nodes|" -e "s|@IN_SYNC@|$((nodes / 2 + 1))|" \
    "$here/server.properties" >"$node/server.properties"
  [ -e "$node/log/meta.properties" ] && continue
  java -Xmx128m -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$lib/*" \
    kafka.tools.StorageTool format --cluster-id $cluster --config "$node/server.properties" >"$node/format.log" 2>&1 || {
    cat "$node/format.log" >&2
    die "cannot format the storage of node $n in $node/log"
  }
done

# Where the system can, a broker also ends when this script is killed with -9.
guard=()
if command -v setpriv >/dev/null && setpriv --pdeathsig TERM true 2>/dev/null; then guard=(setpriv --pdeathsig TERM); fi
for n in $(seq "$nodes"); do
  node=$data/node-$n
  ${guard[@]+"${guard[@]}"} java $heap -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    -Dorg.slf4j.simpleLogger.log.kafka.server=info -cp "$lib/*" kafka.Kafka "$node/server.properties" \
    >"$node/kafka.log" 2>&1 </dev/null &
  pids+=($!)
done

alive() { # tells which broker ended
  local n
  for n in $(seq "$nodes"); do
    kill -0 "${pids[n - 1]}" 2>/dev/null && continue
    grep -m 5 -E ' (ERROR|FATAL) |Exception|^Error' "$data/node-$n/kafka.log" >&2 || tail -n 20 "$data/node-$n/kafka.log" >&2
    die "broker $n ended (from its log, above)"
  done
  [ "$(parent)" = "$born_of" ] || exit 0
}
for n in $(seq "$nodes"); do
  until grep -q 'Kafka Server started' "$data/node-$n/kafka.log"; do
    alive
    [ $SECONDS -lt $ready_seconds ] || die "broker $n does not serve after $ready_seconds s; see $data/node-$n/kafka.log"
    sleep 0.2
  done
done

addresses=
for n in $(seq "$nodes"); do addresses+=${addresses:+,}127.0.0.1:$((port + n - 1)); done
echo "$addresses"
while :; do
  alive
  sleep 1
done
