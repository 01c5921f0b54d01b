# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The performer node: from `generated_notes` to the commands of a robot's body."""

from __future__ import annotations

if __name__ == '__main__':  # the imports below take a second, in which Ctrl-C may come
    from improv_ros.nodes.common.executable import robot_performer

    raise SystemExit(robot_performer())

from collections import deque
import os
from pathlib import Path

from builtin_interfaces.msg import Duration, Time
from rclpy.clock import Clock, ClockType
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from improv_ros.event_text import SECOND, LatencyCurve, TimedEvent, is_note_on
from improv_ros.nodes.common.arguments import parse_arguments
from improv_ros.nodes.common.bodies import load_body
from improv_ros.nodes.common.latency_figures import LatencyFigures
from improv_ros.nodes.common.managed_node import ManagedNode, NotReadyError, run
from improv_ros.nodes.common.note_topics import CHAIN_QOS, NoteListener, NotePublisher
from improv_ros.nodes.common.parameters import Setting
from improv_ros.performing.body import Body, with_latency
from improv_ros.performing.learned_body import BodyLearner
from improv_ros.performing.performer import Performer, PerformerOutput
from improv_ros.performing.planner import TICK
from improv_ros.performing.trajectory import Point

LATEST_NOTES = 8  # whose lateness diagnostics show

SETTINGS = (
    Setting(
        'body', 'piano_88', 'A shipped body (drums_8, marimba_arms, piano_88), or a YAML file'
    ),
    Setting(
        'room',
        '',
        'Calibration by improv calibrate --body, whose latency replaces that of the body file: '
        'its name, or the path of its folder; empty: none',
    ),
    Setting(
        'lookahead',
        0.12,
        'Shortest time from publishing a command to its sound; a later note is dropped',
        's',
        0.01,
        5.0,
    ),
    Setting(
        'feedback',
        'commanded',
        'What played_notes contains: commanded (what a body that obeys its commands plays), or '
        'body (what the body reports on body_notes)',
        choices=('commanded', 'body'),
    ),
    Setting(
        'learn',
        True,
        'With feedback body: learn the latency of each striker from body_notes, and the speed of '
        'the joints from joint_states; not with the latency of a room, which is that of the sound',
    ),
    Setting(
        'learned_file',
        '',
        'YAML file in which what was learned is kept; empty: one per body in '
        '~/.local/state/improv_ros/bodies',
    ),
)


class RobotPerformer(ManagedNode):
    """Publishes the strikes and moves of a body ahead of time, and the notes that sounded."""

    def __init__(self) -> None:
        super().__init__('robot_performer', SETTINGS)
        self._body: Body = None  # type: ignore[assignment]  # not before configure
        self._measured = False  # whether the latency of the body is that of a calibration

    def configure(self) -> None:
        """Read the file of the body; create the publishers."""
        body = self._calibrated(load_body(self.settings['body']))
        if self._lookahead() < body.scheduling_lead + 2 * TICK:
            raise NotReadyError(
                f'lookahead is {self.settings["lookahead"]:g} s, but {body.name} needs '
                f'{(body.scheduling_lead + 2 * TICK) / SECOND:.3f} s from a command to its sound: '
                'set lookahead to at least that'
            )
        self._body = body
        self._performed = NotePublisher(self, 'performed_notes', self.time)
        self._strikes = NotePublisher(self, 'strikes', self.time)
        self._played = NotePublisher(self, 'played_notes', self.time)
        self._trajectory = self.create_publisher(JointTrajectory, 'joint_trajectory', CHAIN_QOS)

    def activate(self) -> None:
        """Move the joints to their start, and begin to perform."""
        self._lead = LatencyFigures()
        self._lateness = LatencyFigures()
        self._learner = self._load_learner()
        self._latest: deque[str] = deque(maxlen=LATEST_NOTES)
        self._performer = Performer(
            self._body, self._lookahead(), self.time.now(), learner=self._learner
        )
        self._listener = NoteListener(self, 'generated_notes', self._add_notes, self.time)
        self._controllers = 0  # subscribers of joint_trajectory at the last tick
        self._reports = None
        if self.settings['feedback'] == 'body':
            self._reports = NoteListener(self, 'body_notes', self._pass_reports_on, self.time)
            self._states = self.create_subscription(
                JointState, 'joint_states', self._learn_from_joints, CHAIN_QOS
            )
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(TICK / SECOND, self._advance, clock=steady)

    def deactivate(self) -> None:
        """Withdraw everything, and release all keys."""
        self.destroy_timer(self._timer)
        self._listener.destroy()
        self._publish(self._performer.stop(self.time.now()))
        self._publish_sounded()
        if self._reports:
            self._reports.destroy()
            self.destroy_subscription(self._states)
        self._save_learned()

    def cleanup(self) -> None:
        """Destroy the publishers."""
        if self._body:
            self._body = None  # type: ignore[assignment]
            for publisher in (self._performed, self._strikes, self._played):
                publisher.destroy()
            self.destroy_publisher(self._trajectory)

    def health(self) -> tuple[str, dict[str, object]]:
        """Return the counts of notes, their scheduling lead, and their lateness if reported."""
        counts = self._performer.planner.counts
        reported = {}
        if self._reports:
            reported = {
                **self._lateness.figures('lateness'),
                'lateness of latest notes (ms)': ' '.join(self._latest),
                'notes not reported': self._performer.lateness.missed,
                'notes not commanded': self._performer.lateness.unexpected,
                **self._learned_figures(),
                **self._reports.figures(),
            }
        return '', {
            'body': self._body.name,
            'notes received': counts.received,
            'notes performed': counts.performed,
            'notes folded': counts.folded,
            'notes out of range': counts.unplayable,
            'notes out of reach': counts.dropped,
            'notes too late': counts.late,
            'notes withdrawn': counts.withdrawn,
            **self._lead.figures('scheduling lead', (0, 0.5)),
            **reported,
            **self._listener.figures(),
        }

    def _learned_figures(self) -> dict[str, object]:
        if self._learner is None:
            return {}
        body = self._performer.planner.body
        learned = [
            (striker.latency(64) - self._body.latency(64)) / 1e6
            for striker in body.strikers
            if striker.latency
        ]
        mean = sum(learned) / len(learned) if learned else 0.0
        speed = {'speed learned': f'{body.speed:.3g}'} if body.speed else {}
        return {'latency learned (ms)': f'{mean:+.1f}', **speed}

    def _calibrated(self, body: Body) -> Body:
        """Return the body with the latency that a calibration has measured of it."""
        self._measured = False
        if not self.settings['room']:
            return body
        # Only here, because they load code for listening, which no other performer needs.
        from improv_ros.calibration.refusal import CalibrationError
        from improv_ros.calibration.room import body_output
        from improv_ros.calibration.room_folders import read_room

        try:
            latency = read_room(self.settings['room']).latency_of(body_output(body.name))
        except CalibrationError as error:
            raise NotReadyError(str(error)) from error
        if latency is None:
            return body
        self._measured = True
        curve = LatencyCurve((v, round(latency.at(v) * SECOND)) for v in latency.velocities)
        return with_latency(body, curve)

    def _lookahead(self) -> int:
        return round(self.settings['lookahead'] * SECOND)

    def _add_notes(self, events: list[TimedEvent]) -> None:
        self._publish(self._performer.add(events, self.time.now()))

    def _advance(self) -> None:
        controllers = self._trajectory.get_subscription_count()
        if controllers > self._controllers:
            self._performer.go_to_start(self.time.now())
        self._controllers = controllers
        self._publish(self._performer.advance(self.time.now()))
        self._publish_sounded()

    def _publish(self, output: PerformerOutput) -> None:
        if output.trajectory:
            self._trajectory.publish(self._trajectory_message(output.trajectory))
        if output.performed:
            self._strikes.publish(output.strikes)
            self._performed.publish(output.performed)
        for lead in output.leads:
            self._lead.add(lead)

    def _publish_sounded(self) -> None:
        sounded = self._performer.sounded(self.time.now())
        if sounded and not self._reports:
            self._played.publish(sounded)

    def _pass_reports_on(self, events: list[TimedEvent]) -> None:
        """Publish the notes that the body reports, and record how late they were."""
        self._played.publish(events)
        for event in filter(is_note_on, events):
            late = self._performer.report(event.time, event.values[0])
            if late is not None:
                self._lateness.add(late)
                self._latest.append(f'{event.values[0]}:{late / 1e6:+.1f}')

    def _learn_from_joints(self, message: JointState) -> None:
        if not self._learner or len(message.velocity) != len(message.name):
            return
        stamp = message.header.stamp.sec * SECOND + message.header.stamp.nanosec
        at = stamp - self.time.ros_minus_local()
        for joint, position, speed in zip(
            message.name, message.position, message.velocity, strict=True
        ):
            self._performer.report_joint(joint, at, position, speed)

    def _learned_file(self) -> Path:
        if self.settings['learned_file']:
            return Path(self.settings['learned_file']).expanduser()
        base = os.environ.get('XDG_STATE_HOME') or Path.home() / '.local' / 'state'
        name = Path(self.settings['body']).stem
        return Path(base) / 'improv_ros' / 'bodies' / f'{name}.yaml'

    def _load_learner(self) -> BodyLearner | None:
        if self.settings['feedback'] != 'body' or not self.settings['learn'] or self._measured:
            return None
        learner = BodyLearner(self._body)
        if learner.load(self._learned_file()):
            self.get_logger().info(f'using what was learned in {self._learned_file()}')
        return learner

    def _save_learned(self) -> None:
        if self._learner is None or not self._learner.latencies.observations:
            return
        try:
            self._learner.save(self._learned_file())
        except OSError as error:
            self.get_logger().warning(f'what was learned cannot be kept: {error}')

    def _trajectory_message(self, points: list[Point]) -> JointTrajectory:
        """Return a trajectory that begins now and replaces the one before."""
        now = self.time.now()
        stamp = now + self.time.ros_minus_local()
        message = JointTrajectory(joint_names=self._performer.planner.joints)
        message.header.stamp = Time(sec=stamp // SECOND, nanosec=stamp % SECOND)
        # Without a limit of acceleration the velocity has steps: positions alone are exact then.
        smooth = self._body.acceleration is not None
        for point in points:
            after = max(0, point.time - now)
            message.points.append(
                JointTrajectoryPoint(
                    positions=point.positions,
                    velocities=point.velocities if smooth else [],
                    time_from_start=Duration(sec=after // SECOND, nanosec=after % SECOND),
                )
            )
        return message


def main() -> int:
    """Run the node."""
    parse_arguments('robot_performer', SETTINGS)
    return run(RobotPerformer)
