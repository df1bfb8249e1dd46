# make demo    install, train PLANE on the built-in shapes, test it, say where the pictures are
# make quick   install, run the tests that tell most: under two minutes on two cores
# make test    install, run all tests
# make parity  install, compare encoders and tokenizer with the oldest and the newest open_clip
# make lint    install, run ruff and mypy
# make bench   install, measure speed and memory (benchmarks/ has more, which need data)
# make docs    install, write the reference site into build/site
# make dist    install, write the wheel and the source archive into dist
# make clean   remove what tests, tools and the demo leave behind (the environment stays)
#
# Each works by itself on a fresh clone; a second call installs nothing. Options:
#   VENV=/path          use (or make) this environment instead of .venv
#   PYTHON=/path        the Python >= 3.11 for a new environment
#   TORCH_INDEX=...     a package index with CPU-only torch and torchvision (saves about 6 GB)
#   JOBS=4              processes for the tests
#   DEMO="..."          further arguments for the demo's `anomalib train`

VENV ?= .venv
JOBS ?= 2
DEMO ?=
export PYTHON TORCH_INDEX

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
INSTALLED_DOCS := $(VENV)/.installed-docs
INSTALLED_DIST := $(VENV)/.installed-dist

OPEN_CLIPS ?= 2.24.0 3.*

.PHONY: demo quick test parity lint docs dist bench clean

demo: $(INSTALLED)
	$(BIN)/anomalib train --config configs/demo.yaml $(DEMO)

quick: $(INSTALLED_DEV)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS) -m "not slow and not browser" --ignore tests/parity

test: $(INSTALLED_DEV)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS)

# Beside the environment, which keeps its own open_clip.
parity: $(INSTALLED_DEV)
	@set -e -f; for version in $(OPEN_CLIPS); do \
		folder="build/open_clip-$${version%%.*}"; \
		$(BIN)/python -m pip install --quiet --no-deps --upgrade --target "$$folder" \
			"open-clip-torch==$$version"; \
		echo "open_clip $$version"; \
		PYTHONPATH="$$folder" OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/parity; \
	done

lint: $(INSTALLED_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Strict: a link that leads nowhere, or a docstring that names what is not there, fails.
docs: $(INSTALLED_DOCS)
	mkdir -p build/pages
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The wheel is made from the source archive, so that neither holds what lies about here.
dist: $(INSTALLED_DIST)
	rm -rf dist
	$(BIN)/python -m build --no-isolation

bench: $(INSTALLED_DEV)
	$(BIN)/python benchmarks/io_speed.py
	$(BIN)/python benchmarks/metrics_speed.py
	$(BIN)/python benchmarks/baselines_speed.py --picks 300

$(INSTALLED): pyproject.toml scripts/setup.sh
	scripts/setup.sh $(VENV)

$(INSTALLED_DEV): pyproject.toml scripts/setup.sh
	scripts/setup.sh $(VENV) dev

$(INSTALLED_DOCS): pyproject.toml scripts/setup.sh
	scripts/setup.sh $(VENV) docs

$(INSTALLED_DIST): pyproject.toml scripts/setup.sh
	scripts/setup.sh $(VENV) dist

clean:
	rm -rf results/demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find plane_anomalib tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
