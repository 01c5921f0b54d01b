# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The nodes as processes: started together, restarted one by one, stopped together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import os
import signal
import subprocess
import sys
import time

from improv_ros.bringup.chain_spec import NodeSpec, defaults_file, parameter_file
from improv_ros.bringup.ros_environment import enclave_arguments
from improv_ros.bringup.shared_files import PACKAGE
from improv_ros.process.backoff import UNUSABLE, RestartBackoff
from improv_ros.process.signals import PARENT

STOP_TIMEOUT = 5.0  # seconds that a node has to end by itself
NOT_STARTED = 1  # exit code that is reported for a node whose process could not be started


class Ensemble:
    """One process for each node, all in one namespace.

    `config` is the user's parameter file; the parameters in `nodes` override it. `environment` is
    added to the environment of this process. Each node watches a pipe whose other end only this
    process holds, so the nodes end with this process, however it ends.
    """

    def __init__(
        self,
        nodes: Sequence[NodeSpec],
        namespace: str = 'improv',
        config: str = '',
        log_level: str = 'info',
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._namespace = namespace
        self._config = config
        self._arguments = ['-r', f'__ns:=/{namespace.strip("/")}', '--log-level', log_level]
        self._lifeline, our_end = os.pipe()
        self._descriptors = [self._lifeline, our_end]
        self._environment = {
            **os.environ,
            **(environment or {}),
            PARENT: str(self._lifeline),
        }
        self._nodes = {node.executable: node for node in nodes}
        self._files: dict[str, int] = {}  # descriptors of parameter files in memory
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._failures: dict[str, OSError] = {}  # of nodes that could not be started
        self._backoffs = {name: RestartBackoff() for name in self._nodes}
        self._restart_at: dict[str, float] = {}  # of nodes that have ended, in monotonic seconds

    def start(self, *executables: str) -> None:
        """Start the nodes with these names; without names, all that were not started yet."""
        for name in executables or self._nodes:
            if name not in self._processes and name not in self._failures:
                self._start(name)

    @property
    def names(self) -> list[str]:
        """The names of the nodes."""
        return list(self._nodes)

    def ended(self) -> dict[str, int]:
        """Return the exit codes of the nodes that have ended and were not restarted yet."""
        codes = {name: process.poll() for name, process in self._processes.items()}
        codes |= dict.fromkeys(self._failures, NOT_STARTED)
        return {name: code for name, code in codes.items() if code is not None}

    def over(self) -> bool:
        """Return whether every node has ended and none will be restarted."""
        codes = self.ended()
        return all(codes.get(name) == UNUSABLE for name in self._nodes)

    def pids(self) -> dict[str, int]:
        """Return the process ids of the running nodes, by name."""
        return {
            name: process.pid
            for name, process in self._processes.items()
            if process.poll() is None
        }

    def revive(self) -> list[str]:
        """Restart the nodes that have ended, each after its pause; call this often.

        Returns a sentence for each node that has ended since the last call.
        """
        sentences = []
        now = time.monotonic()
        for name, code in self.ended().items():
            if name not in self._restart_at:
                pause = float('inf') if code == UNUSABLE else self._backoffs[name].ended(now)
                self._restart_at[name] = now + pause
                sentences.append(f'{name} {self._what_happened(name, code, pause)}')
            elif now >= self._restart_at[name]:
                del self._restart_at[name]
                self._start(name)
        return sentences

    def stop(self) -> dict[str, int]:
        """Send SIGTERM to every node, kill those that do not end; return the exit codes."""
        running = [process for process in self._processes.values() if process.poll() is None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        while self._descriptors:
            os.close(self._descriptors.pop())
        # SIGTERM kills a node only if it arrives before the node handles signals.
        return {
            name: 0 if code == -signal.SIGTERM else code for name, code in self.ended().items()
        }

    def _start(self, name: str) -> None:
        """Start a node; where that is impossible, `revive` tries again later."""
        self._backoffs[name].started(time.monotonic())
        self._failures.pop(name, None)
        try:
            # In a session of its own, a node is not reached by Ctrl-C of the terminal, which would
            # print a traceback while Python starts. `stop` ends it.
            command = self._command(self._nodes[name])
            self._processes[name] = subprocess.Popen(
                command,
                env=self._environment,
                start_new_session=True,
                pass_fds=[self._lifeline, *self._files.values()],
            )
        except OSError as error:
            self._processes.pop(name, None)
            self._failures[name] = error

    def _what_happened(self, name: str, code: int, pause: float) -> str:
        if name in self._failures:
            return f'cannot be started: {self._failures[name]}; retrying in {pause:g} s'
        if code == UNUSABLE:
            return 'cannot run, for the reason above; it is not restarted'
        return f'{_ended_by(code)}; restarting it in {pause:g} s'

    def _command(self, node: NodeSpec) -> list[str]:
        files = [self._file(f'{node.executable}_defaults', defaults_file(node))]
        if self._config:
            files.append(self._config)
        if node.parameters:
            files.append(self._file(node.executable, parameter_file(node)))
        parameter_files = [word for file in files for word in ('--params-file', file)]
        module = f'{PACKAGE}.nodes.{node.executable}'
        enclave = enclave_arguments(self._namespace, node.executable, os.environ)
        remappings = [word for old, new in node.remappings for word in ('-r', f'{old}:={new}')]
        arguments = [*self._arguments, *enclave, *parameter_files, *remappings]
        return [sys.executable, '-m', module, '--ros-args', *arguments]

    def _file(self, name: str, text: str) -> str:
        """Return the path of a parameter file, which is written once.

        It is in memory, so neither a full disk nor the removal of temporary files prevents a
        restart of the node.
        """
        if name not in self._files:
            file = os.memfd_create(f'{name}.yaml')
            os.write(file, text.encode())
            self._descriptors.append(file)
            self._files[name] = file
        return f'/proc/self/fd/{self._files[name]}'


def _ended_by(code: int) -> str:
    if code < 0:
        return f'was killed by {signal.Signals(-code).name}'
    return f'ended with exit code {code}'
