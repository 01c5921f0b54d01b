# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Files that are installed with the package: parameters, robot bodies, demo music, profiles."""

from __future__ import annotations

import contextlib
from pathlib import Path
import sysconfig

import yaml

PACKAGE = 'improv_ros'
SHIPPED = 'config/improv.yaml'  # every parameter of every node, with its default


def shared_file(name: str) -> Path:
    """Return the path of a shared file (`config/improv.yaml`), however the package was installed.

    Raises FileNotFoundError with the folders that were searched.
    """
    places = [Path(__file__).parents[2], Path(sysconfig.get_path('data')) / 'share' / PACKAGE]
    with contextlib.suppress(ImportError, LookupError, OSError):
        from ament_index_python import get_package_share_directory

        places.insert(1, Path(get_package_share_directory(PACKAGE)))
    for place in places:
        if (place / name).exists():
            return place / name
    raise FileNotFoundError(f'{name} was not found in {", ".join(map(str, places))}')


def shipped_parameters() -> dict[str, dict[str, object]]:
    """Return the default parameters of each node, as the shipped parameter file lists them."""
    sections = yaml.safe_load(shared_file(SHIPPED).read_text())
    return {
        name.rpartition('/')[2]: section['ros__parameters'] for name, section in sections.items()
    }
