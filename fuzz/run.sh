#!/usr/bin/env bash
# Fuzzes the frame decoder and the parser of client messages, each for FUZZ_SECONDS (60), with stable Rust and libFuzzer. Fails when
# one of them finds something; the input that did it is then in fuzz/target/findings/, and `TARGET FILE` runs it again.
set -euo pipefail
cd "$(dirname "$0")"

host=$(rustc -vV | sed -n 's/^host: //p')
# What `cargo fuzz run --sanitizer none` passes; none of it needs a nightly compiler.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing"
# With --target these flags stay away from build scripts and macros, which could not be linked with them.
CARGO_TARGET_DIR=$PWD/target cargo build --release --target "$host"

mkdir -p corpus/codec corpus/message target/findings
# The protocol's own examples are where the parser's fuzzer starts.
awk '/^```json (client|post)$/ { n++; on = 1; next } /^```$/ { on = 0 } on { print > sprintf("corpus/message/doc-%03d", n) }' \
    ../docs/protocol.md

for name in codec message; do
    arguments=(-max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1)
    arguments+=(-artifact_prefix=target/findings/)
    [ -e "$name.dict" ] && arguments+=(-dict="$name.dict")
    echo "== $name"
    "target/$host/release/$name" "${arguments[@]}" "corpus/$name" 2>"target/$name.log" || {
        tail -n 40 "target/$name.log" >&2
        echo "$name found something: see fuzz/target/findings/" >&2
        exit 1
    }
    grep -E '^(#[0-9]+\s+DONE|stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb))' "target/$name.log"
done
echo "Nothing was found."
