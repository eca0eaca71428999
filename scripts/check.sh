#!/usr/bin/env bash
# What must hold before any test is worth running.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "check: $1" >&2
    exit 1
}

cargo fmt --all --check
cargo fmt --manifest-path fuzz/Cargo.toml --check
cargo fmt --manifest-path e2e/cutting-turn/Cargo.toml --check
cargo fmt --manifest-path examples/native-peer/Cargo.toml --check
cargo clippy --workspace --all-targets -- --deny warnings
# What is another with this feature. The whole workspace is named so that its dependencies have the same features as above.
cargo clippy --workspace --lib --test order --features aldis-server/shuttle -- --deny warnings
# The server on nothing but what it asks of its dependencies itself: above, it has what the rest of the workspace asks for too.
cargo check --package aldis-server
cargo clippy --locked --manifest-path examples/native-peer/Cargo.toml --target-dir target --all-targets -- --deny warnings
RUSTDOCFLAGS="--deny warnings" cargo doc --quiet --workspace --no-deps

# The fuzzers stand on the server, with a lockfile of their own: what is added to the one has to be in the other.
cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null

# Licences, sources, known vulnerabilities.
scripts/supply.sh

# The SDK and its React hooks: their types, their packages, and that the files which the server gives out are those that it builds.
npm --prefix sdk run --silent check
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
cp crates/server/assets/*.js "$built"
npm --prefix sdk run --silent build
for file in crates/server/assets/*.js; do
    cmp --silent "$built/$(basename "$file")" "$file" || fail "$file was not what sdk/ builds; it is now"
done
npm --prefix sdk run --silent package
npm --prefix sdk run --silent size

# The demo is written against it.
sdk/node_modules/.bin/tsc --project web/demo/jsconfig.json

# Its API reference: every public symbol has a word and an example, every link leads somewhere, every example has the right types.
npm --prefix sdk/api run --silent check

# Work that is unfinished, or tests that are not run. The words are split so that this line is none of them.
unfinished='\bTO''DO\b|\bFIX''ME\b|\bX''XX\b|to''do!\(|unimple''mented!\(|#\[ig''nore|\b(it|test|describe)\.(sk''ip|on''ly|to''do)\('
status=0
git grep --untracked --line-number --perl-regexp "$unfinished" -- ':!*.lock' ':!package-lock.json' || status=$?
[ "$status" -eq 1 ] || fail "unfinished work, or a test that is not run"

lines=$(wc -l <README.md)
[ "$lines" -le 150 ] || fail "README.md has $lines lines; it may have 150"

for script in $(git ls-files --cached --others --exclude-standard '*.sh' .ci/run); do
    bash -n "$script"
    [ -x "$script" ] || fail "$script cannot be executed"
done
echo "check: all well"
