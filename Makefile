# Everything sets up what it needs: `make demo` and `make test` work on a fresh machine with Python 3.11 or later.
.PHONY: demo test lint run bench contract chaos chaos-migrate format lock before-after api-page settings-page metrics-table clean

demo: .venv/run.stamp
	.venv/bin/python scripts/demo.py

test: .venv/dev.stamp
	scripts/install-test-packages
	scripts/check

lint: .venv/dev.stamp
	scripts/check lint

run: .venv/run.stamp
	.venv/bin/pro-engine run

bench: .venv/dev.stamp .venv/bench.stamp
	scripts/install-test-packages bench
	.venv/bin/python -m bench

# What we rely on of a project: of the tests' own servers, or with SUPABASE_URL=… SUPABASE_ANON_KEY=…
# SUPABASE_SECRET_KEY=… of a hosted one.
contract: .venv/dev.stamp
	scripts/install-test-packages
	.venv/bin/python -m pytest -q tests/supabase/test_contract.py tests/migrate/test_contract.py

# 10,000 users and 200,000 logs moved to a project of the tests' own, while the mover is killed fifty times.
chaos-migrate: .venv/dev.stamp
	scripts/install-test-packages
	.venv/bin/python -m tests.migrate.chaos

# Every fault that a machine may meet, N times each, on real processes: N=100 takes about 40 minutes on two cores.
N ?= 5

chaos: .venv/dev.stamp
	.venv/bin/python -m tests.chaos --rounds $(N) $(if $(TABLE),--table $(TABLE))

format: .venv/dev.stamp
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

.venv/run.stamp: requirements/run.lock pyproject.toml scripts/setup
	scripts/setup run

.venv/dev.stamp: requirements/dev.lock pyproject.toml scripts/setup
	scripts/setup dev

.venv/bench.stamp: requirements/bench.lock .venv/dev.stamp
	scripts/setup bench

# Newer versions of everything, for all Python versions and platforms at once.
lock: .venv/dev.stamp
	scripts/lock

# What the docs say of the API, the settings and the metrics, from the code: a test fails where one is stale.
api-page: .venv/dev.stamp
	.venv/bin/python -m scripts.api_page

settings-page: .venv/dev.stamp
	.venv/bin/python -m scripts.settings_page

metrics-table: .venv/dev.stamp
	.venv/bin/python -m scripts.metrics_table

before-after: .venv/run.stamp
	.venv/bin/python scripts/before_after.py

clean:
	rm -rf .venv .demo .mypy_cache .pytest_cache .ruff_cache .hypothesis
