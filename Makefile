# `make help` lists what there is to run. Everything is installed into .venv by the locked versions.

PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv pip
LOCK := uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11

# Without compiled bytecode every task of Airflow starts two to four times slower.
unexport PYTHONDONTWRITEBYTECODE
export AIRFLOW__CORE__LOAD_EXAMPLES := False

.DEFAULT_GOAL := help
.PHONY: help demo up install scale env dev test check lint types layers real programs promtool bench pictures lock clean

help: ## say what there is to run
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1	/' | expand -t 18

demo: install ## start everything on this machine with simulated markets, print the addresses
	@exec $(BIN)/tracker up --demo

up: install ## start everything against the real exchanges
	@exec $(BIN)/tracker up

install: .venv/.product ## make .venv with the locked versions

scale: .venv/.scale ## also install what PostgreSQL, Celery and Redis need (docs/scale-out.md)

env: ## make .env for docker-compose.yml, with random secrets; an .env that is there stays
	@test ! -e .env || { echo ".env is there already; remove it to make a new one"; exit 1; }
	@umask 077; random() { head -c 32 /dev/urandom | base64 | tr '+/' '-_'; }; \
	  while IFS= read -r line; do case "$$line" in \
	    *=RANDOM) echo "$${line%=*}=$$(random | tr -d '=')$$(random | tr -d '=')" ;; \
	    *=RANDOM_FERNET) echo "$${line%=*}=$$(random)" ;; \
	    *) printf '%s\n' "$$line" ;; esac; done < .env.example > .env
	@echo "made .env; the password of admin in Airflow is ADMIN_PASSWORD there"

dev: .venv/.dev programs ## also install what checks and tests need

test: dev ## run the tests (no network beyond loopback, no recorded data needed)
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not real_data" $(ARGS)

check: lint types layers test real ## what CI runs

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.dev
	$(BIN)/mypy

layers: .venv/.dev
	$(BIN)/lint-imports

real: .venv/.dev ## run the checks on recorded market data, in the folder named by TRACKER_REAL_DATA
	@test -d "$${TRACKER_REAL_DATA:?names the folder of recorded market data}" || { echo "no folder $$TRACKER_REAL_DATA"; exit 1; }
	$(BIN)/python -m pytest -m real_data $(ARGS)

bench: .venv/.bench ## print tables of speed and memory
	$(BIN)/python -m bench

pictures: .venv/.dev programs ## draw docs/images anew, from the simulated exchange
	$(BIN)/python -m bench.pictures

lock: .venv/.dev ## resolve requirements*.in anew into the lock files
	$(BIN)/$(LOCK) --upgrade requirements-build.in -o requirements-build.lock
	$(BIN)/$(LOCK) --upgrade requirements.in -o requirements.lock
	$(BIN)/$(LOCK) --upgrade requirements-scale.in -o requirements-scale.lock
	$(BIN)/$(LOCK) --upgrade requirements-dev.in -o requirements-dev.lock
	$(BIN)/$(LOCK) --upgrade requirements-bench.in -o requirements-bench.lock

clean: ## remove .venv and caches; data/ stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info

.venv/.uv: requirements-build.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "tracker needs Python 3.11 or newer: make PYTHON=python3.12 …"; exit 1; }
	@echo "making .venv …"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-build.lock
	@touch $@

.venv/.product: .venv/.uv requirements.lock pyproject.toml
	@echo "installing the locked packages …"
	@$(UV) install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements.lock
	@$(UV) install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.scale: .venv/.product requirements-scale.lock
	@echo "installing what more machines need …"
	@$(UV) install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements-scale.lock
	@touch $@

.venv/.dev: .venv/.scale requirements-dev.lock
	@echo "installing what checks and tests need …"
	@$(UV) install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements-dev.lock
	@touch $@

.venv/.bench: .venv/.dev requirements-bench.lock
	@echo "installing what benches compare with …"
	@$(UV) install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements-bench.lock
	@touch $@

programs: # from Debian: chromium for tests of pages; PostgreSQL, Redis and nginx for those of docker-compose.yml
	@missing=; for one in chromium:chromium redis-server:redis-server nginx:nginx-light wget:wget; do \
	    PATH="$$PATH:/usr/sbin" command -v "$${one%:*}" >/dev/null || missing="$$missing $${one#*:}"; done; \
	  ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$$missing postgresql"; \
	  test -z "$$missing" || { echo "installing$$missing …"; SUDO=; [ "$$(id -u)" = 0 ] || SUDO=sudo; \
	    $$SUDO apt-get update -qq && $$SUDO env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
	      apt-get install -y -qq --no-install-recommends $$missing >/dev/null; } \
	  || { echo "the tests need Debian's packages$$missing: install them"; exit 1; }

promtool: # Debian's prometheus, for bench.promtool_oracle: a second judge of alerts
	@command -v promtool >/dev/null || { echo "installing prometheus …"; \
	  SUDO=; [ "$$(id -u)" = 0 ] || SUDO=sudo; \
	  $$SUDO apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$SUDO apt-get install -y -qq --no-install-recommends prometheus >/dev/null; }
