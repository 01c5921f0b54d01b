# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Exact sleeps and real-time priority of threads on Linux."""

import ctypes
import os

LIMITS_FILE = '/etc/security/limits.d/audio.conf'
_PR_SET_TIMERSLACK = 29  # prctl(2)
_SLACK = 1  # nanoseconds; by default Linux adds up to 50 us to a sleep, to save power


def set_timer_slack() -> None:
    """Let the calling thread wake exactly at its deadlines (prctl PR_SET_TIMERSLACK)."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(_SLACK), 0, 0, 0)


def set_fifo_priority(thread: int, priority: int) -> str:
    """
    Give a thread (native id) the real-time priority 1 to 99 (SCHED_FIFO).

    Returns '', or if it is not allowed a sentence that says what to do.
    """
    try:
        os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        return (
            f'real-time priority {priority} is not allowed ({error.strerror}), so the player '
            f'runs without it: write "@audio - rtprio {priority}" to {LIMITS_FILE}, join the '
            f'group audio and log in again, or grant it with rtkit to thread {thread}'
        )
    return ''
