# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Pictures of a body at work, drawn from the states of its joints, without a screen."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
import os
from pathlib import Path

import numpy as np
from PIL import Image

# MuJoCo chooses how it draws when it is imported; EGL needs no screen and no graphics card.
os.environ.setdefault('MUJOCO_GL', 'egl')
import mujoco

from improv_ros.event_text import SECOND, TimedEvent, is_note_on
from improv_ros.performing.body import Body
from improv_ros.simulation.simulated_body import SimulatedBody

SIZE = (480, 270)  # of a GIF, in pixels
PICTURE_SIZE = (960, 540)
FRAME_RATE = 15  # per second
LIT = SECOND // 6  # for which a key is lit after an impact
LIT_COLOUR = (1.0, 0.85, 0.25, 1.0)
COLOURS = 128  # of a GIF
ADVICE = 'apt install libegl1 libgl1-mesa-dri, or set MUJOCO_GL to osmesa or glfw'


class DrawingError(RuntimeError):
    """Pictures cannot be drawn: a sentence with the reason and a remedy."""


@dataclass
class Motion:
    """
    The motion of a body.

    joints: their names. poses: (time in nanoseconds, the positions of all joints), ascending.
    notes: the note-ons of its impacts.
    """

    joints: tuple[str, ...]
    poses: Sequence[tuple[int, tuple[float, ...]]]
    notes: Sequence[TimedEvent]

    def at(self, time: int) -> tuple[float, ...]:
        """Return the positions at a time, linear between poses; there must be one."""
        after = bisect_right(self.poses, time, key=itemgetter(0))
        if after == 0 or after == len(self.poses):
            return self.poses[min(after, len(self.poses) - 1)][1]
        (begin, here), (end, there) = self.poses[after - 1 : after + 1]
        share = (time - begin) / (end - begin)
        return tuple(a + (b - a) * share for a, b in zip(here, there, strict=True))


class Camera:
    """Takes pictures of one body; DrawingError where there is no way to draw."""

    def __init__(self, body: Body, size: tuple[int, int] = SIZE) -> None:
        self._simulated = SimulatedBody(body, 0)
        self._colours = self._simulated.model.geom_rgba.copy()
        width, height = size
        try:
            self._renderer = mujoco.Renderer(self._simulated.model, height, width)
        except Exception as error:  # each way to draw has errors of its own
            raise DrawingError(f'MuJoCo cannot draw without a screen: {ADVICE}') from error
        self._renderer.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False

    def picture(self, motion: Motion, time: int) -> np.ndarray:
        """Return a picture, uint8 of shape (height, width, 3), with the keys lit that were hit."""
        model = self._simulated.model
        model.geom_rgba[:] = self._colours
        for note in motion.notes:
            if is_note_on(note) and note.time <= time < note.time + LIT:
                model.geom(f'key_{note.values[0]}').rgba[:] = LIT_COLOUR
        self._simulated.set_joint_states(motion.joints, motion.at(time))
        self._renderer.update_scene(self._simulated.data, 'front')
        return self._renderer.render().copy()

    def close(self) -> None:
        """Give the resources of the graphics back."""
        self._renderer.close()


def write_gif(path: Path, camera: Camera, motion: Motion, begin: int, end: int) -> None:
    """Write the motion between two times as a GIF in real time."""
    pictures = list(_pictures(camera, motion, begin, end))
    pictures[0].save(
        path,
        save_all=True,
        append_images=pictures[1:],
        duration=round(1000 / FRAME_RATE),
        loop=0,
        optimize=True,
    )


def write_picture(path: Path, camera: Camera, motion: Motion, time: int) -> None:
    """Write the body at a time as a PNG."""
    Image.fromarray(camera.picture(motion, time)).save(path)


def _pictures(camera: Camera, motion: Motion, begin: int, end: int) -> Iterator[Image.Image]:
    # One palette for all, with the colour of a lit key, or still surfaces would flicker.
    hit = next((n.time for n in motion.notes if is_note_on(n) and begin <= n.time < end), begin)
    palette = Image.fromarray(camera.picture(motion, hit)).quantize(
        COLOURS, Image.Quantize.MAXCOVERAGE
    )
    for time in range(begin, end, SECOND // FRAME_RATE):
        picture = Image.fromarray(camera.picture(motion, time))
        yield picture.quantize(palette=palette, dither=Image.Dither.NONE)
