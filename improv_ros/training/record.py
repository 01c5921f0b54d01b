"""What started a training run, on what, with which software: the file record.json."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
import json
import os
from pathlib import Path
import platform
from typing import Any

from .whole_file import write_whole


def write_record(folder: Path, command: str, **what: Any) -> None:
    """Add this start to the folder's record.json; `what` is options, checksums and the like."""
    path = folder / 'record.json'
    starts = read_record(folder)
    starts.append({'started': _now(), 'command': command, **what, 'software': software()})
    text = json.dumps(starts, indent=1, ensure_ascii=False) + '\n'
    write_whole(path, lambda file: file.write(text.encode()))


def read_record(folder: Path) -> list[dict[str, Any]]:
    """Return every start of the run in a folder, the first one first."""
    try:
        return json.loads((folder / 'record.json').read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return []


def software() -> Mapping[str, str | int]:
    """Return what trains here: versions, the Keras backend, how many cores and accelerators."""
    import keras

    backend = keras.backend.backend()
    packages = {'tensorflow': ('tensorflow', 'tensorflow-cpu'), 'jax': ('jax',)}
    found = {
        'python': platform.python_version(),
        'machine': platform.machine(),
        'cores': os.cpu_count() or 1,
        'keras': keras.version(),
        'backend': backend,
    }
    for name in packages.get(backend, (backend,)):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec='seconds')
