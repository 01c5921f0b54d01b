"""The chain as processes: started together, stopped together."""

from __future__ import annotations

from collections.abc import Sequence
import os
from pathlib import Path
import signal
import subprocess
import sys
import tempfile
import time

import yaml

from improv_ros.bringup import PACKAGE, NodeSpec, share
from improv_ros.enclaves import enclave_arguments

LEAVE_TIMEOUT = 5.0  # seconds that a node has for a clean end


class Ensemble:
    """One process for each node, all in one namespace."""

    def __init__(
        self,
        nodes: Sequence[NodeSpec],
        namespace: str = 'improv',
        config: str = '',
        log_level: str = 'info',
    ) -> None:
        self._namespace = namespace
        self._folder = tempfile.TemporaryDirectory(prefix='improv_')
        self._config = config or str(share('config/improv.yaml'))
        self._arguments = ['-r', f'__ns:=/{namespace.strip("/")}', '--log-level', log_level]
        self._nodes = list(nodes)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *executables: str) -> None:
        """Start the nodes of these names; without names, all that have not been started."""
        for node in self._nodes:
            named = not executables or node.executable in executables
            if named and node.executable not in self._processes:
                self._processes[node.executable] = subprocess.Popen(self._command(node))

    def ended(self) -> dict[str, int]:
        """Return the exit codes of the nodes that have ended."""
        codes = {name: process.poll() for name, process in self._processes.items()}
        return {name: code for name, code in codes.items() if code is not None}

    def stop(self) -> dict[str, int]:
        """Ask every node to leave, kill what does not; return the exit codes."""
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + LEAVE_TIMEOUT
        for process in self._processes.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._folder.cleanup()
        return self.ended()

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
