# The front door: each target is a line or two over CMake's presets and tools/, and installs what it needs first.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
export JOBS ?= $(shell nproc)
PREFIX ?= /usr/local

# What `make demo` passes on, for example: make demo DURATION=100s SCRIPT=attack.txt PORT=8080 ADMIN_PORT=9911
DEMO_FLAGS = $(if $(DURATION),--duration $(DURATION)) $(if $(SCRIPT),--script $(SCRIPT)) $(if $(PORT),--port $(PORT)) \
    $(if $(ADMIN_PORT),--admin-port $(ADMIN_PORT)) $(if $(NO_LOAD),--no-load) \
    $(if $(NO_UNGUARDED),--no-unguarded)

.PHONY: help demo test check sanitize explore instructions bench install

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' Makefile

demo: ## A small shop under attack, live in your browser (DURATION=100s SCRIPT=file PORT=8080 ADMIN_PORT=9911 NO_LOAD=1)
	@tools/install_packages.sh
	@tools/build.sh release resilience
	@build/release/bin/resilience demo $(DEMO_FLAGS)

test: ## Every test; ends with how many ran
	@tools/install_packages.sh check test
	@tools/build.sh dev
	@ctest --preset dev --parallel $(JOBS)

check: ## Format, layers, house rules, lint, documents and their code, headers alone, and the tests of these checks
	@tools/install_packages.sh check
	@python3 tools/check.py
	@cmake --preset lint --log-level=WARNING >/dev/null && python3 tools/check_lint.py build/lint
	@tools/build.sh dev all_verify_interface_header_sets documents
	@ctest --preset dev --tests-regex '^Documents\.' --parallel $(JOBS)
	@python3 tools/checks_test.py

sanitize: ## Every test under AddressSanitizer + UndefinedBehaviorSanitizer, then under ThreadSanitizer
	@tools/install_packages.sh sanitize test
	@for preset in asan tsan; do tools/build.sh $$preset; ctest --preset $$preset --parallel $(JOBS); done

explore: ## Every interleaving of small tests over the lock-free parts; mutants must be caught (PART=name)
	@tools/install_packages.sh
	@tools/build.sh release explore
	@build/release/bin/explore "$(PART)" | tee build/explored.txt
	@$(if $(PART),,python3 tools/check_explored.py build/explored.txt)

instructions: ## Instructions and allocations of every hot path against their ceilings
	@tools/install_packages.sh instructions
	@tools/build.sh release benches
	@python3 tools/instruction_gates.py --json build/counts.json
	@python3 tools/check_measured.py build/counts.json

bench: ## Tables beside the gates; results under build/bench/; fails when a gate is missed
	@tools/install_packages.sh instructions
	@tools/build.sh release benches
	@mkdir -p build/bench && python3 -u tools/run_benches.py | tee build/bench/tables.txt

install: ## Headers, libraries, CMake and pkg-config files and the program (PREFIX=/usr/local, DESTDIR)
	@tools/install_packages.sh
	@tools/build.sh release resilience
	@cmake --install build/release --prefix $(PREFIX)
