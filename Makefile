# `make` alone says what there is.

.DEFAULT_GOAL := help
.PHONY: help run check setup test soak chaos attack docs bench fuzz sbom
.NOTPARALLEL:

help: ## This list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

run: ## Start the development server: http://localhost:7654/
	cargo run --package aldis-server --bin aldis -- dev

check: setup ## Format, lints, unfinished work, sizes, documentation
	scripts/check.sh

setup: ## Install what the tests need and this machine lacks
	scripts/install.sh

test: check ## Everything, begun with `make check`
# All of it with --workspace, also where one binary is meant: with --package cargo takes the features that this package alone asks of
# its dependencies, and compiles most of them again. For the same reason the example: with it come the features of the tests.
# First, because it leaves a binary with shuttle's locks behind, which the next line replaces.
	cargo test --workspace --features aldis-server/shuttle --test order
# Two tests a core: most of them wait most of the time, for processes, brokers and clocks.
	RUST_TEST_THREADS=$$((2 * $$(nproc))) cargo test --workspace
	cargo build --workspace --bin aldis --bin aldis-attack --bin aldis-chaos --example echo
	target/debug/aldis-attack rows
	target/debug/aldis-chaos short
	cargo test --locked --manifest-path examples/native-peer/Cargo.toml --target-dir target
	npm --prefix sdk test
	npm --prefix e2e test
	FUZZ_PROFILE=brief FUZZ_SECONDS=25 fuzz/run.sh

soak: setup ## The long forms: streams by the million, clusters by the thousand, networks that fail for minutes on end, thousands of operations in browsers
	ALDIS_SOAK=30 npm --prefix sdk test -- model.test.ts
	ALDIS_SOAK=30 cargo test --package aldis-client --test model
	ALDIS_SOAK=10 cargo test --release --package aldis-core --test cluster
	ALDIS_SOAK=1 npm --prefix e2e test -- delivery.test.mjs counting.test.mjs native.test.mjs net.test.mjs net-changes.test.mjs turn-expiry.test.mjs
	ALDIS_SOAK=1 npm --prefix e2e test -- wedges.test.mjs stress.test.mjs
	FUZZ_SECONDS=600 fuzz/run.sh

chaos: setup ## Three nodes, a broker and 500 clients, and everything that can break among them, again and again: half an hour
	cargo build --release --package aldis-server --bin aldis
	cargo run --release --package aldis-chaos -- long

attack: setup ## What hostile clients may try, done to a real server, and floods that others must not feel: eight minutes
	cargo build --release --package aldis-server --bin aldis
	cargo run --release --package aldis-attack -- rows
	cargo run --release --package aldis-attack -- floods

docs: setup ## The API references, as HTML: target/doc/ (Rust) and target/sdk-docs/ (SDK)
	cargo doc --workspace --no-deps
	npm --prefix sdk/api run build

bench: ## Measure the relay, calls that arrive, and idle connections, against a minimal relay on axum
	bench/run.sh

fuzz: ## Fuzz everything that reads what strangers write, a minute each
	fuzz/run.sh

sbom: ## What a release is made of, in CycloneDX: target/sbom/
	scripts/sbom.sh
