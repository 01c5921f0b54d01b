# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What no source may ask for, beyond what the linter's security rules already forbid."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [
    *(ROOT / 'improv_ros').rglob('*.py'),
    *(ROOT / 'launch').glob('*.py'),
    *(ROOT / 'benchmark').glob('*.py'),
]


@pytest.mark.parametrize(
    'word', ['allow_pickle=True', 'safe_mode=False', 'unsafe_deserialization', 'noqa: S3', 'S602']
)
def test_no_source_lets_data_be_executed(word: str) -> None:
    assert SOURCES
    assert [path for path in SOURCES if word in path.read_text(encoding='utf-8')] == []


def test_every_keras_model_is_loaded_in_safe_mode() -> None:
    for path in SOURCES:
        text = path.read_text(encoding='utf-8')
        assert text.count('models.load_model(') == text.count('safe_mode=True'), path


def test_keys_are_ignored_by_git() -> None:
    ignored = (ROOT / '.gitignore').read_text().split()
    assert {'*.pem', '*.p7s'} <= set(ignored)
