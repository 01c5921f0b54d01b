# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What holds for every test: how long examples may take, and what is kept of failures."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
import re
import signal

from hypothesis import HealthCheck, settings
import pytest

# How long an example takes says more about what else the machine does than about the code.
settings.register_profile('patient', deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile('patient')

if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    # Under nohup, what a test starts would ignore SIGHUP too. Handlers are not inherited.
    signal.signal(signal.SIGHUP, lambda *_: None)

# What `rosdep install` does not bring, for want of a key that holds everywhere: pip does.
PIP_ONLY = (
    *('ai_edge_litert', 'colcon', 'fluidsynth', 'jack', 'jax', 'keras', 'matplotlib', 'mcap'),
    *('mido', 'mir_eval', 'rosbags', 'rtmidi', 'soxr', 'tensorflow', 'tqdm'),
)
# What a test needs of these without importing it: its nodes do, or the code says so in words.
NEEDED = {
    'test/event_text/test_parse_render_commands.py::test_text_is_rendered_to_a_wav_file': (
        'fluidsynth',
    ),
    'test/improvising/test_hostile_models.py': ('ai_edge_litert', 'tensorflow'),
    'test/improvising/test_improviser_runtime.py': ('ai_edge_litert',),
    'test/listening/test_transcription_runtime.py': ('ai_edge_litert',),
    'test/playing/test_audio_render.py': ('fluidsynth',),
    'test/playing/test_file_outputs.py': ('fluidsynth',),
    'test/playing/test_keyboards.py': ('rtmidi',),
    'test/playing/test_ports.py': ('rtmidi',),
    'test/playing/test_synth_output.py': ('fluidsynth',),
    'test/system': ('ai_edge_litert', 'fluidsynth', 'mcap', 'mido', 'rtmidi', 'soxr'),
    'test/training': ('keras', 'mir_eval', 'soxr', 'tensorflow'),
}
MOST_RERUNS = 3  # more than these fail the whole run
FAILURES = 'out/test-failures'  # in the folder of pyproject.toml; git ignores it


class Failures:
    """Keeps the report of every failure, a test's first one too, and counts the reruns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: list[Path] = []
        self.reruns = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write down what failed. Reports of all worker processes come here."""
        if report.outcome not in ('failed', 'rerun'):
            return
        self.reruns += report.outcome == 'rerun'
        self._folder.mkdir(parents=True, exist_ok=True)
        name = re.sub(r'[^\w.-]+', '_', report.nodeid.replace('test/', ''))[:150]
        path = self._folder / f'{len(self._written) + 1:02}-{name}.txt'
        parts = [f'{report.nodeid} ({report.when}: {report.outcome})', report.longreprtext]
        parts += [f'---- {title} ----\n{text}' for title, text in report.sections]
        path.write_text('\n\n'.join(parts) + '\n', encoding='utf-8', errors='replace')
        self._written.append(path)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where the reports are, and how many tests ran again."""
        for path in self._written:
            terminalreporter.write_line(f'report of a failure: {path}')
        if self.reruns > MOST_RERUNS:
            terminalreporter.write_line(
                f'{self.reruns} reruns, more than {MOST_RERUNS}: find what makes these tests fail',
                red=True,
            )

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail where too many tests had to run again."""
        if self.reruns > MOST_RERUNS and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let an environment that claims to be complete fail where it is not."""
    parser.addoption(
        '--require-packages',
        action='store_true',
        help='fail, instead of skip, where a test needs a package that is not installed',
    )


def pytest_configure(config: pytest.Config) -> None:
    """Keep failures in the process that hears of all of them."""
    global MISSING
    if config.getoption('require_packages'):
        MISSING = ()
    if not hasattr(config, 'workerinput'):
        now = datetime.now().strftime('%Y-%m-%d-%H-%M-%S')
        config.pluginmanager.register(Failures(config.rootpath / FAILURES / now), 'failures')


def is_missing(package: str) -> bool:
    """Tell whether a package is not installed."""
    try:
        return find_spec(package) is None
    except ModuleNotFoundError:
        return True


MISSING = tuple(filter(is_missing, PIP_ONLY))


def missing_in(error: BaseException | None) -> str:
    """Return which package that only pip brings an error comes from; empty: from none."""
    while error:
        if isinstance(error, ModuleNotFoundError):
            package = str(error.name).partition('.')[0]
            return package if package in MISSING else ''
        error = error.__cause__ or error.__context__
    return ''


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a package that is not here."""
    for item in items if MISSING else []:
        for place, packages in NEEDED.items():
            for package in packages if item.nodeid.startswith(place) else ():
                if package in MISSING:
                    item.add_marker(pytest.mark.skip(reason=f'{package} is not installed'))


class Module(pytest.Module):
    """A file of tests, which is skipped where it imports a package that is not here."""

    def _getobj(self) -> object:
        try:
            return super()._getobj()
        except self.CollectError as error:
            if package := missing_in(error):
                pytest.skip(f'{package} is not installed', allow_module_level=True)
            raise


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module:
    """Collect a file of tests."""
    return Module.from_parent(parent, path=module_path)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Skip a test that misses a package; else add to the report of a failure what the processes
    of the test have logged."""
    report = (yield).get_result()
    if report.failed and call.excinfo and (package := missing_in(call.excinfo.value)):
        report.outcome = 'skipped'
        report.longrepr = (str(item.path), 0, f'Skipped: {package} is not installed')
        return
    values = getattr(item, 'funcargs', {})
    folders = {
        values.get('tmp_path'),
        *(getattr(value, 'folder', None) for value in values.values()),
    }
    for folder in filter(None, folders) if report.failed else ():
        for log in sorted(folder.rglob('*.log')):
            text = log.read_text(encoding='utf-8', errors='replace')
            report.sections.append((str(log.relative_to(folder)), text[-20000:]))
