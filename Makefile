# The two commands of the README, and the parts that they are made of. Everything generated lies under .cache/.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.cache/venv/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
# Whoever keeps Python from writing bytecode has every one of hundreds of plays compile all of Ansible.
PYTEST := env -u PYTHONDONTWRITEBYTECODE .cache/venv/bin/python -m pytest

.PHONY: help demo test test-long unit lint molecule site faults versions sizing bench clean venv bootstrap

help:  ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# What needs no lab needs no root and no Debian either.
venv:
	@lab/bootstrap.sh venv

bootstrap:
	@lab/bootstrap.sh lab

# Whoever uses the lab asks first whether another checkout does, and whether the disk holds it: that takes a moment, and what follows takes minutes.
room-for-%:
	@if command -v python3 >/dev/null; then PYTHONPATH=lab python3 -m llmfleet_lab.room $*; fi

demo: room-for-demo bootstrap  ## build the lab, run site.yml and verify.yml on it, print the fleet report and what to try next
	@echo "== 1 of 3: the lab: four systemd hosts, an upstream, two releases, models (some minutes the first time)"
	@.cache/venv/bin/python lab/lab.py up
	@echo "== 2 of 3: ansible-playbook -i inventories/lab site.yml"
	@.cache/venv/bin/ansible-playbook -i inventories/lab site.yml
	@echo "== 3 of 3: ansible-playbook -i inventories/lab playbooks/verify.yml"
	@.cache/venv/bin/ansible-playbook -i inventories/lab playbooks/verify.yml
	@.cache/venv/bin/python lab/lab.py next

test: room-for-test bootstrap  ## lint, unit tests, every Molecule scenario, the whole site, the other versions
	@$(PYTEST) -v --skip-nothing tests/checks tests/unit tests/scenarios tests/e2e tests/versions

test-long: room-for-test-long bootstrap  ## what takes minutes for one proof: docs/, other examples for the properties, first releases of ansible-core, the role's simulated hosts under other pairs, the sizing oracle
	@LLMFLEET_EXAMPLES=others $(PYTEST) $$(grep -rl --include='test_*.py' hypothesis tests/unit)
	@$(PYTEST) -v -m long tests/e2e tests/versions
	@$(PYTEST) tests/sizing_oracle

lint: venv  ## ansible-lint, yamllint, ruff, argument specs, changelog, ansible-test sanity
	@$(PYTEST) -v tests/checks

unit: venv  ## unit tests only, by anybody on any Linux or Mac; T=path::test for one
	@$(PYTEST) $(or $(T),tests/unit)

molecule: room-for-molecule bootstrap  ## every Molecule scenario; S=name for one
	@$(PYTEST) -v tests/scenarios $(if $(S),-k "test_scenario[$(S)]")

site: room-for-site bootstrap  ## the whole site on the lab, twice, with failures
	@$(PYTEST) -v tests/e2e

faults: room-for-faults bootstrap  ## cut runs off at random moments on the lab, and demand that the next ones go through; CUTS=60, SEED= as an earlier call printed it
	@.cache/venv/bin/python tests/faults --cuts $(or $(CUTS),60) $(if $(SEED),--seed $(SEED))

versions: venv  ## unit tests and simulated hosts under every other pair of Python and ansible-core that is at hand
	@LLMFLEET_WHOLE=1 $(PYTEST) -v tests/versions

sizing: bootstrap  ## compare the memory model with llama.cpp's own dry run, two builds, 10 to 20 minutes
	@$(PYTEST) tests/sizing_oracle

bench: bootstrap  ## speed as ratios, and the number of module runs
	@.cache/venv/bin/python bench/run.py

# Only where something of ours may be left: the environment that can remove it would otherwise be made first, to be removed.
clean:  ## remove the lab, its images and all that was built; Debian packages stay
	@if [ -d .cache ] || [ -n "$$(docker images --quiet --filter label=llmfleet.lab 2>/dev/null)" ]; then \
	  lab/bootstrap.sh lab && .cache/venv/bin/python lab/lab.py clean; fi
	@rm -rf .cache .ansible .hypothesis .pytest_cache .ruff_cache tests/output reports changelogs/.plugin-cache.yaml
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "Removed everything that was built here; Debian packages that were installed for it stay."
