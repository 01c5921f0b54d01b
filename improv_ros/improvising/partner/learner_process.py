# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The learner in a process of its own: at the lowest priority, at most a fifth of a core.

The process reads messages of `MESSAGE` bytes from standard input and writes what it has learnt to
standard output, a frame for each update: `FRAME`, then the vector of `Learnt.pack`. It ends when
standard input ends.
"""

from __future__ import annotations

from collections import deque
import contextlib
import fcntl
import os
import struct
import subprocess
import sys
import time

import numpy as np

from improv_ros.improvising.network.vocabulary import Step
from improv_ros.improvising.partner.learnt import Learnt

MODULE = 'improv_ros.improvising.partner.learner_process'
HEAR, REMEMBER, START = range(3)  # kinds of messages
MESSAGE = struct.Struct('<Bhhh')  # kind; the step, or the number of the start
FRAME = struct.Struct('<QQ')  # number of the start that the vector follows, bytes of the vector
SHARE = 0.2  # of a core, at most
PIPE_BYTES = 2**20  # the default limit of Linux for a pipe
MAX_WAITING = 100_000  # messages that wait for the process: hours of music
EXIT_TIMEOUT = 1.0  # seconds
_LOWEST_PRIORITY = 19


class LearnerProcess:
    """Starts the process with the first event, and exchanges messages without waiting for it.

    model: as for `load_runtime`. likes: gives the shapes of what is learnt.
    """

    def __init__(self, model: str, likes: Learnt) -> None:
        self._model, self._likes = model, likes
        self._vector_bytes = likes.pack().nbytes
        self._start_number = 0
        self._waiting: deque[bytes] = deque()  # messages, of which the first may be partly sent
        self._sent, self._received = 0, bytearray()
        self.problem = ''
        """Why the process does not learn any more; '' while it does."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The id of the process; None before it is started."""
        return self._process.pid if self._process else None

    def start(self, learnt: Learnt, remembered: np.ndarray) -> None:
        """Begin anew with what was learnt of one person, and the steps remembered, (steps, 3)."""
        self._start_number = (self._start_number + 1) % 2**15
        while len(self._waiting) > bool(self._sent):  # what was to be learnt before is void
            self._waiting.pop()
        start = MESSAGE.pack(START, self._start_number, 0, 0) + learnt.pack().tobytes()
        steps = [MESSAGE.pack(REMEMBER, *step) for step in remembered.tolist()]
        self._waiting.append(start + b''.join(steps))
        self._send()

    def hear(self, step: Step) -> None:
        """Learn from an event of the person."""
        if self._process is None and not self.problem:
            self._start_process()
        if len(self._waiting) > MAX_WAITING:
            self.problem = self.problem or 'the process that learns does not read'
        if not self.problem:
            self._waiting.append(MESSAGE.pack(HEAR, *step))
            self._send()

    def poll(self) -> Learnt | None:
        """Return what was learnt since the latest call, or None."""
        if self._process is None:
            return None
        self._send()
        try:
            data = os.read(self._output, PIPE_BYTES)
            if not data and not self.problem:
                self._fail()
            self._received += data
        except BlockingIOError:
            pass
        latest = None
        while len(self._received) >= FRAME.size + self._vector_bytes:
            number, size = FRAME.unpack_from(self._received)
            if size != self._vector_bytes:
                self.problem = self.problem or 'the process that learns is of another version'
                self._received.clear()
                break
            end = FRAME.size + size
            if number == self._start_number:
                vector = np.frombuffer(bytes(self._received[FRAME.size : end]), np.float32)
                latest = self._likes.unpack(vector)
            del self._received[:end]
        return latest

    def close(self) -> None:
        """End the process."""
        if self._process is None:
            return
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(EXIT_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start_process(self) -> None:
        environment = {**os.environ, 'OPENBLAS_NUM_THREADS': '1', 'OMP_NUM_THREADS': '1'}
        try:
            self._process = subprocess.Popen(
                [sys.executable, '-m', MODULE, self._model],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                env=environment,
                start_new_session=True,  # Ctrl-C does not reach it
            )
        except OSError as error:
            self.problem = f'the process that learns cannot be started: {error}'
            return
        assert self._process.stdin is not None and self._process.stdout is not None
        self._input, self._output = self._process.stdin.fileno(), self._process.stdout.fileno()
        for pipe in (self._input, self._output):
            os.set_blocking(pipe, False)
            with contextlib.suppress(OSError):  # a smaller pipe works, too
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def _send(self) -> None:
        while self._process and self._waiting and not self.problem:
            message = memoryview(self._waiting[0])
            try:
                self._sent += os.write(self._input, message[self._sent :])
            except BlockingIOError:
                return
            except OSError:
                self._fail()
                return
            if self._sent == len(message):
                self._waiting.popleft()
                self._sent = 0

    def _fail(self) -> None:
        status = self._process.poll() if self._process else None
        self.problem = f'the process that learns has ended (exit status {status})'


def main() -> int:
    """Learn until standard input ends."""
    from improv_ros.improvising.network.improviser_runtime import load_runtime
    from improv_ros.improvising.partner.heads_files import load_heads
    from improv_ros.improvising.partner.motif_memory import MotifMemory, Place
    from improv_ros.improvising.partner.partner_learner import PartnerLearner

    os.setpriority(os.PRIO_PROCESS, 0, _LOWEST_PRIORITY)
    (model,) = sys.argv[1:]
    messages, frames = sys.stdin.buffer, sys.stdout.buffer
    runtime = load_runtime(model)
    shipped = load_heads(model, runtime)
    learner, number = PartnerLearner(runtime, shipped), 0
    vector_bytes = learner.learnt.pack().nbytes
    place = Place()
    idle_until = time.monotonic()
    while len(data := messages.read(MESSAGE.size)) == MESSAGE.size:
        kind, *values = MESSAGE.unpack(data)
        used = time.process_time()
        if kind == START:
            number = values[0]
            data = messages.read(vector_bytes)
            if len(data) < vector_bytes:  # the improviser has ended
                return 0
            learner.start(
                Learnt.nothing(shipped).unpack(np.frombuffer(data, np.float32)), MotifMemory()
            )
            place = Place()
            continue
        step = Step(*values)
        if kind == REMEMBER:
            learner.memory.add(place, step)
            place = place.after(step)
        elif learner.hear(step) is not None:
            packed = learner.learnt.pack().tobytes()
            try:
                frames.write(FRAME.pack(number, len(packed)) + packed)
                frames.flush()
            except OSError:
                return 0
        # A pause of four times the time used keeps the share.
        now = time.monotonic()
        idle_until = max(idle_until, now) + (time.process_time() - used) * (1 / SHARE - 1)
        if idle_until - now > 0.05:
            time.sleep(idle_until - now)
    return 0


if __name__ == '__main__':
    sys.exit(main())
