# `make demo` and `make test` need Rust and the package registries, and install the rest themselves.

STEP := .ci/step
HOST := target/debug/narrowboat
TALK := target/debug/narrowboat talk
PLUGINS := echo broadcast group
MEASURED := plugins/echo plugins/broadcast plugins/group tests/guests/herald tests/guests/misbehave tests/guests/traveller
DEMO := ws://127.0.0.1:8000

.PHONY: help demo test book conformance fuzz soak lint bench layer-bench swap-bench deny wasm-target

help:
	@echo 'make demo   build the host and three plugins, serve them on 127.0.0.1:8000, build what changes'
	@echo 'make test   all tests'
	@echo 'make book   the documents as a book of HTML, in target/book'
	@echo 'make conformance   the WebSocket conformance suite alone, through the echo plugin'
	@echo 'make soak   everything at once for so many MINUTES, 5 unless told otherwise'
	@echo 'make fuzz   what may be written, spoilt a million ways (CASES=…), at what reads it'
	@echo 'make lint   clippy and the documentation, warnings denied'
	@echo 'make bench  beside a bare tokio-tungstenite server, ws and Channels, half an hour (BENCH=--quick: minutes)'
	@echo 'make layer-bench  from one host to another over Redis, beside channels_redis'
	@echo 'make swap-bench   swaps under 8000 connections, about ten minutes'
	@echo 'make deny   licences, bans and sources of the dependencies (needs cargo-deny)'

wasm-target:
	@$(STEP) "a Rust target for WebAssembly (seconds with rustup; else about two minutes, once)" \
		.ci/wasm-target.sh

demo: wasm-target
	@$(STEP) "building the host (six to fourteen minutes the first time, on two cores)" \
		cargo build --package narrowboat
	@echo
	@echo 'Building three plugins (seconds), then serving them. Once it says that it is listening, open'
	@echo 'in a browser, in as many tabs as you like,'
	@echo '  http://127.0.0.1:8000/'
	@echo 'or type in another terminal, or in several,'
	@echo '  $(TALK) $(DEMO)/echo/         and each line comes back'
	@echo '  $(TALK) $(DEMO)/broadcast/    and each line goes to all who are there'
	@echo '  $(TALK) $(DEMO)/group/red/    and each line goes to all in the room red'
	@echo 'Change plugins/echo/src/lib.rs, and the open connections get the new code (a second or two).'
	@echo 'The routes are in narrowboat.toml. Ctrl-c stops.'
	@echo
	@$(HOST) dev

test: wasm-target
	@$(STEP) "Python with its WebSocket client and Django Channels (about 20 s, once)" .ci/python-tests.sh
	@$(STEP) "Redis (seconds, once)" .ci/redis.sh
	@$(STEP) "curl, systemd's check of units and Prometheus (seconds, once)" .ci/tools.sh
	@$(STEP) "a browser for the demo page (about a minute, once)" .ci/browser.sh
	@$(STEP) "building the host (six to fourteen minutes the first time, on two cores)" \
		cargo build --package narrowboat
	@$(STEP) "the tests in Rust (about three minutes to build the first time, seconds to run)" \
		cargo test --workspace
	@$(STEP) "every order of threads that are modelled (about two minutes to build the first time, then half a minute)" \
		cargo test --package narrowboat-sync --features loom
	@$(STEP) "building the host as it is served (seconds)" cargo build --package narrowboat
	@$(STEP) "the end-to-end tests (about ten minutes)" \
		target/venv/bin/python -m pytest tests/e2e

book:
	@$(STEP) "mdBook (a minute or two, once)" .ci/book.sh
	@$(STEP) "the book, and its links" .ci/book.py
	@echo 'target/book/index.html is its first page'

conformance: wasm-target
	@$(STEP) "Python with the suite (about 20 s, once)" .ci/python-tests.sh
	@$(STEP) "building the host (six to fourteen minutes the first time, on two cores)" \
		cargo build --package narrowboat
	@$(STEP) "301 cases four times, those of compression twice" target/venv/bin/python -m pytest tests/e2e/test_conformance.py

MINUTES ?= 5

soak: wasm-target
	@$(STEP) "Python with its WebSocket client and Django Channels (about 20 s, once)" .ci/python-tests.sh
	@$(STEP) "Redis (seconds, once)" .ci/redis.sh
	@$(STEP) "building the host (six to fourteen minutes the first time, on two cores)" \
		cargo build --package narrowboat
	@$(STEP) "everything at once for $(MINUTES) minutes" \
		env SOAK_MINUTES=$(MINUTES) target/venv/bin/python -m pytest tests/e2e/test_soak.py

CASES ?= 1000000

fuzz:
	@$(STEP) "whatever reads what others write, $(CASES) times each" \
		env PROPTEST_CASES=$(CASES) cargo test --package narrowboat-websocket --test fuzz
	@$(STEP) "the wire of the layers over Redis" \
		env PROPTEST_CASES=$(CASES) cargo test --package narrowboat-channels --lib redis::wire
	@$(STEP) "the frames of clients" \
		env PROPTEST_CASES=$(CASES) cargo test --package narrowboat-websocket --lib connection::incoming

lint:
	@$(STEP) "clippy (about a minute the first time)" \
		cargo clippy --workspace --all-targets -- --deny warnings
	@$(STEP) "clippy for the models (seconds)" \
		cargo clippy --package narrowboat-sync --features loom --all-targets -- --deny warnings
	@$(STEP) "the documentation (seconds)" \
		env RUSTDOCFLAGS='--deny warnings' cargo doc --workspace --no-deps

bench: wasm-target
	@$(STEP) "Python with Django Channels, uvicorn and daphne (about 30 s, once)" .ci/python-tests.sh
	@$(STEP) "Node's ws (seconds, once)" .ci/bench-peers.sh
	@$(STEP) "building the host and the bench, optimised (about ten minutes the first time)" \
		cargo build --profile release-no-lto --package narrowboat --package narrowboat-bench
	@$(STEP) "building the plugins (seconds)" \
		sh -c 'for plugin in $(MEASURED); do target/release-no-lto/narrowboat plugin build $$plugin; done'
	@target/release-no-lto/narrowboat-bench $(BENCH)

layer-bench: wasm-target
	@$(STEP) "Python with its WebSocket client and Django Channels (about 20 s, once)" .ci/python-tests.sh
	@$(STEP) "Redis (seconds, once)" .ci/redis.sh
	@$(STEP) "building the host and the bench, optimised (about ten minutes the first time)" \
		cargo build --profile release-no-lto --package narrowboat --package narrowboat-bench
	@$(STEP) "building the plugin (seconds)" \
		target/release-no-lto/narrowboat plugin build plugins/group
	@target/release-no-lto/narrowboat-bench layer

swap-bench: wasm-target
	@$(STEP) "building the host and the bench, optimised (about ten minutes the first time)" \
		cargo build --profile release-no-lto --package narrowboat --package narrowboat-bench
	@$(STEP) "building the guest (seconds)" \
		target/release-no-lto/narrowboat plugin build tests/guests/traveller
	@target/release-no-lto/narrowboat-bench swap

deny:
	cargo deny check bans licenses sources
