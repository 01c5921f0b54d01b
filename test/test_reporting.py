# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What a run of the tests keeps of its failures, and when too many tests had to run again."""

from __future__ import annotations

from pathlib import Path
import shutil
import subprocess
import sys

import pytest

pytest.importorskip('pytest_rerunfailures')
pytest.importorskip('xdist')

FLAKY = """
from pathlib import Path
import pytest

@pytest.mark.flaky(reruns=1)
@pytest.mark.parametrize('number', range({tests}))
def test_that_fails_at_first(number, tmp_path):
    (tmp_path / 'node.log').write_text('what the node said')
    tried = Path('tried-' + str(number))
    if not tried.exists():
        tried.touch()
        raise AssertionError('not yet')
"""
NEEDY = """
import {package}

def test_nothing():
    raise AssertionError
"""


def run(folder: Path, content: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one file of tests with the hooks of ours."""
    shutil.copy(Path(__file__).with_name('conftest.py'), folder)
    (folder / 'pyproject.toml').write_text('[tool.pytest.ini_options]\n')
    (folder / 'test_it.py').write_text(content)
    command = [sys.executable, '-m', 'pytest', '-p', 'no:cacheprovider', '-rs', *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize(
    ('tests', 'words', 'code'), [(3, [], 0), (4, ['-n', '2'], 1)], ids=['three', 'four']
)
def test_more_than_three_reruns_fail_the_run_and_first_failures_are_kept(
    tmp_path: Path, tests: int, words: list[str], code: int
) -> None:
    result = run(tmp_path, FLAKY.format(tests=tests), *words)
    assert f'{tests} passed' in result.stdout
    assert result.returncode == code, result.stdout
    assert ('4 reruns, more than 3' in result.stdout) == bool(code)
    reports = [path.read_text() for path in tmp_path.glob('out/test-failures/*/*.txt')]
    assert len(reports) == tests
    assert all('not yet' in report and 'what the node said' in report for report in reports)


def test_what_needs_a_package_of_pip_is_skipped_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide = 'import sys\nsys.modules["mido"] = None\n'
    (tmp_path / 'sitecustomize.py').write_text(hide)
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    result = run(tmp_path, NEEDY.format(package='mido'))
    assert 'mido is not installed' in result.stdout
    assert result.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, result.stdout
    result = run(tmp_path, NEEDY.format(package='no_such_package'))
    assert result.returncode == pytest.ExitCode.INTERRUPTED, result.stdout
