#!/usr/bin/env bash
# Measures Aldis against bench/axum-relay, the relay people write over a weekend, on this machine.
#
# Each server runs on core 0 and the load on core 1, a fresh server for each run, the servers taking turns within a round: a machine
# that gets slower for a while then slows all of them, and the ratios hold. Afterwards: the memory of idle connections.
#
#   BENCH_ROUNDS       rounds of the relay load (5)
#   BENCH_CONNECTIONS  connections of the idle load (10000)
#   BENCH_BIN          a folder with `aldis` and `axum-relay`; without it both are built first, optimised
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${BENCH_ROUNDS:-5}
connections=${BENCH_CONNECTIONS:-10000}
windows="10 1"
# axum-send is axum's chat example with TCP_NODELAY, as Aldis has it. axum-forward flushes in bursts. axum-nagle is axum-send as
# `axum::serve` leaves it: the kernel gathers small writes, which is cheap and slow; look at its p99 beside its throughput.
servers="aldis axum-send axum-forward axum-nagle"
key=bench:a-key-for-nothing-but-this-benchmark

work=$(mktemp -d)
server=
load=
stop_server() {
    [ -n "$server" ] || return 0
    kill "$server" 2>/dev/null || true
    for _ in $(seq 100); do
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
}
cleanup() {
    status=$?
    if [ "$status" -ne 0 ] && [ -s "$work/server.log" ]; then
        echo "The server's last lines:" >&2
        tail -n 20 "$work/server.log" >&2
    fi
    # `timeout` hands the signal on.
    [ -z "$load" ] || kill "$load" 2>/dev/null || true
    stop_server
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

if ! taskset -c 0,1 true 2>/dev/null; then
    echo "bench/run.sh needs taskset and the cores 0 and 1" >&2
    exit 1
fi
ulimit -n "$(ulimit -Hn)"

bin=${BENCH_BIN:-}
if [ -z "$bin" ]; then
    # Apart, so that neither is built with what only the other one asks of a shared dependency.
    cargo build --release --package aldis-server --bin aldis
    cargo build --release --package axum-relay
    bin=${CARGO_TARGET_DIR:-target}/release
fi

# Starts the server $1 on core 0 and sets $server and $url.
start_server() {
    local ports=$work/ports
    rm -f "$ports"
    case $1 in
    aldis)
        # The load is far beyond the rates that one browser may have.
        ALDIS_AUTH_KEYS=$key ALDIS_LOG=warn \
            ALDIS_LIMITS_MESSAGES_PER_SECOND=1000000000 ALDIS_LIMITS_BYTES_PER_SECOND=1000000000 \
            ALDIS_LIMITS_MESSAGE_BURST=1000000000 ALDIS_LIMITS_BYTE_BURST=1000000000 \
            taskset -c 0 "$bin/aldis" serve --listen 127.0.0.1:0 --ports-file "$ports" >"$work/server.log" 2>&1 &
        ;;
    axum-*)
        local options=(--writer "${1#axum-}")
        [ "$1" != axum-nagle ] || options=(--writer send --nagle)
        taskset -c 0 "$bin/axum-relay" --listen 127.0.0.1:0 --ports-file "$ports" "${options[@]}" \
            >"$work/server.log" 2>&1 &
        ;;
    esac
    server=$!
    for _ in $(seq 100); do
        [ -s "$ports" ] && break
        if ! kill -0 "$server" 2>/dev/null; then
            echo "$1 did not start" >&2
            exit 1
        fi
        sleep 0.1
    done
    url=http://$(sed -n 's/.*"listen":[ ]*"\([^"]*\)".*/\1/p' "$ports")
}

# Runs a load on core 1 and leaves its report in $work/report. In the background, so that a signal to this script ends it at once.
run_load() {
    timeout 180 taskset -c 1 "$bin/aldis" bench "$@" --url "$url" --pid "$server" --key "$key" --json >"$work/report" &
    load=$!
    wait "$load"
    load=
}

field() {
    sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p"
}

for round in $(seq "$rounds"); do
    for window in $windows; do
        for name in $servers; do
            start_server "$name"
            run_load relay --pairs 500 --window "$window" --warmup 1s --duration 3s
            stop_server
            echo "$window $round $name $(field messagesPerCpuSecond <"$work/report")" \
                "$(field messagesPerSecond <"$work/report")" \
                "$(field p50Us <"$work/report") $(field p99Us <"$work/report")" >>"$work/relay"
            echo "round $round, window $window, $name: $(cat "$work/report")" >&2
        done
    done
done

# Columns: window, round, server, messages per CPU second, messages per second, median and p99 in microseconds.
awk -v servers="$servers" -v windows="$windows" -v rounds="$rounds" '
    function median(values, n,    i, j, kept) {
        for (i = 2; i <= n; i++) {
            kept = values[i]
            for (j = i - 1; j >= 1 && values[j] > kept; j--) values[j + 1] = values[j]
            values[j + 1] = kept
        }
        return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
    }
    function row(label, column, format,    s, r, list) {
        printf "%-9s", label
        for (s = 1; s <= count; s++) {
            for (r = 1; r <= rounds; r++) list[r] = figure[w, r, name[s], column]
            printf format, median(list, rounds)
        }
        print ""
    }
    { for (c = 4; c <= NF; c++) figure[$1, $2, $3, c] = $c }
    END {
        count = split(servers, name, " ")
        n = split(windows, window, " ")
        for (i = 1; i <= n; i++) {
            w = window[i]
            printf "\nMessages per CPU second of the server, window %s\n%-9s", w, "round"
            for (s = 1; s <= count; s++) printf "%15s", name[s]
            for (s = 2; s <= count; s++) printf "%20s", "aldis/" name[s]
            print ""
            for (r = 1; r <= rounds; r++) {
                printf "%-9s", r
                for (s = 1; s <= count; s++) printf "%15.0f", figure[w, r, name[s], 4]
                for (s = 2; s <= count; s++) {
                    ratio[s, r] = figure[w, r, name[1], 4] / figure[w, r, name[s], 4]
                    printf "%20.2f", ratio[s, r]
                }
                print ""
            }
            printf "%-9s", "median"
            for (s = 1; s <= count; s++) {
                for (r = 1; r <= rounds; r++) list[r] = figure[w, r, name[s], 4]
                printf "%15.0f", median(list, rounds)
            }
            for (s = 2; s <= count; s++) {
                for (r = 1; r <= rounds; r++) list[r] = ratio[s, r]
                printf "%20.2f", median(list, rounds)
            }
            print ""
            row("msg/s", 5, "%15.0f")
            row("p50 us", 6, "%15.0f")
            row("p99 us", 7, "%15.0f")
        }
    }' "$work/relay"
echo
echo "Nothing was lost, doubled or reordered in any run."

start_server aldis
run_load idle --connections "$connections" --handshake
stop_server
echo
echo "Resident memory of aldis with $connections joined connections:"
echo "  $(field joinedKib <"$work/report") KiB a connection, $(field afterHandshakeKib <"$work/report") KiB after one handshake a pair"
