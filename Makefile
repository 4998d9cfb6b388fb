# Each target builds .venv in the checkout first. PYTHON=python3.12 chooses the interpreter.
SHELL := /bin/bash
PYTHON ?=
export PYTHON
BIN := $(CURDIR)/.venv/bin
CORES ?= all
# Tests wait as much as they compute; the long ones of the workflow begin first.
PROCESSES ?= 2

.PHONY: help environment demo test test-slurm faults bench profiles lint format steps lock docs clean

help:
	@echo "make environment   build .venv from the lock, and nothing else"
	@echo "make demo          a simulated survey from images to the ranked catalogue, in minutes, without data"
	@echo "make test          all tests"
	@echo "make test-slurm    the whole chain on a real SLURM that is started for it (root on Debian 12)"
	@echo "make faults        the faults that take minutes as well, and the table of what was lost (root)"
	@echo "make bench         ratios beside what people use and beside the limit, in 15 minutes"
	@echo "make profiles      link profiles/ into your Snakemake configuration, for snakemake --profile slurm"
	@echo "make lint          ruff, snakefmt, mypy and snakemake --lint"
	@echo "make steps         record the code of the steps, once their versions are right (workflow/lensrank/steps.py)"
	@echo "make docs          write config/README.md and config/schema.json anew from the code"
	@echo "make lock          resolve the dependencies anew (needs uv)"

environment:
	@envs/build.sh

demo: environment
	@$(BIN)/snakemake --workflow-profile profiles/local --cores $(CORES) --configfile config/demo.yaml

test: environment
	@$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder

test-slurm: environment
	@$(BIN)/python -m pytest tests/slurm -m "not faults"

faults: environment
	@LENSRANK_ALL_FAULTS=1 $(BIN)/python -m pytest tests/faults tests/slurm/test_faults.py tests/slurm/test_sites.py -m "" -v

bench: environment
	@$(BIN)/python benchmarks/run.py $(BENCH)

profiles: environment
	@$(BIN)/python scripts/link_profiles.py profiles

lint: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/snakemake --lint --configfile config/demo.yaml

format: environment
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

docs: environment
	$(BIN)/python scripts/document_config.py --readme config/README.md --schema config/schema.json

steps: environment
	PYTHONPATH=tests $(BIN)/python tests/stepsources.py

lock:
	uv pip compile pyproject.toml --extra develop --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --custom-compile-command "make lock" --quiet --output-file envs/cpu.lock
	uv pip compile pyproject.toml --extra develop --extra gpu --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --custom-compile-command "make lock" --quiet --output-file envs/gpu.lock

clean:
	rm -rf .venv .snakemake results/demo
