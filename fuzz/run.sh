#!/usr/bin/env bash
# Fuzzes everything that reads what strangers write, guided by coverage, with stable Rust and libFuzzer: each target for FUZZ_SECONDS (60), as
# many at a time as there are cores.
# `fuzz/run.sh NAME...` runs only those. Fails when one of them finds something; the input that did it is then in fuzz/target/findings/, and
# `fuzz/target/<host>/<profile>/TARGET FILE` runs it again. FUZZ_PROFILE=brief, instead of release, is compiled sooner and runs up to 2.5 times
# as slowly.
set -euo pipefail
cd "$(dirname "$0")"

export FUZZ_PROFILE=${FUZZ_PROFILE:-release}
host=$(rustc -vV | sed -n 's/^host: //p')
# What `cargo fuzz run --sanitizer none` passes; none of it needs a nightly compiler.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing"
# With --target these flags stay away from build scripts and macros, which could not be linked with them.
CARGO_TARGET_DIR=$PWD/target cargo build --locked --profile "$FUZZ_PROFILE" --target "$host"

# The protocol's own examples are where the fuzzer of messages starts, beside its seeds.
mkdir -p corpus/message
awk '/^```json (client|post)$/ { n++; on = 1; next } /^```$/ { on = 0 } on { print > sprintf("corpus/message/doc-%03d", n) }' \
    ../docs/protocol.md

# Fuzzes one target, and prints its row.
fuzz() {
    set -euo pipefail
    local name=$1 arguments
    mkdir -p "corpus/$name" target/findings
    arguments=(-max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1)
    arguments+=(-artifact_prefix=target/findings/)
    [ ! -e "$name.dict" ] || arguments+=(-dict="$name.dict")
    # What is new goes into the first of the folders.
    "target/$host/$FUZZ_PROFILE/$name" "${arguments[@]}" "corpus/$name" "seeds/$name" 2>"target/$name.log" || {
        tail -n 40 "target/$name.log" >&2
        echo "$name found something: see fuzz/target/findings/" >&2
        exit 1
    }
    awk -v name="$name" '
        $2 == "DONE" { for (i = 3; i < NF; i++) { if ($i == "cov:") edges = $(i + 1); if ($i == "corp:") inputs = $(i + 1) } }
        $1 == "stat::number_of_executed_units:" { executions = $2 }
        $1 == "stat::average_exec_per_sec:" { speed = $2 }
        END { sub("/.*", "", inputs); printf "%-10s %12d %10d %7d %7d\n", name, executions, speed, edges, inputs }' "target/$name.log"
}
export -f fuzz
export host

[ $# -gt 0 ] || set -- $(sed -n 's#^path = "targets/\(.*\)\.rs"$#\1#p' Cargo.toml)
printf '%-10s %12s %10s %7s %7s\n' target executions a-second edges inputs
# Each has a core to itself. All of them run, also where one finds something; then this fails.
printf '%s\n' "$@" | xargs -P "$(nproc)" -I {} bash -c 'fuzz "$1"' fuzz {}
echo "Nothing was found."
