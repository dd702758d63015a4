# What people do here, each in a line or two. The first use of a target installs what it needs into .venv:
# PYTHON names the Python (3.11 or newer) and PIP_FLAGS what pip is told, such as another index for torch.
PYTHON ?= python3
PIP_FLAGS ?=
PROMPT ?= a kangaroo made of cheese on the moon
RECIPE ?= vqgan_cpu
FLAGS ?=

# The sentence reaches the program through the environment, unread by make ($ is not expanded) and by the shell.
override PROMPT := $(value PROMPT)
export PROMPT

draw: .venv/core  # nine pictures of PROMPT
	@.venv/bin/nonette draw $(FLAGS) -- "$$PROMPT"

serve: .venv/serve  # the API and a worker, on this machine
	@.venv/bin/nonette serve $(FLAGS)

test: .venv/test  # the tests, without the slow ones and those that need a GPU; OpenVINO's in a process of their own
	.venv/bin/pytest $(FLAGS)
	.venv/bin/pytest $(FLAGS) -m openvino || [ $$? -eq 5 ]  # 5: FLAGS chose none of them

check: .venv/test types  # lint, format, types, imports
	.venv/bin/ruff check && .venv/bin/ruff format --check
	.venv/bin/mypy && .venv/bin/lint-imports

types:  # of the studio's modules, by TypeScript, which npx fetches
	npx --yes --package=typescript@7.0.2 tsc --project src/nonette/web/jsconfig.json

axe:  # the judge of the studio's accessibility, by npm; tests/web/test_axe.py asks it where it is there
	npm install --prefix .venv/npm --no-save --no-audit --no-fund --ignore-scripts axe-core@4.14.1

bench: .venv/test  # the benchmarks, one after the other
	set -e; for bench in benchmarks/bench_*.py; do .venv/bin/python $$bench; done

# On a CPU a third of a step goes into memory that glibc gives back and takes again page by page, unless told to keep it.
train: export MALLOC_MMAP_MAX_ = 0
train: export MALLOC_TRIM_THRESHOLD_ = 34359738368
train: export GLIBC_TUNABLES = glibc.malloc.hugetlb=1
train: .venv/core  # RECIPE, until it is done or interrupted; the same line goes on with it
	.venv/bin/nonette train $(RECIPE) $(FLAGS)

clean:  # everything that was installed or cached; runs/ stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

.venv/core: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install $(PIP_FLAGS) --constraint constraints.txt --editable .
	@touch $@

.venv/serve: .venv/core
	.venv/bin/python -m pip install $(PIP_FLAGS) --constraint constraints.txt --editable '.[serve]'
	@touch $@

.venv/test: .venv/core
	.venv/bin/python -m pip install $(PIP_FLAGS) --constraint constraints.txt --editable '.[test,serve,import]'
	@touch $@

.PHONY: draw serve test check types axe bench train clean
