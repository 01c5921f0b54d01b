# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Loading a model file in a separate process, because some damaged files crash LiteRT.

    python -m improv_ros.inference.sandbox MODULE FILE

calls `load_here(FILE)` of that module.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
import signal
import subprocess
import sys

from improv_ros.inference.model_error import ModelError

TIMEOUT_SECONDS = 60
REFUSED = 3  # exit code if the file raised ModelError, whose message is on stdout


def check_in_sandbox(path: Path, module: str) -> None:
    """Raise ModelError for a file that `load_here` of the module refuses, or that crashes it."""
    command = [sys.executable, '-m', __name__, module, str(path)]
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise ModelError(
            f'the model file {path} is damaged: it did not load in {TIMEOUT_SECONDS} s'
        ) from None
    if process.returncode == REFUSED:
        raise ModelError(process.stdout.strip())
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        raise ModelError(f'the model file {path} is damaged: loading it ended with {name}')
    if process.returncode:
        reason = process.stderr.strip().rpartition('\n')[2]
        raise ModelError(f'the model file {path} could not be checked: {reason}')


def main() -> int:
    """Load the file; return 0, or REFUSED after printing the reason."""
    module, path = sys.argv[1:]
    try:
        import_module(module).load_here(Path(path))
    except ModelError as error:
        print(error)
        return REFUSED
    return 0


if __name__ == '__main__':
    sys.exit(main())
