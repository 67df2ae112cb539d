# SPDX-License-Identifier: GPL-3.0-or-later
# make up: the main job, on a fresh machine.   make test: everything.   make down: stop and remove the example.
.PHONY: up down test test-all lock lint lint-ansible lint-publish lint-rest site unit oldest-ansible newest-ansible newest-environment newest-unit images guests long darwin bench pictures release-notes bootstrap-up bootstrap-test bootstrap-long clean

BIN := .venv/bin
PLAYBOOK := $(BIN)/ansible-playbook -i examples/inventory.yml
# One lock for all the Pythons that are supported; ansible-test's own environments follow its own pinned lists.
LOCK := $(BIN)/uv pip compile -q pyproject.toml --group dev -c constraints.txt --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command 'make lock' --output-file requirements.txt
SHELL := /bin/bash
export ANSIBLE_NOCOWS := 1
# Ansible's programs call each other by name.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Without bytecode each ansible-playbook compiles Ansible first, which takes longer than most tests.
unexport PYTHONDONTWRITEBYTECODE

up: bootstrap-up
	$(PLAYBOOK) examples/site.yml

down: bootstrap-up
	$(PLAYBOOK) callao.lima.down -e lima_down=absent

test: bootstrap-test
	@began=$$SECONDS; \
	$(MAKE) --no-print-directory -j2 lint images && \
	$(MAKE) --no-print-directory guests && \
	$(MAKE) --no-print-directory -j2 newest-ansible newest-unit && \
	printf 'callao: all tests passed in %d minutes\n' $$(( (SECONDS - began + 59) / 60 ))

# Lanes: ansible-lint, which checks the syntax of each playbook by Ansible itself, takes as long as all the rest.
lint: bootstrap-test
	@$(MAKE) --no-print-directory -j2 --output-sync=target lint-ansible lint-rest lint-publish

lint-ansible:
	$(BIN)/ansible-lint

lint-rest:
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32
	$(BIN)/lint-imports
	shellcheck scripts/*.sh src/callao/cidata/scripts/*.sh src/callao/golden/*.sh src/callao/golden/first_boot/*.sh
	$(BIN)/yamllint --strict .

# What is documented and published: fragments, plugins and roles, and the site, where a warning is an error.
lint-publish: .cache/site/built
	$(BIN)/antsibull-changelog lint
	$(BIN)/antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs self --skip-rstcheck .

site: bootstrap-test .cache/site/built
	@echo "callao: open .cache/site/html/index.html"

.cache/site/built: README.md $(shell find docs plugins roles scripts/site src/callao -name '*.py' -o -name '*.md' -o -name '*.yml' -o -name '*.svg' -o -name '*.css')
	$(BIN)/python scripts/site/build.py .cache/site
	@touch $@

# They wait for other programs half of the time, so that two cores have work for four.
unit: bootstrap-test
	$(BIN)/pytest tests/unit tests/conformance -m 'not long' -n 4 --dist worksteal -q

# Those that the tests' guests boot from.
images: bootstrap-test
	$(BIN)/python tests/support/images.py

# What takes longest goes first: the others fill up what is left at the end.
guests: bootstrap-test
	$(BIN)/pytest tests/guests tests/unit tests/conformance -m 'not long' -n 2 --dist loadfile --no-loadscope-reorder -q --cov --cov-report=
	@printf 'covered by the tests: %s %%; file by file: .venv/bin/coverage report\n' "$$($(BIN)/coverage report --format=total)"

# Two lanes of like length: ansible-test on the newest ansible-core; ansible-test on the oldest, which .venv has as a rule,
# and on the newest, whose Python .venv does not have, the unit tests that depend on the two.
newest-ansible: newest-environment
	$(BIN)/nox -R -s "release(ansible-core-2.21)" -- sanity integration

newest-unit: oldest-ansible newest-environment
	$(BIN)/nox -R -s "release(ansible-core-2.21)" -- depends

newest-environment: bootstrap-test
	$(BIN)/nox -s "release(ansible-core-2.21)" -- environment

oldest-ansible: bootstrap-test
	$(BIN)/nox -s "release(ansible-core-2.19)" -- sanity integration

long: bootstrap-long
	$(BIN)/pytest tests -m long -q

# The unit tests of what depends on the host's system, by macOS's module; tests/support/darwin.py says what is left out.
DARWIN := autostart disks drivers egress hostagent images inotify instances lifecycle mounts networks ports resolver sftp snapshots ssh system
darwin: bootstrap-test
	PYTHONPATH=tests $(BIN)/pytest $(addprefix tests/unit/,$(DARWIN)) -p support.darwin -m 'not once and not long' -n 2 --dist worksteal -q

# The whole matrix, every long scenario, and the newest release of everything: before a release (see CONTRIBUTING.md).
test-all: test long darwin
	$(BIN)/python tests/bench/storm.py
	$(BIN)/nox -s unit
	$(BIN)/nox -s "release(ansible-core-2.20)" -- sanity integration
	$(BIN)/nox -s newest

bench: bootstrap-test
	for each in nochange validate commands fuzz_config cold agent connection mounts ports warm mcp_calls; do $(BIN)/python tests/bench/$$each.py || exit 1; done

# What the documentation shows of runs, drawn anew from runs on real guests.
pictures: bootstrap-test
	$(BIN)/python scripts/pictures/draw.py

# CHANGELOG.rst from the fragments, for the version that galaxy.yml has; the fragments go.
release-notes: bootstrap-test
	$(BIN)/antsibull-changelog release

# Everything anew, as far as pyproject.toml's bounds allow; see what came with `git diff requirements.txt`.
lock: bootstrap-test
	$(LOCK) --upgrade

bootstrap-up:
	@scripts/bootstrap.sh up

bootstrap-test:
	@scripts/bootstrap.sh test

bootstrap-long:
	@scripts/bootstrap.sh long

clean:
	rm -rf .venv .nox .cache dist build
