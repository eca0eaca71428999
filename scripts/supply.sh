#!/usr/bin/env bash
# What we build on: licences, banned crates and sources of every workspace, and known vulnerabilities where their lists can be reached.
# Without cargo-deny nothing is checked, and it is said; with CI=true it is installed under target/tools/.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
PATH=$PWD/target/tools/bin:$PATH
if ! command -v cargo-deny >/dev/null; then
    if [ "${CI:-}" != true ]; then
        echo "supply: cargo-deny is not installed (cargo install --locked cargo-deny), so licences and sources were not checked"
        exit 0
    fi
    echo "Installing cargo-deny $version"
    # Not optimised, and nothing for a debugger: it runs for seconds, and is built in a fraction of the time.
    CARGO_PROFILE_DEV_DEBUG=false cargo install --quiet --debug --locked --root target/tools --target-dir target/tools/build --version "$version" cargo-deny
    rm -rf target/tools/build
fi

# The first is what is shipped.
workspaces=(Cargo.toml fuzz/Cargo.toml examples/native-peer/Cargo.toml e2e/cutting-turn/Cargo.toml)
deny() {
    for workspace in "${workspaces[@]}"; do
        echo "supply: $* of $workspace"
        cargo deny --manifest-path "$workspace" --config "$PWD/deny.toml" --locked --log-level error check --hide-inclusion-graph "$@"
    done
}

deny licenses sources
cargo deny --config deny.toml --locked --log-level error check --hide-inclusion-graph bans
if timeout 60 cargo deny --log-level off fetch db >/dev/null 2>&1; then
    deny advisories
else
    echo "supply: the list of Rust advisories could not be reached, so it was not consulted"
fi

for folder in sdk sdk/api sdk/react e2e; do
    [ -e "$folder/package-lock.json" ] || continue
    status=0
    answer=$(timeout 60 npm --prefix "$folder" audit --audit-level=high 2>&1) || status=$?
    if grep -q "audit endpoint returned an error\|ENOTFOUND\|EAI_AGAIN\|ETIMEDOUT" <<<"$answer" || [ "$status" -eq 124 ]; then
        echo "supply: the list of npm advisories could not be reached, so it was not consulted"
        break
    elif [ "$status" -ne 0 ]; then
        echo "$answer" >&2
        echo "supply: $folder/ depends on a package with a known vulnerability" >&2
        exit 1
    fi
done
