# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Requests to end a process: SIGINT, SIGTERM, SIGHUP, and the end of its parent process.

An entry point calls `catch` before it imports anything slow. Until the process calls `stop_event`,
it has nothing to clean up, and a request ends it at once. After that, a request sets the event.
A thread handles the requests: it reads the signal numbers that the C handler of the interpreter
writes into a pipe. No Python code runs in a signal handler, so none can wait for a lock there.

A third signal kills the process, but not earlier than `GRACE` seconds after the first: one Ctrl-C
may reach a node twice, from the terminal and from `ros2 launch`.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import stat
import threading
import time

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FATAL = 3  # this number of signals kills the process
GRACE = 1.0  # seconds from the first signal
ORPHAN_TIMEOUT = 5.0  # seconds that a process may take to end after its parent
PARENT = 'IMPROV_PARENT_FD'  # environment variable: descriptor of a pipe that the parent holds
INTERRUPTED = 130  # exit code of a command that Ctrl-C interrupted

_stop = threading.Event()
_catching = False
_cleaning_up = False  # whether the process ends by itself after the event was set
_exit_code = 0


def catch(exit_code: int = 0) -> None:
    """Catch the signals; a request before `stop_event` ends the process with `exit_code`.

    Only the main thread may call this. SIGHUP stays ignored if it was (by `nohup`).
    """
    global _catching, _exit_code
    _exit_code = exit_code
    if _catching:
        return
    _catching = True
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    threading.Thread(
        target=_watch, args=(reader, _parent_pipe()), name='signals', daemon=True
    ).start()
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _do_nothing)
            signal.siginterrupt(number, False)
    atexit.register(_ignore)  # the first to register is the last to run


def stop_event() -> threading.Event:
    """Return the event that a request sets; the caller then ends the process."""
    global _cleaning_up
    catch(_exit_code)
    _cleaning_up = True
    return _stop


def nothing_to_clean_up() -> None:
    """Let a request end the process at once again; a request that has arrived does so now."""
    global _cleaning_up
    _cleaning_up = False
    if _stop.is_set():
        os._exit(_exit_code)


def interrupt_once() -> None:
    """Let the first SIGINT raise KeyboardInterrupt, ignore the second, and let the third kill.

    This is for commands that do not call `catch`: a second KeyboardInterrupt would interrupt the
    handling of the first.
    """
    count = 0

    def interrupt(*_: object) -> None:
        nonlocal count
        count += 1
        if count == 1:
            raise KeyboardInterrupt
        if count >= FATAL - 1:
            signal.signal(signal.SIGINT, signal.SIG_DFL)

    signal.signal(signal.SIGINT, interrupt)
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)


def _do_nothing(*_: object) -> None:
    """Do nothing: the interpreter itself writes the signal number into the pipe."""


def _ignore() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _parent_pipe() -> int | None:
    """Return the descriptor of the pipe that closes when the parent ends; None without one."""
    try:
        number = int(os.environ.pop(PARENT, ''))  # children of this process do not get it
        return number if stat.S_ISFIFO(os.fstat(number).st_mode) else None
    except (ValueError, OSError):
        return None


def _watch(reader: int, parent: int | None) -> None:
    """Handle requests until the process ends."""
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    if parent is not None:
        poll.register(parent, select.POLLIN)
    count, first, killed_at, code = 0, 0.0, float('inf'), 1
    while True:
        left = killed_at - time.monotonic()
        ready = poll.poll(max(0.0, left) * 1000 if left < float('inf') else None)
        if time.monotonic() >= killed_at:
            os._exit(code)
        for number, _ in ready:
            if not _cleaning_up:
                os._exit(_exit_code)
            if number == parent:
                poll.unregister(parent)
                killed_at = min(killed_at, time.monotonic() + ORPHAN_TIMEOUT)
            else:
                numbers = os.read(reader, 64)
                if not count:
                    first = time.monotonic()
                count += len(numbers)
                if count >= FATAL:
                    killed_at = min(killed_at, first + GRACE)
                    code = 128 + numbers[-1]
            _stop.set()
