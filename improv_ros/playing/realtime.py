"""Keeping time on Linux: a thread that sleeps exactly and goes before others, where allowed."""

import ctypes
import os

LIMITS_FILE = '/etc/security/limits.d/audio.conf'
_PR_SET_TIMERSLACK = 29
_SLACK = 1  # nanoseconds; Linux else adds up to 50 us to every sleep of a usual thread


def sleep_exactly() -> None:
    """Let the calling thread wake when it asked to, not a moment later to save power."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(_SLACK), 0, 0, 0)


def go_first(thread: int, priority: int) -> str:
    """
    Give a thread (native id) real-time priority, 1 to 99, before all usual threads (SCHED_FIFO).

    Returns '', or where it is not allowed a sentence that names the remedy.
    """
    try:
        os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        return (
            f'real-time priority {priority} is not allowed ({error.strerror}), so the player '
            f'goes without: write "@audio - rtprio {priority}" to {LIMITS_FILE}, join the group '
            f'audio and log in again, or grant it with rtkit to thread {thread}'
        )
    return ''
