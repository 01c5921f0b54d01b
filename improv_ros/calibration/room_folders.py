# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The folders of calibrations: written completely or not at all, listed, read and removed.

A calibration is a link to a hidden folder beside it. A new one is written into a folder of its
own, and the link is replaced: at each moment it leads to the old one or to the new one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import fcntl
import json
import os
from pathlib import Path
import re
import shutil
import time

from improv_ros.calibration.refusal import CalibrationError
from improv_ros.calibration.room import Room

ROOM_FILE = 'room.json'
_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{0,63}')
_MARK = '~'  # in the names of hidden folders; in no name of a room


def rooms_folder() -> Path:
    """Return the folder of all calibrations of this user."""
    data = os.environ.get('XDG_DATA_HOME') or Path.home() / '.local' / 'share'
    return Path(data) / 'improv_ros' / 'rooms'


def check_name(name: str) -> None:
    """Raise CalibrationError where a name cannot be one of a room."""
    if not _NAME.fullmatch(name):
        raise CalibrationError(
            f'{name!r} cannot be the name of a room: use letters, digits, dots, hyphens and '
            'underscores, at most 64'
        )


@contextmanager
def writing_lock() -> Iterator[None]:
    """Hold what only one calibration can. Raises CalibrationError where another one has it."""
    folder = rooms_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise CalibrationError(f'{folder} cannot be written: {error.strerror}') from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise CalibrationError('another calibration is running: wait until it has ended') from None
    finally:
        os.close(descriptor)


def read_room(name: str) -> Room:
    """Return a calibration by its name, or by the path of its folder. Raises CalibrationError."""
    if os.sep in name:
        folder = Path(name).expanduser()
    else:
        check_name(name)
        folder = rooms_folder() / name
    try:
        about = json.loads((folder / ROOM_FILE).read_text(encoding='utf-8'))
    except FileNotFoundError:
        known = ', '.join(room_names()) or 'none yet'
        raise CalibrationError(
            f'there is no room {name} (there is: {known}): make it with improv calibrate {name}'
        ) from None
    except (OSError, ValueError) as error:
        raise CalibrationError(f'the room {name} cannot be read: {error}') from error
    if not isinstance(about, dict):
        raise CalibrationError(f'the room {name} is damaged: make it again')
    return Room.from_dict(about)


def room_names() -> list[str]:
    """Return the names of all calibrations of this user, sorted."""
    folder = rooms_folder()
    if not folder.is_dir():
        return []
    return sorted(
        path.name
        for path in folder.iterdir()
        if _NAME.fullmatch(path.name) and (path / ROOM_FILE).is_file()
    )


def write_room(room: Room, files: Mapping[str, bytes]) -> Path:
    """Write a calibration with other files beside it; return its folder.

    The caller holds `writing_lock`. Raises CalibrationError, and the one before stays as it was.
    """
    check_name(room.name)
    base = rooms_folder()
    place = base / room.name
    _sweep(place)
    made = base / f'.{room.name}{_MARK}{os.getpid()}-{time.monotonic_ns()}'
    link = made.with_name(made.name + '.link')
    text = json.dumps(room.as_dict(), indent=1, ensure_ascii=False).encode()
    try:
        made.mkdir(parents=True)
        for name, content in {**files, ROOM_FILE: text}.items():
            with (made / name).open('wb') as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        link.symlink_to(made.name)
        if place.is_dir() and not place.is_symlink():  # somebody copied it here
            place.rename(base / f'.{room.name}{_MARK}copied')
        os.replace(link, place)
    except OSError as error:
        link.unlink(missing_ok=True)
        shutil.rmtree(made, ignore_errors=True)
        raise CalibrationError(
            f'{place} could not be written ({error.strerror or error}); the calibration before '
            'is unchanged: free some disk space and run the same command again'
        ) from error
    _sweep(place)
    return place


def remove_room(name: str) -> None:
    """Remove a calibration. Raises CalibrationError where there is none."""
    check_name(name)
    place = rooms_folder() / name
    if not place.is_symlink() and not place.is_dir():
        read_room(name)  # says that there is none
    if place.is_symlink():
        place.unlink()
    else:
        shutil.rmtree(place)
    _sweep(place)


def _sweep(place: Path) -> None:
    """Remove the folders that are left of a calibration, except the one that is used."""
    used = os.readlink(place) if place.is_symlink() else ''
    for path in place.parent.glob(f'.{place.name}{_MARK}*'):
        if path.name == used:
            continue
        if path.is_symlink():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path, ignore_errors=True)
