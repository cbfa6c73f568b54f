# The same commands for people and for CI. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
CARGO ?= cargo

export ORT_DYLIB_PATH ?= $(CURDIR)/.cache/onnxruntime/libonnxruntime.so

.PHONY: help rust setup demo build test torture outage soak fuzz fuzz-targets deny lint fmt bench bench-compare bench-peers trust gate-instructions deb deb-test deb-boot-test home-assistant-check clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-18s %s\n", $$1, $$2 }'

rust:
	@command -v $(CARGO) >/dev/null || { echo "Rust is missing: install it with rustup (stable, 1.92 or newer), then start again" >&2; exit 1; }

setup: rust ## install what building, testing and the demo need (says what, before it does)
	@scripts/setup.sh

build: setup ## build the release binary, target/release/eyewitness
	@[ -x target/release/eyewitness ] || echo "build: the first time takes a few minutes" >&2
	$(CARGO) build --release --locked
	@# Beside the program is where it looks for the library.
	@ln -sfn ../../.cache/onnxruntime/libonnxruntime.so target/release/libonnxruntime.so

demo: build ## watch a street: English sentences about real footage, a few minutes from now
	@target/release/eyewitness demo $(ARGS)

test: setup ## run all tests; says at the end what was skipped
	$(CARGO) test --locked --no-fail-fast
	@[ -f "$$EYEWITNESS_CLIPS/labels.json" ] || echo "skipped: recorded footage with ground truth (tests/clips.rs): EYEWITNESS_CLIPS names no folder with labels.json and its clips" >&2
	@[ -f "$$EYEWITNESS_LOOKALIKE/config.json" ] || echo "skipped: parity with a full-size model set (tests/model_parity.rs): EYEWITNESS_LOOKALIKE names no folder with one" >&2

fuzz: setup ## feed the gate far more random streams than `make test` does (PROPTEST_CASES, else 2000)
	PROPTEST_CASES=$${PROPTEST_CASES:-2000} $(CARGO) test --locked --release --test gate_accounting

fuzz-targets: setup ## feed what comes from outside with what nobody should send: eleven targets, SECONDS=600 each (nightly, cargo-fuzz)
	FUZZ_SECONDS=$(or $(SECONDS),600) scripts/fuzz.sh

deny: rust ## check the libraries: licences, versions, sources, known holes (deny.toml; needs cargo-deny)
	@scripts/deny.sh

RELEASE := $(CURDIR)/target/release/eyewitness

torture: build ## 1,000 kills and 200 broker outages under a stream of events, and an outage of an hour (docs/reliability.md)
	EYEWITNESS_BINARY=$(RELEASE) EYEWITNESS_TORTURE_ROUNDS=$${ROUNDS:-1000} EYEWITNESS_TORTURE_OUTAGES=$${OUTAGES:-100} \
	  EYEWITNESS_TORTURE_DAEMONS=$${DAEMONS:-50} $(CARGO) test --locked --test torture -- --nocapture
	$(CARGO) test --locked --test rtsp_ends -- --ignored
	@$(MAKE) --no-print-directory outage

outage: build ## how fast 10,000 events leave after an outage; how long the program takes to start and to stop
	EYEWITNESS_BINARY=$(RELEASE) EYEWITNESS_OUTAGE_EVENTS=$${EVENTS:-10000} $(CARGO) test --release --locked --test outage -- --include-ignored --nocapture --test-threads 1

soak: build ## hours of cameras, broker and config that come and go, watched for loss and growth (MINUTES=120; docs/reliability.md)
	EYEWITNESS_BINARY=$(RELEASE) EYEWITNESS_SOAK_MINUTES=$${MINUTES:-120} $(CARGO) test --locked --test soak -- --ignored --exact soak --nocapture

trust: setup ## what answers and sentences are worth on recorded footage, and what asking costs (EYEWITNESS_CLIPS; docs/trust.md)
	$(CARGO) test --release --locked --test trust -- --ignored --nocapture
	@[ -f "$$EYEWITNESS_CLIPS/labels.json" ] || echo "skipped: everything: EYEWITNESS_CLIPS names no folder with labels.json and its clips" >&2

lint: setup ## check formatting and lints, warnings denied
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- --deny warnings

fmt: ## format the code
	$(CARGO) fmt

bench: setup ## run the benchmarks (release build; figures and what they mean: docs/performance.md)
	$(CARGO) bench --locked

gate-instructions: setup ## count the gate's instructions per 1080p frame, and fail if they became more (needs valgrind)
	@benches/instructions.sh

.cache/python: scripts/setup.sh
	@echo "bench-compare: fetching the PyPI packages onnxruntime and numpy into .cache/python" >&2
	@python3 -m pip install --quiet --disable-pip-version-check --upgrade --target $@ onnxruntime==1.32.0 numpy==2.2.6
	@touch $@

bench-compare: setup .cache/python ## hold a description against a bare loop over the same sessions, in turns
	PYTHONPATH=.cache/python python3 benches/compare/bare_loop.py $(ARGS)

bench-peers: setup ## time to the first token against transformers, llama.cpp and usls (ARGS="--model DIR"; fetches 0.7 GB, builds for 15 minutes once)
	@python3 benches/compare/peers/install.py
	python3 benches/compare/peers.py $(ARGS)

deb: setup ## build the Debian package, target/debian/eyewitness_VERSION_ARCH.deb (ARCH=arm64: says what a cross build needs)
	@ARCH="$(ARCH)" scripts/deb.sh

deb-test: setup ## install, use, upgrade, remove and purge the package in a fresh Debian 12 in a folder (root; fetches 300 MB once)
	@scripts/deb-test.sh $(ARGS)

deb-boot-test: setup ## boot that folder in namespaces and test the service under a real systemd (root)
	@scripts/deb-boot-test.sh $(ARGS)

home-assistant-check: build ## show the daemon to a real Home Assistant in a folder, and look at what it makes of it (root, EYEWITNESS_CLIPS; fetches 1.5 GB once)
	@scripts/home-assistant-check.sh $(ARGS)

clean: ## remove what was built and fetched
	$(CARGO) clean
	rm -rf .cache
