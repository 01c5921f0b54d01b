"""Finding a robot's body: one that is shipped, or a file."""

from __future__ import annotations

from pathlib import Path

from improv_ros.bringup import share
from improv_ros.nodes.managed_node import NotReadyError
from improv_ros.performing.body import Body
from improv_ros.performing.body_file import BodyError, read_body

FOLDER = 'config/bodies'


def load_body(name: str) -> Body:
    """Return the shipped body of this name, or the one that a YAML file describes.

    Raises NotReadyError naming what is wrong and what there is to choose from.
    """
    try:
        if Path(name).suffix:
            return read_body(name)
        folder = share(FOLDER)
        shipped = sorted(path.stem for path in folder.glob('*.yaml'))
        if name not in shipped:
            raise NotReadyError(
                f'there is no body {name!r}; give a .yaml file or one of {", ".join(shipped)}'
            )
        return read_body(folder / f'{name}.yaml')
    except (BodyError, FileNotFoundError) as error:
        raise NotReadyError(str(error)) from error
