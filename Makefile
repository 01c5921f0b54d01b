# Two commands: `make demo` plays a recording into the whole chain, `make test` runs the tests.
# Each sets up what it needs, in a private virtual environment, and is quick the second time.

PYTHON ?= python3
VENV ?= .venv
OUT ?= out
BIN := $(VENV)/bin
REQUIREMENTS := requirements
# Most tests wait most of the time, so one more than there are cores are run side by side.
SIDE_BY_SIDE := -n $(shell expr $$(nproc) + 1) --dist worksteal

.PHONY: demo test test-all test-jazzy timing unit lint docs diagrams audit requirements screenshots clean

demo: $(VENV)/demo-ready
	$(BIN)/improv demo --out $(OUT) $(if $(INPUT),--input $(INPUT)) $(if $(OUTPUT),--output $(OUTPUT)) \
		$(if $(BODY),--body $(BODY)) $(if $(LIVE),--live)

test: $(VENV)/test-ready lint
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) --require-packages $(TESTS)

# Besides, what repeats other tests, builds with toolchains or takes minutes: for the night.
test-all: $(VENV)/test-ready lint
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) --require-packages -m '' $(TESTS)

# Are the deadlines kept that the documentation promises? Needs a quiet machine.
TIMED = $(shell grep -rl --include='test_*.py' 'promised(' test)
timing: $(VENV)/test-ready
	IMPROV_TIMING=1 $(BIN)/python -m pytest -m '' $(or $(TESTS),$(TIMED))

# The tests without nodes, devices, training and the data sets beside the repository: a minute.
REAL := test/system test/training test/event_text/test_round_trip_of_data.py test/bags \
	test/listening/test_device_source.py test/playing/test_ports.py \
	test/playing/test_synth_output.py test/playing/test_keyboards.py test/examples
unit: $(VENV)/test-ready
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(addprefix --ignore=,$(REAL)) $(TESTS)

# The tests that are marked so, on the rclpy of ROS 2 Jazzy, in an environment of its own. The files
# are named because the others import what that lacks. ROS_DISTRO is set as by Jazzy's setup.bash.
JAZZY := $(VENV)/jazzy
test-jazzy: $(JAZZY)/ready
	ROS_DISTRO=jazzy $(JAZZY)/bin/python -m pytest -m jazzy --require-packages $(or $(TESTS),$$(grep -rl --include='*.py' mark.jazzy test))

$(JAZZY)/ready: $(REQUIREMENTS)/jazzy.txt $(REQUIREMENTS)/debian-demo.txt setup.py
	tools/install_debian_packages $(REQUIREMENTS)/debian-demo.txt
	$(PYTHON) -m venv $(JAZZY)
	$(JAZZY)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	$(JAZZY)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --use-pep517 --editable .
	touch $@

lint: $(VENV)/test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The diagrams of docs/, drawn anew where their source has changed; needs Graphviz.
diagrams: $(patsubst %.dot,%.svg,$(wildcard docs/diagrams/*.dot))

docs/diagrams/%.svg: docs/diagrams/%.dot
	dot -Tsvg -Gbgcolor=white -Gpad=0.15 $< -o $@

# The documentation as web pages in docs/_build, in an environment of its own. A warning is an error.
docs: $(VENV)/docs/ready
	$(VENV)/docs/bin/sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build
	@echo 'The documentation is in docs/_build/index.html'

$(VENV)/docs/ready: $(REQUIREMENTS)/docs.txt
	$(PYTHON) -m venv $(VENV)/docs
	$(VENV)/docs/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

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
	grep -v '^ros-' $(REQUIREMENTS)/test.txt > $(REQUIREMENTS)/not-ros.tmp
	$(PIN) $(REQUIREMENTS)/jazzy.in -c $(REQUIREMENTS)/not-ros.tmp -o $(REQUIREMENTS)/jazzy.txt
	rm $(REQUIREMENTS)/not-ros.tmp
	$(PIN) $(REQUIREMENTS)/docs.in -o $(REQUIREMENTS)/docs.txt
	$(PIN) $(REQUIREMENTS)/audit.in -o $(REQUIREMENTS)/audit.txt

# Pictures of the live page for docs/. Look at them before you commit them.
screenshots: $(VENV)/test-ready
	$(BIN)/python tools/take_screenshots docs

clean:
	rm -rf $(VENV) $(OUT) build install log docs/_build docs/reference/generated
