"""Loads a model file, so that a file that crashes whatever loads it crashes this process only."""

from __future__ import annotations

from pathlib import Path
import sys

from improv_ros.improvising.runtime import REFUSED, ModelError, load_here


def main() -> int:
    """Load the file that the command line names; return 0, or REFUSED after saying why."""
    try:
        load_here(Path(sys.argv[1]))
    except ModelError as error:
        print(error)
        return REFUSED
    return 0


if __name__ == '__main__':
    sys.exit(main())
