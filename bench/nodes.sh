#!/usr/bin/env bash
# Measures what it costs that the two of a pair are at different nodes.
#
# First the way of a single message: at one node, across two over Redis and over NATS, in turns, beside a bare PUBLISH until its message (that
# of `examples/backplane.rs`). Then how many messages a second cross two nodes, and what CPU time a message costs all nodes together, the more
# of them there are. The nodes and the broker share core 0, the load has core 1.
#
#   BENCH_ROUNDS  rounds (5)
#   BENCH_NODES   how many nodes the last part has, in turns ("2 4 8")
#   BENCH_BIN     a folder with `aldis` and `examples/backplane`; without it both are built first, optimised
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${BENCH_ROUNDS:-5}
counts=${BENCH_NODES:-2 4 8}
key=bench:a-key-for-nothing-but-this-benchmark

work=$(mktemp -d)
pids=()
stop() {
    for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    pids=()
}
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
ulimit -n "$(ulimit -Hn)"

bin=${BENCH_BIN:-}
if [ -z "$bin" ]; then
    cargo build --release --package aldis-server --bin aldis --example backplane
    bin=${CARGO_TARGET_DIR:-target}/release
fi

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

await() {
    for _ in $(seq 200); do
        if "$@" 2>/dev/null; then return; fi
        sleep 0.05
    done
    echo "not within 10 s: $*" >&2
    exit 1
}

# Starts the broker $1 and sets $broker.
start_broker() {
    local port
    port=$(free_port)
    case $1 in
    redis) taskset -c 0 redis-server --port "$port" --bind 127.0.0.1 --save "" --appendonly no --dir "$work" >"$work/broker.log" 2>&1 & ;;
    nats) taskset -c 0 nats-server --addr 127.0.0.1 --port "$port" >"$work/broker.log" 2>&1 & ;;
    esac
    pids+=($!)
    broker=$1://127.0.0.1:$port
    await grep -qE "Ready to accept connections|Server is ready" "$work/broker.log"
}

# Starts $1 nodes, over $broker if it is not empty, and sets $target: what the load has to know of them.
start_nodes() {
    local at pid limits=(
        ALDIS_LIMITS_MESSAGES_PER_SECOND=1000000000 ALDIS_LIMITS_BYTES_PER_SECOND=1000000000
        ALDIS_LIMITS_MESSAGE_BURST=1000000000 ALDIS_LIMITS_BYTE_BURST=1000000000
    )
    [ -z "$broker" ] || limits+=(ALDIS_BACKPLANE="$broker" ALDIS_CLUSTER_SECRET=nothing-but-a-benchmark-has-this-secret)
    target=()
    for at in $(seq "$1"); do
        rm -f "$work/ports"
        env ALDIS_AUTH_KEYS=$key ALDIS_LOG=warn "${limits[@]}" \
            taskset -c 0 "$bin/aldis" serve --listen 127.0.0.1:0 --ports-file "$work/ports" >>"$work/node.log" 2>&1 &
        pid=$!
        pids+=("$pid")
        await test -s "$work/ports"
        target+=(--url "http://$(sed -n 's/.*"listen":[ ]*"\([^"]*\)".*/\1/p' "$work/ports")" --pid "$pid")
    done
    # Until each has heard of the others: a beat takes 2 s.
    [ "$1" = 1 ] || sleep 3
}

# Runs the relay load and leaves its report in $work/report.
load() {
    timeout 120 taskset -c 1 "$bin/aldis" bench relay "$@" "${target[@]}" --key "$key" --json >"$work/report"
}

field() {
    sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "$work/report"
}

median() {
    sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

for round in $(seq "$rounds"); do
    for kind in none redis nats; do
        broker=
        [ "$kind" = none ] || start_broker "$kind"
        if [ "$kind" = none ]; then start_nodes 1; else start_nodes 2; fi
        load --pairs 1 --window 1 --warmup 1s --duration 3s
        field p50Us >>"$work/way-$kind"
        echo "round $round, one message under way, $kind: $(cat "$work/report")" >&2
        if [ "$kind" = redis ]; then
            taskset -c 1 "$bin/examples/backplane" "$broker" >"$work/bare"
            echo "round $round: $(tr '\n' ' ' <"$work/bare")" >&2
            sed -n "s/^bare PUBLISH to message: median \([0-9]*\) us.*/\1/p" "$work/bare" >>"$work/way-bare"
        fi
        if [ "$kind" != none ]; then
            load --pairs 200 --window 10 --warmup 1s --duration 3s
            field messagesPerSecond >>"$work/flow-$kind"
            echo "round $round, 200 pairs, $kind: $(cat "$work/report")" >&2
        fi
        stop
    done
    for count in $counts; do
        start_broker redis
        start_nodes "$count"
        load --pairs 200 --window 10 --warmup 1s --duration 3s
        field messagesPerCpuSecond >>"$work/cpu-$count"
        echo "round $round, $count nodes: $(cat "$work/report")" >&2
        stop
    done
done

echo
echo "The way of a message, median of $rounds medians, in microseconds:"
for kind in none redis nats bare; do printf '  %-6s%8.0f\n' "$kind" "$(median <"$work/way-$kind")"; done
echo "Messages a second across two nodes:"
for kind in redis nats; do printf '  %-6s%8.0f\n' "$kind" "$(median <"$work/flow-$kind")"; done
echo "CPU microseconds of all nodes for a message that crosses, over Redis:"
for count in $counts; do printf '  %-6s%8.1f\n' "$count" "$(median <"$work/cpu-$count" | awk '{ print 1000000 / $1 }')"; done
