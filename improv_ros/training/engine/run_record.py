# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""record.json: the command, data and software of every start of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
import json
import os
from pathlib import Path
import platform
from typing import Any

from improv_ros.training.engine.atomic_file import write_atomically


def write_record(folder: Path, command: str, **details: Any) -> None:
    """Append this start to record.json of a folder; details: options, checksums and the like."""
    path = folder / 'record.json'
    starts = read_record(folder)
    starts.append({'started': _now(), 'command': command, **details, 'software': software()})
    text = json.dumps(starts, indent=1, ensure_ascii=False) + '\n'
    write_atomically(path, lambda file: file.write(text.encode()))


def read_record(folder: Path) -> list[dict[str, Any]]:
    """Return every start of the run in a folder, the oldest first; [] without a record."""
    try:
        return json.loads((folder / 'record.json').read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return []


def software() -> Mapping[str, str | int]:
    """Return the versions of Python, Keras and its backend, the architecture and the CPU cores."""
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
