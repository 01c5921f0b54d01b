"""The chain as processes: started together, kept alive, stopped together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import os
from pathlib import Path
import signal
import subprocess
import sys
import tempfile
import time

import yaml

from improv_ros.backoff import Backoff
from improv_ros.bringup import PACKAGE, NodeSpec, share
from improv_ros.enclaves import enclave_arguments

LEAVE_TIMEOUT = 5.0  # seconds that a node has for a clean end


class Ensemble:
    """One process for each node, all in one namespace.

    `environment` is added to that of this process for the nodes.
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
        self._folder = tempfile.TemporaryDirectory(prefix='improv_')
        self._config = config or str(share('config/improv.yaml'))
        self._arguments = ['-r', f'__ns:=/{namespace.strip("/")}', '--log-level', log_level]
        self._environment = {**os.environ, **(environment or {})}
        self._nodes = {node.executable: node for node in nodes}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._backoffs = {name: Backoff() for name in self._nodes}
        self._due: dict[str, float] = {}  # when a node that has ended is to start again

    def start(self, *executables: str) -> None:
        """Start the nodes of these names; without names, all that have not been started."""
        for name in executables or self._nodes:
            if name not in self._processes:
                self._start(name)

    def ended(self) -> dict[str, int]:
        """Return the exit codes of the nodes that have ended and have not started again."""
        codes = {name: process.poll() for name, process in self._processes.items()}
        return {name: code for name, code in codes.items() if code is not None}

    def revive(self) -> list[str]:
        """Start again, each after its pause, the nodes that have ended; call it often.

        Return a sentence for each that has ended since the last call.
        """
        sentences = []
        now = time.monotonic()
        for name, code in self.ended().items():
            if name not in self._due:
                pause = self._backoffs[name].ended(now)
                self._due[name] = now + pause
                sentences.append(f'{name} {_ended_by(code)}; it starts again in {pause:g} s')
            elif now >= self._due[name]:
                del self._due[name]
                self._start(name)
        return sentences

    def stop(self) -> dict[str, int]:
        """Ask every node to leave, kill what does not; return the exit codes."""
        running = [process for process in self._processes.values() if process.poll() is None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + LEAVE_TIMEOUT
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._folder.cleanup()
        # SIGTERM itself ends only a node that was asked before it could listen.
        return {
            name: 0 if code == -signal.SIGTERM else code for name, code in self.ended().items()
        }

    def _start(self, name: str) -> None:
        self._backoffs[name].started(time.monotonic())
        # In a session of its own, a node hears of Ctrl-C from `stop` alone: while it is being
        # imported, it would meet the terminal's own with a traceback.
        self._processes[name] = subprocess.Popen(
            self._command(self._nodes[name]), env=self._environment, start_new_session=True
        )

    def _command(self, node: NodeSpec) -> list[str]:
        files = [self._config]
        if node.parameters:
            files.append(str(self._parameter_file(node)))
        parameter_files = [word for file in files for word in ('--params-file', file)]
        module = f'{PACKAGE}.nodes.{node.executable}'
        enclave = enclave_arguments(self._namespace, node.executable, os.environ)
        arguments = [*self._arguments, *enclave, *parameter_files]
        return [sys.executable, '-m', module, '--ros-args', *arguments]

    def _parameter_file(self, node: NodeSpec) -> Path:
        """Write the node's own parameters: YAML keeps a device called '0' from being a number."""
        path = Path(self._folder.name) / f'{node.executable}.yaml'
        path.write_text(
            yaml.safe_dump({f'/**/{node.executable}': {'ros__parameters': node.parameters}})
        )
        return path


def _ended_by(code: int) -> str:
    if code < 0:
        return f'was ended by {signal.Signals(-code).name}'
    return f'ended by itself with exit code {code}'
