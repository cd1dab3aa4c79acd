# `make demo` and `make test` need Rust and access to the package registries. They install everything else.

STEP := .ci/step
HOST := target/debug/narrowboat
TALK := target/debug/narrowboat talk
PLUGINS := echo broadcast group
MEASURED := plugins/echo plugins/broadcast plugins/group tests/guests/herald tests/guests/misbehave tests/guests/traveller
DEMO := ws://127.0.0.1:8000

.PHONY: help demo test test-tools test-programs test-python-runtime test-models-and-components runtimes book conformance fuzz soak lint bench layer-bench source-bench swap-bench room-bench keyvalue-bench keyvalue-kills deny wasm-target

help:
	@echo 'make demo         build the host, serve plugins in Rust and Python on 127.0.0.1:8000, rebuild after changes'
	@echo 'make test         run all tests'
	@echo 'make runtimes     build the runtime of Python plugins; builds of the host do it too'
	@echo 'make book         build the documentation as HTML in target/book'
	@echo 'make conformance  run only the WebSocket conformance suite, against the echo plugin'
	@echo 'make soak         run two mixed loads for MINUTES each (default 5)'
	@echo 'make fuzz         test the parsers with random and damaged input (CASES, default 1000000)'
	@echo 'make lint         run clippy and build the API documentation, with warnings denied'
	@echo 'make bench        compare with Bun, gorilla, ws and Channels, an hour (BENCH=--quick: minutes)'
	@echo 'make layer-bench  measure messages between two hosts over Redis, and compare with channels_redis'
	@echo 'make source-bench measure source plugins in each language, some minutes'
	@echo 'make swap-bench   measure swaps under 8000 connections, about ten minutes'
	@echo 'make room-bench   measure rooms and hibernation, about five minutes'
	@echo 'make keyvalue-bench  measure the key-value store in a file beside SQLite, three minutes'
	@echo 'make keyvalue-kills  kill a process that writes to the store KILLS times (default 1000)'
	@echo 'make deny         check licences, bans and sources of the dependencies (needs cargo-deny)'

wasm-target:
	@$(STEP) "installing a Rust target for WebAssembly (seconds with rustup; otherwise about two minutes, once)" \
		.ci/wasm-target.sh

runtimes:
	@$(STEP) "building the runtime of Python plugins (about half a minute, once)" \
		python3 runtimes/python/image.py --cache target/runtimes
	@$(STEP) "building the runtime of JavaScript plugins (about two minutes, once)" \
		python3 runtimes/javascript/image.py --cache target/runtimes

demo: wasm-target
	@$(STEP) "building the host (about seven minutes the first time, on two cores)" \
		cargo build --package narrowboat
	@echo
	@echo 'The host builds the plugins in Rust and compiles the runtimes of Python and JavaScript (seconds, once). Open'
	@echo 'this page in a browser, in as many tabs as you like:'
	@echo '  http://127.0.0.1:8000/                for messages, or'
	@echo '  http://127.0.0.1:8000/demo/drawing    to draw together'
	@echo 'Or run these commands in other terminals:'
	@echo '  $(TALK) $(DEMO)/echo/         the host sends each line back'
	@echo '  $(TALK) $(DEMO)/broadcast/    the host sends each line to all clients'
	@echo '  $(TALK) $(DEMO)/group/red/    the host sends each line to all clients in the room red'
	@echo '  $(TALK) $(DEMO)/python/group/red/        the same in Python'
	@echo '  $(TALK) $(DEMO)/javascript/group/red/    the same in JavaScript'
	@echo 'Change plugins/python/echo/consumers.py, on the page or elsewhere: the open connections get the new code at once.'
	@echo 'Change plugins/echo/src/lib.rs: they get it in a second or two.'
	@echo 'The routes are in narrowboat.toml. Press Ctrl-C to stop.'
	@echo
	@$(HOST) dev

# The tools of the tests are installed while the compiler works.
test: wasm-target
	@$(MAKE) --no-print-directory --jobs=2 test-tools test-programs
	@$(STEP) "running the Rust tests (seconds)" cargo test --workspace
	@$(MAKE) --no-print-directory --jobs=2 test-python-runtime test-models-and-components
	@$(STEP) "running the end-to-end tests, four files at a time (about ten minutes)" \
		target/venv/bin/python -m pytest tests/e2e -m 'not alone' --numprocesses 4 --dist loadfile \
			--no-loadscope-reorder
	@$(STEP) "running the end-to-end tests that measure time or memory (about three minutes)" \
		target/venv/bin/python -m pytest tests/e2e -m alone

test-tools:
	@$(STEP) "installing Python packages: a WebSocket client and Django Channels (about 20 s, once)" .ci/python-tests.sh
	@$(STEP) "installing Redis (seconds, once)" .ci/redis.sh
	@$(STEP) "installing curl, systemd-analyze, Prometheus, nginx and HAProxy (seconds, once)" .ci/tools.sh
	@$(STEP) "installing the TypeScript compiler (seconds, once)" .ci/typescript.sh
	@$(STEP) "installing browsers for the tests of the demo page (a minute or two, once)" .ci/browser.sh

# Most of these tests use one core, and so do most of the next ones: they run side by side.
test-python-runtime:
	@$(STEP) "running the tests of the Python runtime (about a minute)" \
		target/venv/bin/python -m pytest --quiet runtimes/python/tests

test-models-and-components:
	@$(STEP) "running the loom models (about two minutes to build the first time, then half a minute)" \
		cargo test --package narrowboat-sync --features loom
	@$(STEP) "building the host without the features of the tests (seconds)" cargo build --package narrowboat
	@$(STEP) "building components of Python, JavaScript, C and Rust (about a minute and a half, once)" \
		.ci/foreign-guests.sh

test-programs:
	@$(STEP) "building the host and the Rust tests (about ten minutes the first time, on two cores)" \
		cargo test --workspace --no-run

book:
	@$(STEP) "installing mdBook (a minute or two, once)" .ci/book.sh
	@$(STEP) "building the book and checking its links" .ci/book.py
	@echo 'The first page is target/book/index.html'

conformance: wasm-target
	@$(STEP) "installing Python packages: the conformance suite (about 20 s, once)" .ci/python-tests.sh
	@$(STEP) "building the host (about seven minutes the first time, on two cores)" \
		cargo build --package narrowboat
	@$(STEP) "running 301 cases four times, and the cases of compression" \
		env ALL_CASES=1 target/venv/bin/python -m pytest tests/e2e/test_conformance.py

MINUTES ?= 5

soak: wasm-target
	@$(STEP) "installing Python packages: a WebSocket client and Django Channels (about 20 s, once)" .ci/python-tests.sh
	@$(STEP) "installing Redis (seconds, once)" .ci/redis.sh
	@$(STEP) "building the host (about seven minutes the first time, on two cores)" \
		cargo build --package narrowboat
	@$(STEP) "running mixed loads for $(MINUTES) minutes each" \
		env SOAK_MINUTES=$(MINUTES) target/venv/bin/python -m pytest tests/e2e/test_soak.py tests/e2e/test_room_soak.py

CASES ?= 1000000

fuzz:
	@$(STEP) "fuzzing the parsers of the websocket crate, $(CASES) cases each" \
		env PROPTEST_CASES=$(CASES) cargo test --package narrowboat-websocket --test fuzz
	@$(STEP) "fuzzing the message format of the Redis layers" \
		env PROPTEST_CASES=$(CASES) cargo test --package narrowboat-channels --lib redis_common::wire
	@$(STEP) "fuzzing the codec of WebSocket frames" \
		env PROPTEST_CASES=$(CASES) cargo test --package narrowboat-websocket --lib codec

lint:
	@$(STEP) "running clippy (about a minute the first time)" \
		cargo clippy --workspace --all-targets -- --deny warnings
	@$(STEP) "running clippy on the loom models (seconds)" \
		cargo clippy --package narrowboat-sync --features loom --all-targets -- --deny warnings
	@$(STEP) "checking the program without its optional features (half a minute the first time)" \
		cargo check --workspace --no-default-features
	@$(STEP) "building the API documentation (seconds)" \
		env RUSTDOCFLAGS='--deny warnings' cargo doc --workspace --no-deps

bench: wasm-target
	@$(STEP) "installing Python packages: Django Channels, uvicorn and daphne (about 30 s, once)" .ci/python-tests.sh
	@$(STEP) "installing Bun, ws for Node.js and gorilla for Go (a minute, once)" .ci/bench-peers.sh
	@$(STEP) "building the host and the benchmark, optimised (about ten minutes the first time)" \
		cargo build --profile release-no-lto --package narrowboat --package narrowboat-bench
	@$(STEP) "building the plugins (seconds)" \
		sh -c 'for plugin in $(MEASURED); do target/release-no-lto/narrowboat plugin build $$plugin; done'
	@target/release-no-lto/narrowboat-bench $(BENCH)

layer-bench: wasm-target
	@$(STEP) "installing Python packages: a WebSocket client and Django Channels (about 20 s, once)" .ci/python-tests.sh
	@$(STEP) "installing Redis (seconds, once)" .ci/redis.sh
	@$(STEP) "building the host and the benchmark, optimised (about ten minutes the first time)" \
		cargo build --profile release-no-lto --package narrowboat --package narrowboat-bench
	@$(STEP) "building the plugin (seconds)" \
		target/release-no-lto/narrowboat plugin build plugins/group
	@target/release-no-lto/narrowboat-bench layer

source-bench: wasm-target
	@$(STEP) "building the host and the benchmark, optimised (about ten minutes the first time)" \
		cargo build --profile release-no-lto --package narrowboat --package narrowboat-bench
	@target/release-no-lto/narrowboat-bench source $(BENCH)

swap-bench: wasm-target
	@$(STEP) "building the host and the benchmark, optimised (about ten minutes the first time)" \
		cargo build --profile release-no-lto --package narrowboat --package narrowboat-bench
	@$(STEP) "building the guest (seconds)" \
		target/release-no-lto/narrowboat plugin build tests/guests/traveller
	@target/release-no-lto/narrowboat-bench swap

room-bench: wasm-target
	@$(STEP) "building the host and the benchmark, optimised (about ten minutes the first time)" \
		cargo build --profile release-no-lto --package narrowboat --package narrowboat-bench
	@$(STEP) "building the guest (seconds)" \
		target/release-no-lto/narrowboat plugin build tests/guests/rooms
	@target/release-no-lto/narrowboat-bench rooms

keyvalue-bench:
	@$(STEP) "building the benchmark with SQLite, optimised (about three minutes the first time)" \
		cargo build --release --manifest-path tests/keyvalue-bench/Cargo.toml --target-dir target/keyvalue-bench
	@target/keyvalue-bench/release/narrowboat-keyvalue-bench target/keyvalue-bench

KILLS ?= 1000

keyvalue-kills:
	@$(STEP) "killing a process that writes, $(KILLS) times (about three minutes)" \
		env NARROWBOAT_KILLS=$(KILLS) cargo test --package narrowboat-keyvalue --test kills

deny:
	cargo deny check bans licenses sources
