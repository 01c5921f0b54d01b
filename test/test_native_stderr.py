# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What native libraries write to stderr, and what Python does."""

from __future__ import annotations

import subprocess
import sys

WRITE = "import os, sys; native = lambda: os.write(2, b'native\\n'); "


def stderr_of(code: str) -> str:
    """Return what a Python process with this code writes to stderr."""
    command = [sys.executable, '-c', WRITE + code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stderr


def test_what_is_written_meanwhile_is_discarded_and_no_more() -> None:
    said = stderr_of("""
from improv_ros.process.native_stderr import native_stderr_discarded
os.write(2, b'before\\n')
with native_stderr_discarded():
    native()
    with native_stderr_discarded():
        native()
    native()
os.write(2, b'after\\n')
""")
    assert said == 'before\nafter\n'


def test_threads_that_discard_at_once_do_not_leave_it_discarded() -> None:
    said = stderr_of("""
import threading
from improv_ros.process.native_stderr import native_stderr_discarded
first_in, second_in, first_out = (threading.Event() for _ in range(3))
def first():
    with native_stderr_discarded():
        first_in.set()
        second_in.wait()
    first_out.set()
def second():
    first_in.wait()
    with native_stderr_discarded():
        second_in.set()
        first_out.wait()
        native()
threads = [threading.Thread(target=target) for target in (first, second)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
os.write(2, b'after\\n')
""")
    assert said == 'after\n'


def test_a_helper_process_keeps_the_word_of_python() -> None:
    said = stderr_of("""
from improv_ros.process.native_stderr import discard_native_stderr
discard_native_stderr()
native()
print('a word', file=sys.stderr)
native()
raise RuntimeError('an error')
""")
    assert 'native' not in said.replace('native()', '').replace('discard_native_stderr', '')
    assert said.startswith('a word\nTraceback')
    assert said.endswith('RuntimeError: an error\n')
