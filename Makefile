# Two commands: `make demo` plays a recording into the whole chain, `make test` runs the tests.
# Each sets up what it needs, in a private virtual environment, and is quick the second time.

PYTHON ?= python3
VENV ?= .venv
OUT ?= out
BIN := $(VENV)/bin
REQUIREMENTS := requirements
# Most tests wait most of the time, so two are run side by side.
SIDE_BY_SIDE := -n 2 --dist worksteal

.PHONY: demo test unit lint audit requirements clean

demo: $(VENV)/demo-ready
	$(BIN)/improv demo --out $(OUT) $(if $(INPUT),--input $(INPUT)) $(if $(OUTPUT),--output $(OUTPUT))

test: $(VENV)/test-ready lint
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(TESTS)

# The tests without nodes, devices, training and the data sets beside the repository: a minute.
REAL := test/system test/training test/event_text/test_round_trip_of_data.py test/bags \
	test/listening/test_device_source.py test/playing/test_ports.py \
	test/playing/test_synth_output.py test/playing/test_keyboards.py test/examples
unit: $(VENV)/test-ready
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(addprefix --ignore=,$(REAL)) $(TESTS)

lint: $(VENV)/test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Are vulnerabilities known of what is pinned? In an environment of its own.
audit: $(VENV)/audit/bin/pip-audit
	tools/audit $< $(REQUIREMENTS)/test.txt

$(VENV)/audit/bin/pip-audit: $(REQUIREMENTS)/audit.txt
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

$(VENV)/%-ready: $(REQUIREMENTS)/%.txt $(REQUIREMENTS)/debian-demo.txt \
		$(REQUIREMENTS)/debian-%.txt setup.py
	tools/install_debian_packages $(sort $(filter %.txt,$(wordlist 2,3,$^)))
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 -r $<
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --use-pep517 --editable .
	touch $@

# Pin the requirements anew; needs uv.
PIN := uv pip compile --quiet --universal --python-version 3.10 --no-header --no-annotate \
	--no-emit-index-url
requirements:
	$(PIN) $(REQUIREMENTS)/test.in -o $(REQUIREMENTS)/test.txt
	$(PIN) $(REQUIREMENTS)/demo.in -c $(REQUIREMENTS)/test.txt -o $(REQUIREMENTS)/demo.txt
	$(PIN) $(REQUIREMENTS)/audit.in -o $(REQUIREMENTS)/audit.txt

clean:
	rm -rf $(VENV) $(OUT) build install log
