#!/usr/bin/env bash
# What a release is made of: software bills of materials in CycloneDX 1.5, of the binary and of the SDK, into target/sbom/. Installs
# cargo-cyclonedx under target/tools/ where there is none.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.5.9
PATH=$PWD/target/tools/bin:$PATH
if ! command -v cargo-cyclonedx >/dev/null; then
    echo "Installing cargo-cyclonedx $version"
    cargo install --quiet --debug --locked --root target/tools --target-dir target/tools/build --version "$version" cargo-cyclonedx
    rm -rf target/tools/build
fi

mkdir -p target/sbom
cargo cyclonedx --quiet --manifest-path crates/server/Cargo.toml --format json --spec-version 1.5 --describe binaries --no-build-deps
# It writes beside the manifest of each member.
mv crates/server/aldis_bin.cdx.json target/sbom/aldis.cdx.json
find . -name '*_bin.cdx.json' -not -path './target/*' -delete
# Of what it is tested with nothing is shipped.
npm --prefix sdk sbom --sbom-format cyclonedx --omit dev --package-lock-only >target/sbom/aldis-client.cdx.json

for file in target/sbom/*.json; do
    python3 -c '
import json, sys
bom = json.load(open(sys.argv[1]))
named = bom["metadata"]["component"]
print("%s: %s, %d components" % (sys.argv[1], named["purl"], len(bom.get("components", []))))' "$file"
done
