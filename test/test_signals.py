# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Signals that ask a process to end, in processes that are made for it."""

from __future__ import annotations

import os
from pathlib import Path
import select
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from improv_ros.process import signals

PATIENCE = 30.0
READY = "print('ready', flush=True)\n"


def start(code: str, **options: object) -> subprocess.Popen[str]:
    """Start a process with this code, and wait until it says that it is ready."""
    process = subprocess.Popen(
        [sys.executable, '-c', 'from improv_ros.process import signals\n' + textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )
    assert process.stdout
    if not select.select([process.stdout], [], [], PATIENCE)[0]:
        process.kill()
        pytest.fail('the process hangs')
    assert process.stdout.readline() == 'ready\n'
    return process


def ending(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for the end of a process; return the exit code and what else it said."""
    assert process.stdout and process.stderr
    try:
        process.wait(PATIENCE)
    finally:
        process.kill()
    # Not `communicate`, which misses what came together with the first line.
    return process.returncode, process.stdout.read() + process.stderr.read()


def test_a_signal_that_comes_while_the_event_is_being_set_locks_nothing() -> None:
    code = """
        import signal
        stop = signals.stop_event()
        with stop._cond:  # as in the middle of Event.set, or of Event.wait
            for number in (signal.SIGINT, signal.SIGINT):
                signal.raise_signal(number)
                signal.getsignal(number)(number, None)
            print('ready', flush=True)
        print(stop.wait(20))
    """
    assert ending(start(code)) == (0, 'True\n')


@pytest.mark.parametrize('number', signals.SIGNALS)
def test_each_signal_sets_the_event(number: signal.Signals) -> None:
    code = f'stop = signals.stop_event()\n{READY}print(stop.wait(20))'
    process = start(code)
    process.send_signal(number)
    assert ending(process) == (0, 'True\n')


def test_nohup_is_respected() -> None:
    code = f'stop = signals.stop_event()\n{READY}print(stop.wait(0.5))'
    process = start(code, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    assert ending(process) == (0, 'False\n')


def test_before_there_is_anything_to_clean_up_the_process_ends_at_once_and_silently() -> None:
    process = start(f'import time\nsignals.catch(130)\n{READY}time.sleep(60)')
    process.send_signal(signal.SIGINT)
    assert ending(process) == (130, '')


def test_two_signals_do_not_kill_and_the_third_does() -> None:
    process = start(f'import time\nsignals.stop_event()\n{READY}time.sleep(60)')
    for number in (signal.SIGINT, signal.SIGTERM):  # two of the same may become one on the way
        process.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.5 * signals.GRACE)
    process.send_signal(signal.SIGHUP)
    assert ending(process) == (128 + signal.SIGHUP, '')


def test_signals_at_the_interpreters_own_end_say_nothing() -> None:
    code = """
        import atexit, os, signal, threading, time
        atexit.register(time.sleep, 0.5)
        stop = signals.stop_event()

        class Last:
            def __del__(self, kill=os.kill, pid=os.getpid()):
                kill(pid, 2)
                kill(pid, 2)

        last = Last()
        threading.Thread(target=time.sleep, args=(0.5,)).start()
        print('ready', flush=True)
        stop.wait(20)
    """
    process = start(code)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
    assert ending(process) == (0, '')


def lifeline(code: str) -> tuple[subprocess.Popen[str], int]:
    """Start a process that watches a pipe; return our end of it, too."""
    theirs, ours = os.pipe()
    env = {**os.environ, signals.PARENT: str(theirs)}
    process = start(code, env=env, pass_fds=[theirs])
    os.close(theirs)
    return process, ours


def test_the_end_of_the_parent_sets_the_event() -> None:
    process, ours = lifeline(f'stop = signals.stop_event()\n{READY}print(stop.wait(20))')
    os.close(ours)
    assert ending(process) == (0, 'True\n')


def test_what_does_not_leave_when_its_parent_is_gone_is_ended() -> None:
    process, ours = lifeline(
        f"""
import time
signals.ORPHAN_TIMEOUT = 0.2
signals.stop_event()
{READY}
time.sleep(60)
"""
    )
    os.close(ours)
    assert ending(process) == (1, '')


@pytest.mark.parametrize('stale', ['', 'x', '0', '99'])
def test_what_is_no_pipe_of_a_parent_is_not_watched(stale: str, tmp_path: Path) -> None:
    code = f'stop = signals.stop_event()\n{READY}print(stop.wait(0.2))'
    with (tmp_path / 'input').open('w+') as file:
        process = start(code, env={**os.environ, signals.PARENT: stale}, stdin=file)
        assert ending(process) == (0, 'False\n')


def test_other_commands_are_interrupted_once() -> None:
    code = """
        import signal, time
        signals.interrupt_once()
        print('ready', flush=True)
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            signal.raise_signal(signal.SIGINT)
            print('interrupted once', flush=True)
        signal.raise_signal(signal.SIGINT)
        time.sleep(60)
    """
    assert ending(start(code)) == (-signal.SIGINT, 'interrupted once\n')
