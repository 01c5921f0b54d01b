# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The shell command itself."""

from __future__ import annotations

import sys

import pytest

from improv_ros import cli


def test_a_package_that_is_missing_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in [name for name in sys.modules if name.startswith('improv_ros.bags')]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, 'mcap', None)
    for module in [name for name in sys.modules if name.startswith('mcap.')]:
        monkeypatch.delitem(sys.modules, module)
    assert cli.main(['replay', 'bag']) == 1
    assert 'package mcap is missing' in capsys.readouterr().err
