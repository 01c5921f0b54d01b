# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv run` for a test, as a user starts it at a terminal."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import os
from pathlib import Path
import signal
import subprocess
import sys

import yaml

from timing import PATIENCE


class Run:
    """`improv run` as a user starts it at a terminal, its words kept."""

    def __init__(
        self,
        folder: Path,
        env: dict[str, str],
        config: dict[str, dict[str, object]] | Path,
        **options: str,
    ) -> None:
        file = config if isinstance(config, Path) else folder / 'my.yaml'
        if not isinstance(config, Path):
            sections = {
                f'/**/{node}': {'ros__parameters': values} for node, values in config.items()
            }
            file.write_text(yaml.safe_dump(sections))
        words = [f'--{name}={value}' for name, value in options.items()]
        words += [] if 'page-port' in options else ['--no-page']  # its port is everybody's
        self._log = folder / 'run.log'
        with self._log.open('w') as log:
            self.process = subprocess.Popen(
                [sys.executable, '-m', 'improv_ros.cli', 'run', f'--config={file}', *words],
                env={**os.environ, **env},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """What `improv run` and its nodes printed so far."""
        return self._log.read_text()

    @property
    def nodes(self) -> dict[str, int]:
        """The nodes that live now, with the numbers of their processes."""
        found = {}
        for folder in Path('/proc').glob('[0-9]*'):
            with contextlib.suppress(OSError):
                parent = (folder / 'stat').read_text().rpartition(')')[2].split()[1]
                words = (folder / 'cmdline').read_text().split('\0')
                if int(parent) == self.process.pid and words[1:2] == ['-m']:
                    found[words[2].rpartition('.')[2]] = int(folder.name)
        return found

    def interrupt(self) -> int:
        """Press Ctrl-C; return the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def improv_run(
    folder: Path, env: dict[str, str], config: dict[str, dict[str, object]] | Path, **options: str
) -> Iterator[Run]:
    """Run the chain with the parameters of each node in `config`, or that file, and end it."""
    run = Run(folder, env, config, **options)
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.process.terminate()
            run.process.wait(PATIENCE)
