# Every command a person needs. `make` lists them.

VENV ?= .venv
export VENV
# The first Python that is new enough, else python3, which install.py then refuses by its version.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$python"; exit; }; \
	done; echo python3)
RUN = $(VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help run backup restore bench-web bench-queue bench-reward bench-sft bench-ppo bench-gpu test test-quick fuzz screenshots lint loop clean installed installed-tests

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

run: installed ## install, start everything, print the address; Ctrl-C stops it
	@$(RUN) -m labeling.supervisor

backup: installed ## back up database and artifacts, also while it runs: make backup TO=folder
	@$(RUN) -m labeling.supervisor manage backup $(abspath $(or $(TO),$(error TO=folder says where)))

restore: installed ## bring a backup back into a new state: make restore FROM=folder
	@$(RUN) -m labeling.supervisor manage restore $(abspath $(or $(FROM),$(error FROM=folder says what)))

loop: installed ## one whole round, unattended, on a fresh state; SEED=1, SHUFFLE=1 (adds the control), BASE=tiny-t5
	@$(RUN) -m labeling.demo.loop $(if $(SEED),--seed $(SEED)) $(if $(SHUFFLE),--shuffle) $(if $(BASE),--base $(BASE))

proof: installed ## three seeds of the loop with controls, a T5's loop, PPO-ptx and over-optimisation, into docs/proof
	@$(RUN) -m benchmarks.proof $(OPTIONS)

bench-web: installed ## a web process: start under 3 s, memory under 150 MB after 200 pages, or it fails
	@$(RUN) -m benchmarks.web

bench-queue: installed ## what an annotation costs at 10,000 to 1,000,000 items; OPTIONS="--items 10000 …"
	@$(RUN) -m benchmarks.queue $(OPTIONS)

bench-reward: installed ## reward training's rankings a second, against TRL and without shared prompts; OPTIONS="--repeats 5 …"
	@$(RUN) -m benchmarks.reward $(OPTIONS)

bench-sft: installed ## SFT's response tokens a second, against TRL padded and length-grouped; OPTIONS="--repeats 5 …"
	@$(RUN) -m benchmarks.sft $(OPTIONS)

bench-ppo: installed ## PPO's episodes a second against the last TRL that had it; OPTIONS="--repeats 5 …"
	@$(RUN) -m benchmarks.ppo $(OPTIONS)

bench-gpu: installed ## on one CUDA GPU: SFT, reward and rollout in tokens a second, and what of the GPU they use
	@$(RUN) -m benchmarks.gpu $(OPTIONS)

test: installed-tests ## every test, those in Chromium included, by a process for each core
	@$(RUN) -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-quick: installed-tests ## the tests that take under a minute together
	@$(RUN) -m pytest -m "not slow"

fuzz: installed-tests ## thousands of odd requests to the API, in every role; CASES=50000 says how many
	@CASES=$(or $(CASES),50000) $(RUN) -m pytest -q -rP tests/api/test_fuzz.py

screenshots: installed-tests ## the pictures of docs/labelers.md, taken anew in Chromium
	@CI=true $(RUN) -m pytest -q tests/browser/screenshots.py

lint: installed-tests ## style, types, import contracts, missing migrations
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/ruff format --check
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(RUN) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

clean: ## remove caches; the state in var/ and the environment stay
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis test-results

installed:
	@$(PYTHON) install.py

installed-tests:
	@$(PYTHON) install.py --tests
