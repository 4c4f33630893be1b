# Requires Python 3.11, 3.12 or 3.13. Main targets: `make demo`, `make dashboard`, `make demo-insurance`, `make check`, `make test`, `make test-slow`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SPEC := pipelines/citibike.yaml
# One process more than there are cores: tests also wait, for other processes and for the disk.
# Compiled modules are kept, also where the environment says otherwise, as in many container images: each process that a
# test starts would compile the package again.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses $(shell $(PYTHON) -c 'import os; print(os.cpu_count() + 1)') --dist loadfile

comma := ,

.PHONY: demo dashboard demo-insurance install parity lock audit sbom check test test-slow test-lowest test-integrations stress test-stress fuzz coverage docs benchmark format clean

demo: install
	$(BIN)/snowpipe-ml run $(SPEC) --target demo
	@echo; echo "Forecasts for the busiest stations:"
	@$(BIN)/snowpipe-ml sql $(SPEC) --target demo "SELECT DATE, STATION_ID, STATION_NAME, ROUND(FORECAST, 1) AS FORECAST, TEMP, PRECIP \
	  FROM FLAT_FORECAST JOIN STATION_NAMES USING (STATION_ID) \
	  QUALIFY ROW_NUMBER() OVER (PARTITION BY DATE ORDER BY FORECAST DESC) <= 3 ORDER BY DATE, FORECAST DESC LIMIT 12"
	@echo; echo "Errors on the last fifth of each history, compared with the seasonal-naive baseline (lag 7):"
	@$(BIN)/snowpipe-ml sql $(SPEC) --target demo "SELECT STATION_ID, DAYS, ROUND(RMSE, 2) AS RMSE, ROUND(BASELINE_RMSE, 2) AS BASELINE_RMSE, \
	  ROUND(MAE, 2) AS MAE, ROUND(BASELINE_MAE, 2) AS BASELINE_MAE, ROUND(SMAPE, 1) AS SMAPE, ROUND(R2, 2) AS R2 \
	  FROM METRICS QUALIFY RANK() OVER (ORDER BY RUN_ID DESC) = 1 ORDER BY RMSE / BASELINE_RMSE"
	@echo; echo "Look at it in a browser:  make dashboard"

# Shows the demo's forecasts, models and runs in a browser, until Ctrl-C.
dashboard: install
	$(BIN)/snowpipe-ml dashboard $(SPEC) --target demo

INSURANCE := pipelines/insurance_autogluon.yaml
ROW := 19, 'female', 27.9, 0, 'yes', 'southwest'

demo-insurance: install
	$(BIN)/snowpipe-ml packages $(INSURANCE)
	$(BIN)/snowpipe-ml run $(INSURANCE)
	@echo; echo "Errors on the held-out rows, compared with the standard deviation of the target:"
	@$(BIN)/snowpipe-ml sql $(INSURANCE) "SELECT ROW_COUNT, ROUND(RMSE) AS RMSE, ROUND(ACTUAL_STDDEV) AS ACTUAL_STDDEV, \
	  ROUND(RMSE / ACTUAL_STDDEV, 3) AS RATIO, ROUND(MAE) AS MAE, ROUND(R2, 3) AS R2 \
	  FROM INSURANCE_METRICS QUALIFY RANK() OVER (ORDER BY RUN_ID DESC) = 1"
	@echo; echo "The candidate models (higher scores are better):"
	@$(BIN)/snowpipe-ml sql $(INSURANCE) "SELECT MODEL, METRIC, ROUND(SCORE_VALIDATION) AS SCORE_VALIDATION, ROUND(FIT_SECONDS, 1) AS FIT_SECONDS \
	  FROM INSURANCE_LEADERBOARD ORDER BY SCORE_VALIDATION DESC"
	@echo; echo "A prediction for one row, from one argument per feature and from an array:"
	@$(BIN)/snowpipe-ml sql $(INSURANCE) "SELECT PREDICT_CHARGES($(ROW)) AS CHARGES, PREDICT_CHARGES(ARRAY_CONSTRUCT($(ROW))) AS FROM_ARRAY"

install: $(VENV)/.installed

EXTRAS := local,geo,forecast,plots,dashboard,automl,packages,openlineage,dev

# Install torch first: this version is a small CPU build, and it satisfies all other packages that need torch.
$(VENV)/.installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS)]'
	touch $@

# The versions with which the tests run, for all Python versions and platforms; `make lock UPGRADE=--upgrade` takes newer ones.
lock: install
	$(BIN)/uv pip compile setup.cfg --quiet --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate \
	  $(UPGRADE) $(foreach extra,$(subst $(comma), ,$(EXTRAS)),--extra $(extra)) --output-file constraints.txt

# The tests with the oldest versions that setup.cfg allows, in an environment of its own.
test-lowest: install
	mkdir -p build
	$(BIN)/uv pip compile setup.cfg --quiet --resolution lowest-direct --python-version 3.11 --no-emit-index-url --no-header \
	  --no-annotate $(foreach extra,$(subst $(comma), ,$(EXTRAS)),--extra $(extra)) --output-file build/lowest.txt
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/lowest
	$(BIN)/uv pip install --quiet --python build/lowest/bin/python torch==2.13.0
	$(BIN)/uv pip install --quiet --python build/lowest/bin/python --constraint build/lowest.txt --editable '.[$(EXTRAS)]'
	build/lowest/bin/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

# Asks PyPI for known vulnerabilities of these versions.
audit: install
	$(BIN)/uv tool run pip-audit --requirement constraints.txt --no-deps --disable-pip

# What the release is made of, in the format of CycloneDX.
sbom: install
	mkdir -p build
	$(BIN)/uv tool run --from cyclonedx-bom cyclonedx-py requirements constraints.txt --output-format JSON --output-file build/sbom.json

parity: install
	$(BIN)/python -m tests.documented.parity

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/snowpipe-ml schema --check --reference docs/reference.md --errors docs/errors.md

test: install
	$(PYTEST) --no-loadscope-reorder

# Whole pipelines on real archives, repeated kills, and steps in separate processes.
test-slow: install
	$(PYTEST) --no-loadscope-reorder -m 'slow and not stress and not integrations'

# Makes an environment for each orchestrator, in the user's cache folder, if it is not there yet.
test-integrations: install
	$(PYTEST) -m 'integrations and not stress'

stress: install
	$(PYTEST) -m 'stress and not integrations'

test-stress: stress

# Random statements, requests to `serve` and archives, for SECONDS in total; prints those that fail with a traceback, in
# foreign words, or without an answer.
SEED ?= 1
SECONDS ?= 60
fuzz: install
	$(BIN)/python -m tests.fuzz --seed $(SEED) --seconds $(SECONDS)

# The tests with coverage.py, in all processes: see tests/coverage/sitecustomize.py. It fails if a folder is
# covered less than tests/coverage/report.py requires.
coverage: install
	rm -f .coverage .coverage.* .coverage-worker.*
	PYTHONPATH=$(CURDIR)/tests/coverage$(if $(PYTHONPATH),:$(PYTHONPATH)) $(PYTEST) --no-loadscope-reorder -m 'not stress and not integrations'
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python tests/coverage/report.py

# The site of docs/, in build/site. It fails for a page, a link or a heading that does not exist.
docs: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir build/site

benchmark: install
	$(BIN)/python benchmarks/citibike.py

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build .coverage .coverage.* .coverage-worker.* *.egg-info pipelines/.snowpipe .mypy_cache .ruff_cache .import_linter_cache .hypothesis
