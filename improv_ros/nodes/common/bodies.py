# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Finds the description of a robot body: a shipped one or a YAML file."""

from __future__ import annotations

from pathlib import Path

from improv_ros.bringup.shared_files import shared_file
from improv_ros.nodes.common.managed_node import NotReadyError
from improv_ros.performing.body import Body
from improv_ros.performing.body_file import BodyError, read_body

FOLDER = 'config/bodies'


def load_body(name: str) -> Body:
    """Return the shipped body with this name, or the body that a YAML file describes.

    NotReadyError with the reason and the shipped names, where there is none.
    """
    try:
        if Path(name).suffix:
            return read_body(name)
        folder = shared_file(FOLDER)
        shipped = sorted(path.stem for path in folder.glob('*.yaml'))
        if name not in shipped:
            raise NotReadyError(
                f'there is no body {name!r}; give a .yaml file or one of {", ".join(shipped)}'
            )
        return read_body(folder / f'{name}.yaml')
    except (BodyError, FileNotFoundError) as error:
        raise NotReadyError(str(error)) from error
