# `make help` says what there is. Everything a target needs is installed into .tools/ and .venv/, from
# requirements.lock; nothing outside this folder is changed.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GOAL ?= What is 17 * 23?
TOX_ARGS ?=
ROUNDS ?= 3

# Never fetch an interpreter, and let nobody's active environment be the one that is installed into.
export UV_PYTHON_DOWNLOADS := never
unexport VIRTUAL_ENV CONDA_PREFIX PYTHONPATH PYTHONHOME

uv := .tools/bin/uv
# On a terminal uv shows what it downloads; elsewhere its list of packages would bury the rest.
quiet = $$([ -t 2 ] || echo --quiet)
locked := -c requirements.lock -b requirements.lock
inputs := requirements.lock pyproject.toml agentkit/pyproject.toml ops-core/pyproject.toml
pick_python = $$(for v in 11 12 13 14; do p=.tools/python/python3.$$v; [ -x $$p ] && echo "$$PWD/$$p" && break; done)

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' Makefile
	@echo '  Another goal for the demo: make demo GOAL="What day is it?"'
	@echo '  Other rounds than three of a benchmark: make bench ROUNDS=1'

.PHONY: demo
demo: export DEMO_GOAL = $(value GOAL)
demo: .venv/demo.stamp ## Set up what is needed, run one agent task and show it
	@.venv/bin/opspawn demo "$$DEMO_GOAL"

.PHONY: test
test: .tools/tox.stamp ## Run every check and every tier of tests (tox)
	@tools/say-pythons.sh
	@PATH="$$PWD/.tools/python:$$PATH" .tools/tox/bin/tox run $(TOX_ARGS)

.PHONY: lint
lint: .tools/tox.stamp ## Run format, lint, types, import contracts and generated code only
	@PATH="$$PWD/.tools/python:$$PATH" .tools/tox/bin/tox run -e lint,types,contracts,proto-check

.PHONY: bench
bench: .venv/bench.stamp ## Measure all that Opspawn is held to, beside peers, in 15 minutes; one table at the end
	@.venv/bin/python benchmarks/bench.py --rounds $(ROUNDS)

.PHONY: bench-throughput
bench-throughput: .venv/bench.stamp ## Measure steps, latency, submits and agents beside peers, and `opspawn up`
	@.venv/bin/python benchmarks/reach.py --rounds $(ROUNDS)

.PHONY: bench-reliability
bench-reliability: .venv/bench.stamp ## Measure how soon faults are healed, and what durability costs
	@.venv/bin/python benchmarks/reliability.py

.PHONY: bench-agentkit
bench-agentkit: .venv/bench.stamp ## Measure the agent loop beside its peers, and a thousand agents at once
	@.venv/bin/python benchmarks/agent_loop.py --rounds $(ROUNDS)

.PHONY: bench-footprint
bench-footprint: .venv/bench.stamp ## Measure what an idle Opspawn holds, and how soon it is ready
	@.venv/bin/python benchmarks/footprint.py --rounds $(ROUNDS)

.PHONY: bench-streams
bench-streams: .venv/bench.stamp ## Measure what idle streams cost, and how soon an event is with its clients
	@.venv/bin/python benchmarks/streams.py

.PHONY: bench-doors
bench-doors: .venv/bench.stamp ## Measure submit and get per API process, beside the least that could be done
	@.venv/bin/python benchmarks/doors.py --rounds $(ROUNDS)

.PHONY: bench-waiting
bench-waiting: .venv/bench.stamp ## Measure what agents that wait for models cost a worker, and how soon they go on
	@.venv/bin/python benchmarks/waiting.py --rounds $(ROUNDS)

.PHONY: lock
lock: .tools/uv.stamp ## Write requirements.lock again (make lock UPGRADE=1: newest versions)
	@PATH="$$PWD/.tools/bin:$$PATH" "$(pick_python)" tools/lock.py $(if $(UPGRADE),--upgrade)

.PHONY: clean
clean: ## Delete what these targets installed or built (data in .opspawn stays)
	rm -rf .venv .tools .tox dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.tools/uv.stamp: requirements.lock tools/bootstrap.sh
	@tools/bootstrap.sh
	@touch $@

.venv/demo.stamp: $(inputs) | .tools/uv.stamp
	@[ -x .venv/bin/python ] && .venv/bin/python -c '' 2>/dev/null || \
	  { echo "→ making .venv with Python from $$(readlink $(pick_python))"; $(uv) venv --quiet --clear --python "$(pick_python)" .venv; }
	@echo "→ installing the locked dependencies into .venv (about 400 MB, the demo's model among them)"
	@$(uv) pip install $(quiet) --python .venv $(locked) -e '.[local]' -e agentkit -e ops-core
	@tools/system-libraries.sh
	@touch $@

.venv/bench.stamp: .venv/demo.stamp
	@echo "→ installing what the benchmarks need into .venv"
	@$(uv) pip install $(quiet) --python .venv $(locked) --group test
	@touch $@

.tools/tox.stamp: requirements.lock | .tools/uv.stamp
	@echo "→ installing tox into .tools"
	@$(uv) venv --quiet --clear --python "$(pick_python)" .tools/tox
	@$(uv) pip install $(quiet) --python .tools/tox $(locked) tox tox-uv
	@touch $@
