# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What was learnt of one person, kept in a file between sessions.

A profile has the adapted heads, as differences from the shipped ones in 16 bits, the weights of
the mixture, and the events in the memory of motifs. It names the heads that it belongs to by
their checksum. Nothing in it is executed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
import re
from typing import NamedTuple
import zipfile

import numpy as np

from improv_ros.improvising.network.vocabulary import (
    EVENT_TYPES,
    PRESS,
    RELEASE,
    TIME_BINS,
    VELOCITY_BINS,
)
from improv_ros.improvising.partner.learnt import Learnt
from improv_ros.improvising.partner.motif_memory import MAX_EVENTS
from improv_ros.improvising.partner.output_heads import Heads, OutputHeads

VERSION = 'partner-1'
LARGEST_FILE = 16 * 2**20  # bytes, uncompressed
LARGEST_CHANGE = 100.0  # of a weight
_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9_-]{0,63}')


class ProfileError(ValueError):
    """A profile cannot be used: a sentence that names it and says why."""


class Profile(NamedTuple):
    """What is kept of one person. steps: the events remembered, int (events, 3)."""

    learnt: Learnt
    steps: np.ndarray


def profiles_folder() -> Path:
    """Return the folder of all profiles of this user."""
    base = os.environ.get('XDG_DATA_HOME') or Path.home() / '.local' / 'share'
    return Path(base, 'improv_ros', 'partners')


class ProfileFile:
    """The profile of one person, which one robot at a time may change.

    name: of the person: letters, digits, - and _. Raises ProfileError for any other name.
    """

    def __init__(self, name: str, shipped: OutputHeads, folder: Path | None = None) -> None:
        if not _NAME.fullmatch(name):
            raise ProfileError(
                f'partner is {name!r}: use letters, digits, - and _, at most 64 of them'
            )
        self._shipped = shipped
        self.path = (folder or profiles_folder()) / f'{name}.npz'
        self._lock: int | None = None

    def lock(self) -> None:
        """Reserve the profile. Raises ProfileError if another robot has, or it is impossible."""
        path = self.path.with_suffix('.lock')
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ProfileError(f'the profile {self.path} cannot be kept: {error}') from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise ProfileError(f'the profile {self.path} is in use by another robot') from None
        self._lock = lock

    def unlock(self) -> None:
        """Let other robots use the profile."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def read(self) -> Profile | None:
        """Return the profile, None if there is none yet.

        Raises ProfileError if it is damaged, or belongs to another network.
        """
        try:
            with zipfile.ZipFile(self.path) as archive:
                if sum(member.file_size for member in archive.infolist()) > LARGEST_FILE:
                    raise ValueError(f'its contents are larger than {LARGEST_FILE} bytes')
            with np.load(self.path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            return self._profile(arrays)
        except FileNotFoundError:
            return None
        except ProfileError:
            raise
        except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise ProfileError(f'the profile {self.path} is damaged: {error}') from error

    def write(self, profile: Profile) -> None:
        """Replace the profile, completely or not at all. Raises ProfileError if it cannot be."""
        unfinished = self.path.with_name(f'part-{os.getpid()}-{self.path.name}')
        home = self._shipped.heads.arrays
        changes = {
            f'change_{i}': (ours - shipped).astype(np.float16)
            for i, (ours, shipped) in enumerate(
                zip(profile.learnt.heads.arrays, home, strict=True)
            )
        }
        try:
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, 'wb') as file:
                np.savez_compressed(
                    file,
                    version=np.array(VERSION),
                    shipped=np.array(self._shipped.checksum),
                    weights=profile.learnt.weights,
                    notes=np.array(profile.learnt.notes),
                    steps=profile.steps.astype(np.int16),
                    **changes,
                )
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, self.path)
        except OSError as error:
            raise ProfileError(f'the profile {self.path} could not be kept: {error}') from error
        finally:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)

    def _profile(self, arrays: dict[str, np.ndarray]) -> Profile:
        if str(arrays['version']) != VERSION:
            raise ProfileError(f'the profile {self.path} is of another version of improv_ros')
        if str(arrays['shipped']) != self._shipped.checksum:
            raise ProfileError(f'the profile {self.path} belongs to another network')
        home = self._shipped.heads.arrays
        ours = []
        for i, shipped in enumerate(home):
            change = _checked(arrays[f'change_{i}'], shipped.shape, LARGEST_CHANGE)
            ours.append(shipped + change.astype(np.float32))
        nothing = Learnt.nothing(self._shipped)
        weights = _checked(arrays['weights'], nothing.weights.shape, LARGEST_CHANGE)
        steps = arrays['steps'].astype(np.int64)
        _check_steps(steps)
        learnt = Learnt(Heads.of_arrays(ours), weights.astype(np.float64))
        return Profile(learnt._replace(notes=int(arrays['notes'])), steps)


def _checked(array: np.ndarray, shape: tuple[int, ...], largest: float) -> np.ndarray:
    if array.shape != shape or array.dtype.kind != 'f':
        raise ValueError(f'an array is {array.dtype} {array.shape}, not of floats {shape}')
    if not np.all(np.abs(array) <= largest):
        raise ValueError('a weight is too large or not a number')
    return array


def _check_steps(steps: np.ndarray) -> None:
    if steps.ndim != 2 or steps.shape[1] != 3 or len(steps) > MAX_EVENTS:
        raise ValueError(f'the events have the shape {steps.shape}')
    time, event_type, velocity = steps.T
    pressed = (event_type >= PRESS) & (event_type < RELEASE)
    right = (time >= 0) & (time < TIME_BINS) & (event_type >= 0) & (event_type < EVENT_TYPES)
    right &= np.where(pressed, (velocity >= 1) & (velocity <= VELOCITY_BINS), velocity == 0)
    if not right.all():
        raise ValueError('an event lies outside of the vocabulary')
