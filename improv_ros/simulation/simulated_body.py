# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A body with physics in the place of the hardware: commands in, impacts and joint states out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

import mujoco
import numpy as np

from improv_ros.event_text import (
    SECOND,
    TimedEvent,
    control_change,
    is_note_off,
    is_note_on,
    note_off,
    note_on,
)
from improv_ros.event_text.events import SUSTAIN
from improv_ros.performing.body import Body
from improv_ros.simulation.joint_controller import JointController, Trajectory
from improv_ros.simulation.layout import layout_of
from improv_ros.simulation.scene import STEP, scene_of
from improv_ros.simulation.stroke import strokes_of

STEP_NS = round(STEP * SECOND)
PERCUSSION = 9  # channel of General MIDI's percussion
REST, WAIT, PUSH, HOLD = range(4)  # what the driver of a striker does
LONGEST_PUSH = 1.5  # in flights of an ideal stroke; a push ends at the impact, at the latest then
AWAY = 0.7  # share of the stroke: a head that is back here has left its key
RING = SECOND // 2  # how long a key sounds that is hit and not held
RETURN = 4.5  # angular frequency of the return, in 1 / (half of `repeat`)
FASTEST_RETURN = 120.0  # 1/s; with the lag of the drive and the step, faster ones overshoot


@dataclass(frozen=True)
class Impact:
    """A head that hit a key. striker: its number; pitch: of the key; speed: in m/s."""

    time: int
    striker: int
    pitch: int
    velocity: int
    speed: float


@dataclass
class JointStates:
    """The joints of a model: positions in the unit of the file or radians, and their speeds."""

    names: list[str]
    positions: list[float]
    velocities: list[float]


class SimulatedBody:
    """
    The model of one body, with the controller of its joints and the drivers of its strikers.

    start: the time at which the simulation begins; all times are nanoseconds of one clock.
    goal_tolerance, goal_time: as of JointController.

    It is moved in steps of `STEP` by `advance`.
    """

    def __init__(
        self, body: Body, start: int, goal_tolerance: float = 0.0, goal_time: int = 0
    ) -> None:
        self.body = body
        self.time = start
        self.impacts = 0
        self.late_commands = 0  # that were received after their time
        self.model = mujoco.MjModel.from_xml_string(scene_of(body))
        self.data = mujoco.MjData(self.model)
        layout = layout_of(body)
        self._scale = layout.scale
        self._strokes = strokes_of(body)
        self._commands: list[TimedEvent] = []  # in the order of time
        self._sounding: dict[int, tuple[int, int]] = {}  # pitch: (striker, when it ends; 0: open)
        self._new: list[TimedEvent] = []
        self._new_impacts: list[Impact] = []
        self._channel = PERCUSSION if body.program is None else 0
        self._random = np.random.default_rng(0)
        self._set_up_strikers(layout.places)
        moving = [place for place in layout.places if place.moves]
        names = [place.name for place in moving]
        starts = {s.name: s.positions[s.start] or 0.0 for s in body.strikers if s.travel}
        self._rails = self._addresses(names)
        self._position_drives = self._actuators([f'{name}_position' for name in names])
        self._speed_drives = self._actuators([f'{name}_speed' for name in names])
        self._setpoints = np.array([starts[name] for name in names])
        self._top_speed = body.physics.speed or body.speed or np.inf
        self.controller = JointController(
            names, [starts[name] for name in names], goal_tolerance, goal_time
        )
        self.data.qpos[self._rails] = self._setpoints * self._scale
        self._set_drives(self._setpoints, np.zeros(len(names)))
        self.data.act[:] = self.data.ctrl[self._filtered()]
        mujoco.mj_forward(self.model, self.data)

    def strike(self, events: Iterable[TimedEvent]) -> None:
        """Take events of `strikes`, whose pitches are the numbers of strikers."""
        for event in events:
            if event.kind == 'cl':
                self._commands = [c for c in self._commands if c.time < event.time]
            elif event.time < self.time - STEP_NS:
                self.late_commands += 1
            self._commands.append(event)
        self._commands.sort(key=attrgetter('time'))

    def follow(self, trajectory: Trajectory) -> None:
        """Follow a trajectory from now on; RefusedError if it is against the rules."""
        self.controller.accept(trajectory, self.time)

    def advance(self, now: int) -> list[TimedEvent]:
        """Move on to a time; return what sounded since the last call, at the times of the impacts.

        The pitches are those of the keys that were hit.
        """
        while self.time + STEP_NS <= now:
            self._step()
        events, self._new = self._new, []
        return sorted(events, key=lambda event: (event.time, is_note_on(event)))

    def program_change(self) -> list[TimedEvent]:
        """Return the event that makes a synthesiser sound like the body."""
        if self.body.program is None:
            return []
        return [TimedEvent(self.time, 'pc', (0, self.body.program))]

    def skip_to(self, now: int) -> None:
        """Continue at a time without simulating what was until then."""
        self.time = now

    def end_all(self) -> list[TimedEvent]:
        """Return the ends of all notes that sound."""
        self._end_sounds(range(len(self._mode)), self.time, ringing=True)
        events, self._new = self._new, []
        return events

    def take_impacts(self) -> list[Impact]:
        """Return the impacts since the last call."""
        impacts, self._new_impacts = self._new_impacts, []
        return impacts

    def joint_states(self) -> JointStates:
        """Return where all joints are: those along the keys first."""
        rails, strokes = self._rails, self._joints
        positions, speeds = self.data.qpos, self.data.qvel
        return JointStates(
            [*self.controller.joints, *self._stroke_names],
            [*(positions[rails] / self._scale).tolist(), *positions[strokes].tolist()],
            [*(speeds[rails] / self._scale).tolist(), *speeds[strokes].tolist()],
        )

    def set_joint_states(self, names: Sequence[str], positions: Sequence[float]) -> None:
        """Put the joints where `joint_states` told that they were."""
        for name, position in zip(names, positions, strict=True):
            scale = self._scale if name in self.controller.joints else 1.0
            self.data.joint(name).qpos[0] = position * scale
        mujoco.mj_forward(self.model, self.data)

    def _set_up_strikers(self, places: Sequence) -> None:
        body, count = self.body, len(places)
        self._stroke_names = [place.drive for place in places]
        self._joints = self._addresses(self._stroke_names)
        self._drives = self._actuators(self._stroke_names)
        self._levers = np.array([place.lever or 1.0 for place in places])
        self._contacts = np.array([place.contact for place in places])
        self._mode = np.full(count, REST)
        self._until = np.zeros(count, dtype=np.int64)  # when waiting or pushing ends
        self._velocity = np.zeros(count, dtype=int)
        self._near = np.zeros(count, dtype=bool)  # it has hit and has not left the key yet
        self._force = np.zeros(count)
        self._before = np.zeros(count)  # joint positions one step ago
        stiffness = min(RETURN / (body.repeat / SECOND / 2), FASTEST_RETURN) ** 2
        self._stiffness = body.physics.striker_mass * stiffness
        self._damping = 2 * body.physics.striker_mass * np.sqrt(stiffness)
        heads = [mujoco.mj_name2id(self.model, GEOM, f'{p.name}_head') for p in places]
        self._striker_of_geom = {head: number for number, head in enumerate(heads)}
        self._pitch_of_geom = {
            mujoco.mj_name2id(self.model, GEOM, f'key_{pitch}'): pitch
            for pitch in body.pitches
            if mujoco.mj_name2id(self.model, GEOM, f'key_{pitch}') >= 0
        }

    def _addresses(self, names: Sequence[str]) -> np.ndarray:
        return np.array([self.model.joint(name).qposadr[0] for name in names], dtype=int)

    def _actuators(self, names: Sequence[str]) -> np.ndarray:
        return np.array([self.model.actuator(name).id for name in names], dtype=int)

    def _filtered(self) -> np.ndarray:
        """Return the numbers of the actuators with a lag, which have an activation."""
        return np.flatnonzero(self.model.actuator_actnum)

    def _step(self) -> None:
        """Move on by one step; the state at `self.time` becomes that at the next step."""
        while self._commands and self._commands[0].time <= self.time:
            self._obey(self._commands.pop(0))
        if len(self._rails):
            self._move_rails()
        self._drive_strikers()
        here = self.data.qpos[self._joints]
        mujoco.mj_step(self.model, self.data)
        # The contacts are those at the beginning of the step, `here`.
        self._notice_impacts(here)
        self._before = here
        self.time += STEP_NS

    def _obey(self, event: TimedEvent) -> None:
        if event.kind == 'cl':
            self._mode[:] = REST
            self._end_sounds(range(len(self._mode)), event.time)
        elif event.kind == 'cc' and event.values[1] == SUSTAIN:
            self._new.append(control_change(event.time, SUSTAIN, event.values[2]))
        elif event.kind in ('no', 'nf') and 0 <= event.values[0] < len(self._mode):
            striker = event.values[0]
            if is_note_off(event):
                if self._mode[striker] in (HOLD, PUSH) and self.body.holds:
                    self._mode[striker] = REST
                return
            velocity = event.values[1]
            self._mode[striker] = WAIT
            self._velocity[striker] = velocity
            self._until[striker] = event.time + self._strokes.wait[velocity] * SECOND
            self._near[striker] = False

    def _move_rails(self) -> None:
        positions, speeds = self.controller.at(self.time + STEP_NS)
        step = self._top_speed * STEP
        ways = np.clip(np.array(positions) - self._setpoints, -step, step)
        self._setpoints = self._setpoints + ways
        self._set_drives(
            self._setpoints, np.clip(np.array(speeds), -self._top_speed, self._top_speed)
        )
        self.controller.check_goal(self.time, (self.data.qpos[self._rails] / self._scale).tolist())

    def _set_drives(self, positions: np.ndarray, speeds: np.ndarray) -> None:
        self.data.ctrl[self._position_drives] = positions * self._scale
        self.data.ctrl[self._speed_drives] = speeds * self._scale

    def _drive_strikers(self) -> None:
        mode, strokes = self._mode, self._strokes
        ended = self._until <= self.time
        begin = (mode == WAIT) & ended
        if begin.any():
            mode[begin] = PUSH
            flights = strokes.flight[self._velocity[begin]] * SECOND * LONGEST_PUSH
            self._until[begin] += flights.astype(np.int64)
            spread = 1 + self.body.physics.spread * self._random.standard_normal(begin.sum())
            self._force[begin] = strokes.force[self._velocity[begin]] * spread
        mode[(mode == PUSH) & ended & ~begin] = HOLD if self.body.holds else REST
        ways = self.data.qpos[self._joints] * self._levers
        speeds = self.data.qvel[self._joints] * self._levers
        forces = -self._stiffness * ways - self._damping * speeds
        pushing = (mode == PUSH) | (mode == HOLD)
        forces[pushing] = self._force[pushing]
        self.data.ctrl[self._drives] = forces * self._levers

    def _notice_impacts(self, here: np.ndarray) -> None:
        deepest: dict[int, tuple[float, int]] = {}  # striker: (distance to a key, its pitch)
        contact = self.data.contact
        for geoms, distance in zip(contact.geom.tolist(), contact.dist.tolist(), strict=True):
            for head, key in (geoms, geoms[::-1]):
                striker, pitch = self._striker_of_geom.get(head), self._pitch_of_geom.get(key)
                if striker is not None and pitch is not None and not self._near[striker]:
                    deepest[striker] = min(deepest.get(striker, (0.0, pitch)), (distance, pitch))
        for striker, (_, pitch) in deepest.items():
            self._hit(striker, pitch, here[striker])
        left = self._near & (here < AWAY * self._contacts)
        if left.any():
            self._near[left] = False
            if self.body.holds:
                self._end_sounds(np.flatnonzero(left).tolist(), self.time)
        for pitch, (_, end) in list(self._sounding.items()):
            if end and end <= self.time:
                del self._sounding[pitch]
                self._new.append(note_off(end, pitch, channel=self._channel))

    def _hit(self, striker: int, pitch: int, here: float) -> None:
        """Notice an impact between the step before and `here`, the position of the joint now."""
        before, contact = self._before[striker], self._contacts[striker]
        self._near[striker] = True
        if here <= before:
            return
        share = float(np.clip((contact - before) / (here - before), 0.0, 1.0))
        time = self.time - STEP_NS + round(share * STEP_NS)
        speed = float((here - before) * self._levers[striker] / STEP)
        velocity = self._strokes.velocity_of(speed)
        if self._mode[striker] == PUSH:
            self._mode[striker] = HOLD if self.body.holds else REST
        if pitch in self._sounding:
            self._new.append(note_off(time, pitch, channel=self._channel))
        self._sounding[pitch] = (striker, 0 if self.body.holds else time + RING)
        self._new.append(note_on(time, pitch, velocity, self._channel))
        self._new_impacts.append(Impact(time, striker, pitch, velocity, speed))
        self.impacts += 1

    def _end_sounds(self, strikers: Iterable[int], time: int, ringing: bool = False) -> None:
        """End the notes that strikers hold; those that ring of themselves only if `ringing`."""
        ended = set(strikers)
        for pitch, (striker, end) in list(self._sounding.items()):
            if striker in ended and (ringing or not end):
                del self._sounding[pitch]
                self._new.append(note_off(time, pitch, channel=self._channel))


GEOM = mujoco.mjtObj.mjOBJ_GEOM
