# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Each source file begins with a copyright line and an SPDX identifier (REP 2004)."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ('improv_ros', 'test', 'benchmark', 'launch', 'examples', 'docs', 'tools')
SUFFIXES = ('.py', '.cpp', '.hpp', '.c', '.js', '.css', '.html', '.dot')
FIRST_LINES = 5


def source_files() -> list[Path]:
    """Return the source files of the package."""
    found = [ROOT / 'setup.py']
    for folder in FOLDERS:
        found += [path for path in (ROOT / folder).rglob('*') if path.suffix in SUFFIXES]
    return [path for path in found if '_build' not in path.parts]


def test_source_files_are_found() -> None:
    assert len(source_files()) > 300


@pytest.mark.parametrize('path', source_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_source_file_names_its_copyright_and_licence(path: Path) -> None:
    head = '\n'.join(path.read_text(encoding='utf-8').splitlines()[:FIRST_LINES])
    assert 'Copyright' in head
    assert 'SPDX-License-Identifier: Apache-2.0' in head
