# The same commands for people and for CI. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
CARGO ?= cargo

export ORT_DYLIB_PATH ?= $(CURDIR)/.cache/onnxruntime/libonnxruntime.so

.PHONY: help rust setup demo build test lint fmt bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

rust:
	@command -v $(CARGO) >/dev/null || { echo "Rust is missing: install it with rustup (stable, 1.92 or newer), then start again" >&2; exit 1; }

setup: rust ## install what building, testing and the demo need (says what, before it does)
	@scripts/setup.sh

build: setup ## build the release binary
	$(CARGO) build --release --locked

demo: setup ## watch a street: English sentences about real footage, a few minutes from now
	@echo "demo: building Eyewitness; the first time takes a few minutes" >&2
	@$(CARGO) build --release --locked
	@target/release/eyewitness demo $(ARGS)

test: setup ## run all tests
	$(CARGO) test --locked --no-fail-fast

lint: setup ## check formatting and lints, warnings denied
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- --deny warnings

fmt: ## format the code
	$(CARGO) fmt

bench: setup ## run the benchmarks (release build; figures and what they mean: docs/performance.md)
	$(CARGO) bench --locked

clean: ## remove what was built and fetched
	$(CARGO) clean
	rm -rf .cache
