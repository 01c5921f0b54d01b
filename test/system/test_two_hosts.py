# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""An ensemble does not leave its machine unless asked."""

from __future__ import annotations

import json
from pathlib import Path
import subprocess
import sys

import pytest

from three_hosts import NO_NAMESPACES


def test_another_host_hears_only_the_ensemble_that_was_opened(tmp_path: Path) -> None:
    script = Path(__file__).with_name('two_hosts.py')
    result = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, timeout=600
    )
    if result.returncode == NO_NAMESPACES:
        pytest.skip(result.stdout.strip())
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path / 'heard.json').read_text()) == [
        f'open: {node}' for node in ('improviser', 'midi_keyboard', 'midi_player')
    ]
