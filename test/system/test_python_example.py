# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The robot in Python, run as its first lines say."""

from __future__ import annotations

import os
from pathlib import Path
import signal
import subprocess
import sys

import pytest
from std_msgs.msg import String

from graph import NAMESPACE, Graph, wait_until
from improv_ros.event_text import SECOND, StreamWriter, clear, note_off, note_on
from timing import PATIENCE

pytestmark = pytest.mark.jazzy

ROBOT = Path(__file__).parents[2] / 'examples' / 'python' / 'robot.py'


def test_the_robot_strikes_in_time_until_it_is_cleared(graph: Graph) -> None:
    log = graph.folder / 'robot.log'
    with log.open('w') as file:
        robot = subprocess.Popen(
            [sys.executable, str(ROBOT), '--ros-args', '-r', f'__ns:={NAMESPACE}'],
            env={**os.environ, **graph.env},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        publisher = graph.publisher('performed_notes')
        writer = StreamWriter()
        now = graph.now()
        events = [
            note_on(now + SECOND // 2, 60, 64),
            note_on(now + 8 * SECOND, 67, 80),
            note_off(now + 60 * SECOND, 60),
            note_off(now + 60 * SECOND, 67),
        ]
        publisher.publish(String(data=writer.write(events)[0]))
        wait_until(lambda: 'strike' in log.read_text(), 'a stroke')
        assert graph.now() >= now + SECOND // 2
        publisher.publish(String(data='hello'))
        publisher.publish(String(data=writer.write([clear(graph.now())])[0]))
        wait_until(lambda: 'release' in log.read_text(), 'its end')
        wait_until(lambda: graph.now() > now + 8.2 * SECOND, 'the time of the note withdrawn')
        robot.send_signal(signal.SIGINT)
        assert robot.wait(PATIENCE) == 0
    finally:
        robot.kill()
        robot.wait()
    said = log.read_text()
    words = [line for line in said.splitlines() if line.startswith(('strike', 'release'))]
    assert words == ['strike 60 with velocity 64', 'release 60']
    assert 'message skipped' in said
    assert 'Traceback' not in said


@pytest.mark.parametrize(('shut_down', 'code'), [('rclpy.shutdown()', 0), ('pass', 1)])
def test_an_error_counts_only_while_the_context_is_valid(shut_down: str, code: int) -> None:
    """Ctrl-C may shut the context down at any point of `rclpy.spin`, which then raises."""
    program = f"""
import runpy, rclpy

def spin(node):
    {shut_down}
    raise RuntimeError('failed to initialize wait set: the given context is not valid')

rclpy.spin = spin
runpy.run_path({str(ROBOT)!r}, run_name='__main__')
"""
    result = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    assert result.returncode == code, result.stderr
