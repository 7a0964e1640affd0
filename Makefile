# make run and make test are all one needs; make help lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help
.PHONY: help run test check migration messages bench pictures surface clean

$(VENV)/run.stamp: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/test.stamp: requirements-test.txt $(VENV)/run.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-test.txt
	@touch $@

run: $(VENV)/run.stamp ## Prepare everything, then run web server and worker until Ctrl-C
	@exec $(BIN)/python run.py up

test: $(VENV)/test.stamp ## The whole suite, on SQLite and PostgreSQL; browser tests need a Chromium
	@$(BIN)/python -m translations.catalog compile
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(VENV)/test.stamp ## Style, types, declarations, translations, one migration head
	@$(BIN)/python -m translations.catalog compile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python run.py check
	$(BIN)/python -m translations.catalog check
	$(BIN)/python -m migrations.tool check

migration: $(VENV)/run.stamp ## Write a migration for what changed in models/: make migration m="Add halls"
	@test -n "$(m)" || { echo 'say what changes: make migration m="Add halls"'; exit 2; }
	$(BIN)/python -m migrations.tool new "$(m)"

messages: $(VENV)/run.stamp ## Collect messages into translations/ and compile them
	$(BIN)/python -m translations.catalog update
	$(BIN)/python -m translations.catalog compile

bench: $(VENV)/test.stamp ## Our pages beside stock flask-appbuilder and Django admin on the same 100,000 rows
	@$(BIN)/python -m translations.catalog compile
	$(BIN)/python -m benchmarks.run

pictures: $(VENV)/test.stamp ## Take the pictures of docs/pictures anew (needs a Chromium)
	@$(BIN)/python -m translations.catalog compile
	$(BIN)/python -m tests.pictures

surface: $(VENV)/test.stamp ## Write tests/surface.txt anew: routes, columns and grants, as the code has them now
	$(BIN)/python -m tests.surface

clean: ## Remove what was made here, but for the data in instance/
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## This list
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
