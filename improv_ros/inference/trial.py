"""Loading a model file in a process of its own: there are damaged files that crash LiteRT.

    python -m improv_ros.inference.trial MODULE FILE

loads the file by the `load_here` of that module.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
import signal
import subprocess
import sys

from improv_ros.inference.errors import ModelError

TRIAL_SECONDS = 60
REFUSED = 3  # exit code of a trial that ended with a ModelError, which it printed


def try_out(path: Path, module: str) -> None:
    """Raise ModelError for a file that `load_here` of the module refuses, or that crashes it."""
    command = [sys.executable, '-m', __name__, module, str(path)]
    try:
        trial = subprocess.run(command, capture_output=True, text=True, timeout=TRIAL_SECONDS)
    except subprocess.TimeoutExpired:
        raise ModelError(
            f'the model file {path} is damaged: it did not load in {TRIAL_SECONDS} s'
        ) from None
    if trial.returncode == REFUSED:
        raise ModelError(trial.stdout.strip())
    if trial.returncode < 0:
        name = signal.Signals(-trial.returncode).name
        raise ModelError(f'the model file {path} is damaged: loading it ended in {name}')
    if trial.returncode:
        reason = trial.stderr.strip().rpartition('\n')[2]
        raise ModelError(f'the model file {path} could not be tried out: {reason}')


def main() -> int:
    """Load the file; return 0, or REFUSED after saying why."""
    module, path = sys.argv[1:]
    try:
        import_module(module).load_here(Path(path))
    except ModelError as error:
        print(error)
        return REFUSED
    return 0


if __name__ == '__main__':
    sys.exit(main())
