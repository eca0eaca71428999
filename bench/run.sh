#!/usr/bin/env bash
# Measures Aldis against bench/axum-relay, the relay people write over a weekend, on this machine.
#
# Each server runs on core 0 and the load on core 1, a fresh server for each run, the servers taking turns within a round: a machine
# that gets slower for a while then slows all of them, and the ratios hold. First how many messages a CPU second relays, then how
# long they take while thousands of pairs arrive, then the memory of idle connections. A 0 leaves a part out.
#
# A p99 of arrivals is a matter of a few hundred milliseconds in all: it means something where "waited" and "stolen" are small.
#
#   BENCH_ROUNDS           rounds of the relay load (5)
#   BENCH_ROUNDS_ARRIVALS  rounds of the arrivals load (3)
#   BENCH_PAIRS            pairs that arrive in a round of it (5000)
#   BENCH_OVER             the time within which they arrive, in whole seconds (60s)
#   BENCH_CONNECTIONS      connections of the idle load (10000)
#   BENCH_ROUNDS_TRANSPORTS
#                          rounds of WebSocket beside event stream and POST (3), with as many idle connections
#   BENCH_BIN              a folder with `aldis` and `axum-relay`; without it both are built first, optimised
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${BENCH_ROUNDS:-5}
rounds_arrivals=${BENCH_ROUNDS_ARRIVALS:-3}
pairs=${BENCH_PAIRS:-5000}
over=${BENCH_OVER:-60s}
connections=${BENCH_CONNECTIONS:-10000}
rounds_transports=${BENCH_ROUNDS_TRANSPORTS:-3}
windows="10 1"
# axum-send is axum's chat example with TCP_NODELAY, as Aldis has it. axum-forward flushes in bursts. axum-nagle is axum-send as
# `axum::serve` leaves it: the kernel gathers small writes, which is cheap and slow; look at its p99 beside its throughput.
servers="aldis axum-send axum-forward axum-nagle"
# A round takes more than a minute a server, so only the relay of axum's own example stands beside Aldis; what Nagle's algorithm
# delays would be no measure.
servers_arrivals="aldis axum-send"
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

# The relay load is far beyond the rates that one browser may have.
unlimited=(
    ALDIS_LIMITS_MESSAGES_PER_SECOND=1000000000 ALDIS_LIMITS_BYTES_PER_SECOND=1000000000
    ALDIS_LIMITS_MESSAGE_BURST=1000000000 ALDIS_LIMITS_BYTE_BURST=1000000000
)

# Starts the server $1 on core 0, with the settings that follow, and sets $server and $url.
start_server() {
    local ports=$work/ports
    rm -f "$ports"
    case $1 in
    aldis)
        env ALDIS_AUTH_KEYS=$key ALDIS_LOG=warn "${@:2}" \
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

# Runs a load on core 1, for at most $patience seconds, and leaves its report in $work/report. In the background, so that a signal
# to this script ends it at once.
run_load() {
    timeout "$patience" taskset -c 1 "$bin/aldis" bench "$@" --url "$url" --pid "$server" --key "$key" --json \
        >"$work/report" &
    load=$!
    wait "$load"
    load=
}

field() {
    sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "$work/report"
}

# The field $2 within $1.
within() {
    sed -n "s/.*\"$1\":{[^}]*\"$2\":\([0-9.]*\).*/\1/p" "$work/report"
}

median='
    function median(values, n,    i, j, kept) {
        for (i = 2; i <= n; i++) {
            kept = values[i]
            for (j = i - 1; j >= 1 && values[j] > kept; j--) values[j + 1] = values[j]
            values[j + 1] = kept
        }
        return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
    }
'

# Columns: window, round, server, messages per CPU second, messages per second, median and p99 in microseconds.
relay() {
    local patience=60 round window name
    for round in $(seq "$rounds"); do
        for window in $windows; do
            for name in $servers; do
                start_server "$name" "${unlimited[@]}"
                run_load relay --pairs 500 --window "$window" --warmup 1s --duration 3s
                stop_server
                echo "$window $round $name $(field messagesPerCpuSecond) $(field messagesPerSecond)" \
                    "$(field p50Us) $(field p99Us)" >>"$work/relay"
                echo "round $round, window $window, $name: $(cat "$work/report")" >&2
            done
        done
    done

    awk -v servers="$servers" -v windows="$windows" -v rounds="$rounds" "$median"'
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
}

# Columns: round, server, then p50, p99 and p99.9 of the messages, p99 of the joins, of the calls and of the load's lateness, all
# in microseconds, then for server and load the CPU seconds and those in which something else had their core, and the seconds that a
# hypervisor took from all cores.
arrivals() {
    local patience=$((${over%s} + 120)) round name
    for round in $(seq "$rounds_arrivals"); do
        for name in $servers_arrivals; do
            start_server "$name"
            run_load arrivals --pairs "$pairs" --over "$over"
            stop_server
            echo "$round $name $(within relay p50Us) $(within relay p99Us) $(within relay p999Us)" \
                "$(within join p99Us) $(within handshake p99Us) $(within lateness p99Us)" \
                "$(within server cpuSeconds) $(within server waitSeconds)" \
                "$(within load cpuSeconds) $(within load waitSeconds) $(field stolenSeconds)" >>"$work/arrivals"
            echo "round $round, arrivals, $name: $(cat "$work/report")" >&2
        done
    done

    awk -v servers="$servers_arrivals" -v rounds="$rounds_arrivals" -v pairs="$pairs" -v over="$over" "$median"'
        function line(label, column,    s, r, list) {
            printf "%-18s", label
            for (s = 1; s <= count; s++) {
                for (r = 1; r <= rounds; r++) list[r] = figure[r, name[s], column]
                printf "%15.6g", median(list, rounds)
            }
            print ""
        }
        { for (c = 3; c <= NF; c++) figure[$1, $2, c] = $c }
        END {
            count = split(servers, name, " ")
            printf "\np99 of the relay latency in us, %s pairs arriving over %s\n%-18s", pairs, over, "round"
            for (s = 1; s <= count; s++) printf "%15s", name[s]
            for (s = 2; s <= count; s++) printf "%20s", "aldis/" name[s]
            print ""
            for (r = 1; r <= rounds; r++) {
                printf "%-18s", r
                for (s = 1; s <= count; s++) printf "%15s", figure[r, name[s], 4]
                for (s = 2; s <= count; s++) {
                    ratio[s, r] = figure[r, name[1], 4] / figure[r, name[s], 4]
                    printf "%20.2f", ratio[s, r]
                }
                print ""
            }
            printf "%-18s", "median"
            for (s = 1; s <= count; s++) {
                for (r = 1; r <= rounds; r++) list[r] = figure[r, name[s], 4]
                printf "%15s", median(list, rounds)
            }
            for (s = 2; s <= count; s++) {
                for (r = 1; r <= rounds; r++) list[r] = ratio[s, r]
                printf "%20.2f", median(list, rounds)
            }
            print ""
            line("relay p50 us", 3)
            line("relay p99.9 us", 5)
            line("join p99 us", 6)
            line("call p99 us", 7)
            line("server CPU s", 9)
            line("server waited s", 10)
            line("load CPU s", 11)
            line("load waited s", 12)
            line("load late p99 us", 8)
            line("machine stolen s", 13)
        }' "$work/arrivals"
}

idle() {
    local patience=180
    start_server aldis
    run_load idle --connections "$connections" --handshake
    stop_server
    echo
    echo "Resident memory of aldis with $connections joined connections:"
    echo "  $(field joinedKib) KiB a connection, $(field afterHandshakeKib) KiB after one handshake a pair"
}

# Columns: round, transport, KiB of an idle connection, then median and p99 in microseconds of the only message under way.
transports() {
    local patience=180 round transport idle
    for round in $(seq "$rounds_transports"); do
        for transport in websocket sse; do
            start_server aldis "${unlimited[@]}"
            run_load idle --connections "$connections" --dialect v1 --transport "$transport"
            idle=$(field joinedKib)
            stop_server
            start_server aldis "${unlimited[@]}"
            run_load relay --pairs 1 --window 1 --warmup 1s --duration 5s --dialect v1 --transport "$transport"
            stop_server
            echo "$round $transport $idle $(field p50Us) $(field p99Us)" >>"$work/transports"
            echo "round $round, $transport: $idle KiB, $(cat "$work/report")" >&2
        done
    done

    awk -v rounds="$rounds_transports" "$median"'
        { for (c = 3; c <= NF; c++) figure[$1, $2, c] = $c }
        END {
            split("websocket sse", name, " ")
            split("KiB idle|p50 us|p99 us", label, "|")
            printf "\nThe transports, medians\n%-9s%15s%15s\n", "", name[1], name[2]
            for (c = 3; c <= 5; c++) {
                printf "%-9s", label[c - 2]
                for (s = 1; s <= 2; s++) {
                    for (r = 1; r <= rounds; r++) list[r] = figure[r, name[s], c]
                    printf "%15.6g", median(list, rounds)
                }
                print ""
            }
        }' "$work/transports"
}

[ "$rounds" = 0 ] || relay
[ "$rounds_arrivals" = 0 ] || arrivals
if [ "$rounds" != 0 ] || [ "$rounds_arrivals" != 0 ]; then
    echo
    echo "Nothing was lost, doubled or reordered in any run."
fi
[ "$connections" = 0 ] || idle
[ "$rounds_transports" = 0 ] || transports
