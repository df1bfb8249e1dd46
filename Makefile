# make demo    install, train PLANE on the built-in shapes, test it, say where the pictures are
# make test    install, run the tests
# make parity  install, compare encoders and tokenizer with the oldest and the newest open_clip
# make lint    install, run ruff and mypy
# make bench   install, measure speed and memory (benchmarks/ has more, which need data)
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

OPEN_CLIPS ?= 2.24.0 3.*

.PHONY: demo test parity lint bench clean

demo: $(INSTALLED)
	$(BIN)/anomalib train --config configs/demo.yaml $(DEMO)

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

bench: $(INSTALLED_DEV)
	$(BIN)/python benchmarks/io_speed.py
	$(BIN)/python benchmarks/metrics_speed.py
	$(BIN)/python benchmarks/baselines_speed.py --picks 300

$(INSTALLED): pyproject.toml scripts/setup.sh
	scripts/setup.sh $(VENV)

$(INSTALLED_DEV): pyproject.toml scripts/setup.sh
	scripts/setup.sh $(VENV) dev

clean:
	rm -rf results/demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find plane_anomalib tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
