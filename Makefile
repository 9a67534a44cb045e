# `make` alone lists what there is. Names of programs and arguments can be given: make demo ARGS='--port 0'.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules
.NOTPARALLEL:

CARGO ?= cargo
ARGS ?=
CRATE ?= codex-pooler
T ?=
S ?=
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
BIN := $(abspath $(TARGET_DIR)/debug/codex-pooler)
# With the features that the tests need, so that program and tests are compiled once.
BUILD := $(CARGO) build --workspace --locked --bins --tests

##@ Use

.PHONY: demo
demo: deps-build ## Runs a gateway with a simulated upstream, a pool and a key [ARGS='--port 4000']
	$(CARGO) run --locked -- demo $(ARGS)

##@ Test

.PHONY: test
test: test-rust test-clients ## Runs all tests: unit, integration, documentation, real clients

.PHONY: test-rust
test-rust: deps-build ## Runs the tests in Rust [ARGS='name of a test']
	$(BUILD)
	$(CARGO) test --workspace --locked $(ARGS)
	$(CARGO) test --package codex-pooler --test it --locked -- --ignored --test-threads 1 memory::

.PHONY: test-crate
test-crate: deps-build ## Runs the tests of one crate [CRATE=pooler-filter-auth ARGS='name of a test']
	$(CARGO) test --package $(CRATE) --locked $(ARGS)

.PHONY: test-clients
test-clients: deps-build deps-clients ## Runs the real clients in tests/clients against the demo
	$(BUILD)
	for run in tests/clients/*/run; do CODEX_POOLER_BIN='$(BIN)' "$$run"; done

.PHONY: crash
crash: deps-build ## Kills the gateway and cuts the power of its store again and again [R=20 CUTS=24]
	$(BUILD)
	CODEX_POOLER_KILLS=$(or $(R),20) $(CARGO) test --locked --test it -- --nocapture crash::
	tests/powercut/run --cuts $(or $(CUTS),$(R),24)

.PHONY: soak
soak: deps-build ## Load with faults for half an hour, then 500 kills: nothing grows, nothing is lost [S=60 R=20 ARGS='--seed 7']
	$(CARGO) bench --quiet --locked --bench soak -- --seconds $(or $(S),1800) $(ARGS)
	$(MAKE) crash R=$(or $(R),500)

.PHONY: fuzz
fuzz: deps-build ## Feeds a parser noise for some seconds; without T lists what there is [T=sse S=60]
	@.ci/fuzz '$(T)' '$(or $(S),60)' $(ARGS)

.PHONY: conf
conf: deps-build ## Checks every file in conf/ as a start does, but for certificates, which are not there
	$(BUILD)
	for file in conf/*.toml; do '$(BIN)' check --without-certificates --config "$$file"; done

.PHONY: bench
bench: deps-build ## Measures, each figure beside its baseline and its target [ARGS='--rounds 3 --seconds 1']
	$(CARGO) bench --quiet --locked --bench end_to_end -- $(ARGS)
	for bench in edge websocket upload; do $(CARGO) bench --quiet --locked --bench "$$bench" -- --rows $(ARGS); done
	for bench in rewrite frames chain; do $(CARGO) bench --quiet --locked --bench "$$bench" -- --rows; done

.PHONY: bench-build
bench-build: deps-build ## Compiles the benches, unoptimised
	$(CARGO) bench --workspace --locked --no-run --profile dev

##@ Code

.PHONY: check
check: deps-build ## Compiles everything without making programs of it: the fastest answer
	$(CARGO) check --workspace --all-targets --locked

.PHONY: fmt
fmt: ## Formats the code
	$(CARGO) fmt --all
	$(CARGO) fmt --all --manifest-path tests/custom_binary/Cargo.toml

.PHONY: fmt-check
fmt-check: ## Checks the format of the code
	$(CARGO) fmt --all --check
	$(CARGO) fmt --all --check --manifest-path tests/custom_binary/Cargo.toml

.PHONY: clippy
clippy: deps-build ## Runs clippy; a warning is an error
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

.PHONY: lint
lint: fmt-check clippy ## Checks format and lints

.PHONY: doc
doc: deps-build ## Builds the documentation of all crates; a warning is an error
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked

.PHONY: deny
deny: deps-build ## Checks licences, sources, bans and advisories of the dependencies
	.ci/deny

.PHONY: ci
ci: ## Runs everything that has to be green before a change lands
	.ci/run

##@ Prepare

.PHONY: deps
deps: deps-build deps-clients ## Installs what is missing to build and test, where this is root; else says what is missing

.PHONY: deps-build
deps-build:
	@.ci/deps build

.PHONY: deps-clients
deps-clients:
	@.ci/deps clients

.PHONY: clean
clean: ## Removes what was built, also the clients and tools in .cache
	$(CARGO) clean
	rm -rf .cache tests/clients/*/node_modules

.PHONY: help
help: ## Shows this list
	@awk 'BEGIN { FS = ":.*## " } \
	    /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	    /^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
