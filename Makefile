# Two commands do everything on a machine with Python 3.11 or 3.12 and make: `make demo`, `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SPEC := pipelines/citibike.yaml

.PHONY: demo install check test benchmark format clean

demo: install
	$(BIN)/snowpipe-ml run $(SPEC) --target demo
	@echo; echo "The next days, at the busiest stations:"
	@$(BIN)/snowpipe-ml sql $(SPEC) --target demo "SELECT DATE, STATION_ID, STATION_NAME, ROUND(FORECAST, 1) AS FORECAST, TEMP, PRECIP \
	  FROM FLAT_FORECAST JOIN STATION_NAMES USING (STATION_ID) \
	  QUALIFY ROW_NUMBER() OVER (PARTITION BY DATE ORDER BY FORECAST DESC) <= 3 ORDER BY DATE, FORECAST DESC LIMIT 12"
	@echo; echo "Errors on the last fifth of each history, beside the seasonal-naive baseline (lag 7):"
	@$(BIN)/snowpipe-ml sql $(SPEC) --target demo "SELECT STATION_ID, DAYS, ROUND(RMSE, 2) AS RMSE, ROUND(BASELINE_RMSE, 2) AS BASELINE_RMSE, \
	  ROUND(MAE, 2) AS MAE, ROUND(BASELINE_MAE, 2) AS BASELINE_MAE, ROUND(SMAPE, 1) AS SMAPE, ROUND(R2, 2) AS R2 \
	  FROM METRICS QUALIFY RANK() OVER (ORDER BY RUN_ID DESC) = 1 ORDER BY RMSE / BASELINE_RMSE"

install: $(VENV)/.installed

# torch comes first: this version is a small build for the CPU, and whatever else needs torch is then content.
$(VENV)/.installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[local,forecast,dev]'
	touch $@

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/snowpipe-ml schema --check

test: install
	$(BIN)/python -m pytest

benchmark: install
	$(BIN)/python benchmarks/citibike.py

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build *.egg-info pipelines/.snowpipe .mypy_cache .ruff_cache .import_linter_cache .hypothesis
