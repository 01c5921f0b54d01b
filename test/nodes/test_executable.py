# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What the entry point of a node sets before anything is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip('mujoco')

IMPORT = """
import sys
from improv_ros.nodes.common import executable
executable.run_node = lambda name: __import__(f'improv_ros.nodes.{name}')
executable.simulated_robot()
print('mujoco' in sys.modules, 'glfw' in sys.modules)
"""


def test_the_simulated_robot_loads_no_library_to_draw_with() -> None:
    """glfw looks for it in a process of its own, which complains if Ctrl-C ends the node then."""
    command = [sys.executable, '-c', IMPORT]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.stdout == 'True False\n', result.stderr
