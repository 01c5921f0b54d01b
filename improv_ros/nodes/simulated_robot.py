# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The simulated robot: a body with physics in the place of the hardware."""

from __future__ import annotations

if __name__ == '__main__':  # the imports below take a second, in which Ctrl-C may come
    from improv_ros.nodes.common.executable import simulated_robot

    raise SystemExit(simulated_robot())

import time

from builtin_interfaces.msg import Time
from rclpy.clock import Clock, ClockType
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from improv_ros.event_text import SECOND, TimedEvent
from improv_ros.nodes.common.arguments import parse_arguments
from improv_ros.nodes.common.bodies import load_body
from improv_ros.nodes.common.managed_node import ManagedNode, run
from improv_ros.nodes.common.note_topics import CHAIN_QOS, NoteListener, NotePublisher
from improv_ros.nodes.common.parameters import Setting
from improv_ros.performing.trajectory import Point
from improv_ros.simulation.joint_controller import RefusedError, Trajectory
from improv_ros.simulation.simulated_body import SimulatedBody

PERIOD = 0.005  # seconds between advances, in each of which several steps are made
LONGEST_GAP = 2 * SECOND  # that is simulated; a longer one, as after a suspension, is skipped
REFUSAL_SHOWN = 10 * SECOND  # for which diagnostics warn of a refused trajectory

SETTINGS = (
    Setting(
        'body', 'marimba_arms', 'A shipped body (drums_8, marimba_arms, piano_88), or a YAML file'
    ),
    Setting('joint_state_rate', 50.0, 'Rate at which joint_states is published', 'Hz', 1.0, 500.0),
    Setting(
        'goal_tolerance',
        0.002,
        'How far from its goal a joint may be, when a trajectory ends, without being counted; '
        'in the unit of the body file',
        '',
        0.0,
        1e6,
    ),
    Setting(
        'goal_time',
        0.02,
        'Time after the end of a trajectory at which that is checked',
        's',
        0.0,
        10.0,
    ),
)


class SimulatedRobot(ManagedNode):
    """Follows `strikes` and `joint_trajectory`; publishes `body_notes` and `joint_states`."""

    def __init__(self) -> None:
        super().__init__('simulated_robot', SETTINGS)
        self._notes: NotePublisher | None = None

    def configure(self) -> None:
        """Read the file of the body; create the publishers."""
        self._body = load_body(self.settings['body'])
        self._notes = NotePublisher(self, 'body_notes', self.time)
        self._states = self.create_publisher(JointState, 'joint_states', CHAIN_QOS)

    def activate(self) -> None:
        """Begin to simulate, with all joints at rest where the body file starts them."""
        now = self.time.now()
        self._simulated = SimulatedBody(
            self._body,
            now,
            self.settings['goal_tolerance'],
            round(self.settings['goal_time'] * SECOND),
        )
        self._began, self._busy = time.monotonic(), 0.0
        self._refused, self._refusal, self._refused_at = 0, '', 0
        self._listener = NoteListener(self, 'strikes', self._strike, self.time)
        self._trajectories = self.create_subscription(
            JointTrajectory, 'joint_trajectory', self._follow, CHAIN_QOS
        )
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(PERIOD, self._advance, clock=steady)
        self._next_states = now
        self._subscribers = 0  # of body_notes at the last advance

    def deactivate(self) -> None:
        """Stop to simulate; end the notes that sound."""
        self.destroy_timer(self._timer)
        self._listener.destroy()
        self.destroy_subscription(self._trajectories)
        if self._notes:
            self._notes.publish(self._simulated.end_all())

    def cleanup(self) -> None:
        """Destroy the publishers."""
        if self._notes:
            self._notes.destroy()
            self.destroy_publisher(self._states)
            self._notes = None

    def health(self) -> tuple[str, dict[str, object]]:
        """Return the counts of impacts, late commands and trajectories, and the load."""
        elapsed = max(time.monotonic() - self._began, 1e-3)
        simulated = self._simulated
        return '', {
            'body': self._body.name,
            'impacts': simulated.impacts,
            'commands late': simulated.late_commands,
            'trajectories refused': self._refused,
            'goals missed': simulated.controller.goals_missed,
            'physics load (% of a core)': f'{100 * self._busy / elapsed:.1f}',
            **self._listener.figures(),
        }

    def warning(self) -> str:
        """Return why a trajectory was refused lately."""
        if self._refusal and self.time.now() < self._refused_at + REFUSAL_SHOWN:
            return f'a trajectory was refused: {self._refusal}'
        return ''

    def _strike(self, events: list[TimedEvent]) -> None:
        self._simulated.strike(events)

    def _follow(self, message: JointTrajectory) -> None:
        self._advance()
        start = message.header.stamp.sec * SECOND + message.header.stamp.nanosec
        start = start - self.time.ros_minus_local() if start else self.time.now()
        points = tuple(
            Point(
                start + point.time_from_start.sec * SECOND + point.time_from_start.nanosec,
                tuple(point.positions),
                tuple(point.velocities),
            )
            for point in message.points
        )
        try:
            self._simulated.follow(Trajectory(tuple(message.joint_names), points))
        except RefusedError as refusal:
            self._refused += 1
            self._refusal, self._refused_at = str(refusal), self.time.now()

    def _advance(self) -> None:
        now = self.time.now()
        if now - self._simulated.time > LONGEST_GAP:
            self._simulated.skip_to(now)
        began = time.thread_time()
        sounded = self._simulated.advance(now)
        self._busy += time.thread_time() - began
        assert self._notes is not None
        subscribers = self._notes.subscribers
        if subscribers > self._subscribers:  # a synthesiser that has just joined may be among them
            sounded = self._simulated.program_change() + sounded
        self._subscribers = subscribers
        if sounded:
            self._notes.publish(sounded)
        if now >= self._next_states:
            self._next_states = max(
                self._next_states + round(SECOND / self.settings['joint_state_rate']), now
            )
            self._states.publish(self._state_message())

    def _state_message(self) -> JointState:
        states = self._simulated.joint_states()
        stamp = self._simulated.time + self.time.ros_minus_local()
        message = JointState(
            name=states.names, position=states.positions, velocity=states.velocities
        )
        message.header.stamp = Time(sec=stamp // SECOND, nanosec=stamp % SECOND)
        return message


def main() -> int:
    """Run the node."""
    parse_arguments('simulated_robot', SETTINGS)
    return run(SimulatedRobot)
