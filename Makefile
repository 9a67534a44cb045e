# `make` alone lists what there is. Names of programs and arguments can be given: make demo ARGS='--port 0'.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules
.NOTPARALLEL:

CARGO ?= cargo
ARGS ?=
CRATE ?= codex-pooler
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

.PHONY: test-crate
test-crate: deps-build ## Runs the tests of one crate [CRATE=pooler-filter-auth ARGS='name of a test']
	$(CARGO) test --package $(CRATE) --locked $(ARGS)

.PHONY: test-clients
test-clients: deps-build deps-clients ## Runs the real clients in tests/clients against the demo
	$(BUILD)
	for run in tests/clients/*/run; do CODEX_POOLER_BIN='$(BIN)' "$$run"; done

.PHONY: conf
conf: deps-build ## Checks every file in conf/ as a start does
	$(BUILD)
	for file in conf/*.toml; do '$(BIN)' check --config "$$file"; done

.PHONY: bench
bench: deps-build ## Measures, each figure beside its baseline [ARGS='--rounds 3 --seconds 1']
	$(CARGO) bench --quiet --locked --bench end_to_end -- $(ARGS)
	for bench in websocket upload; do $(CARGO) bench --quiet --locked --bench "$$bench" -- --rows $(ARGS); done
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
