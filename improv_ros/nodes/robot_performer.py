"""The performer node: `generated_notes` in, and out what a robot's body must do for them."""

from __future__ import annotations

from collections import deque
import sys

from builtin_interfaces.msg import Duration, Time
from rclpy.clock import Clock, ClockType
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from improv_ros.event_text import TimedEvent, is_note_on
from improv_ros.nodes.bodies import load_body
from improv_ros.nodes.latency import LatencyFigures
from improv_ros.nodes.managed_node import ManagedNode, NotReadyError, run
from improv_ros.nodes.note_topics import CHAIN_QOS, NoteListener, NotePublisher
from improv_ros.nodes.parameters import Setting
from improv_ros.performing.body import Body
from improv_ros.performing.performer import Announcement, Performer
from improv_ros.performing.planner import TICK
from improv_ros.performing.trajectory import SECOND, Point

LATEST_NOTES = 8  # of which diagnostics show how late each was

SETTINGS = (
    Setting('body', 'piano_88', 'A shipped body (drums_8, marimba_arms, piano_88) or a YAML file'),
    Setting(
        'lookahead',
        0.12,
        'Time from publishing a command to its sound, at least; a note that comes with less '
        'notice is dropped',
        's',
        0.01,
        5.0,
    ),
    Setting(
        'feedback',
        'commanded',
        'What played_notes tells: the commands as if obeyed to the letter, or what the body '
        'reports on body_notes',
        choices=('commanded', 'body'),
    ),
)


class RobotPerformer(ManagedNode):
    """Lets a body perform: publishes strikes and moves ahead of time, and tells what sounded."""

    def __init__(self) -> None:
        super().__init__('robot_performer', SETTINGS)
        self._body: Body | None = None

    def configure(self) -> None:
        """Read the body."""
        body = load_body(self.settings['body'])
        if self._lookahead() < body.notice + 2 * TICK:
            raise NotReadyError(
                f'lookahead is {self.settings["lookahead"]:g} s, but {body.name} needs '
                f'{(body.notice + 2 * TICK) / SECOND:.3f} s from a command to its sound: '
                'give lookahead at least that'
            )
        self._body = body
        self._performed = NotePublisher(self, 'performed_notes', self.time)
        self._strikes = NotePublisher(self, 'strikes', self.time)
        self._played = NotePublisher(self, 'played_notes', self.time)
        self._trajectory = self.create_publisher(JointTrajectory, 'joint_trajectory', CHAIN_QOS)

    def activate(self) -> None:
        """Move to the start, and begin to perform."""
        self._notice = LatencyFigures()
        self._late = LatencyFigures()
        self._latest: deque[str] = deque(maxlen=LATEST_NOTES)
        self._performer = Performer(self._body, self._lookahead(), self.time.now())
        self._listener = NoteListener(self, 'generated_notes', self._hear, self.time)
        self._followers = 0  # joint controllers that know where the joints should be
        self._reports = None
        if self.settings['feedback'] == 'body':
            self._reports = NoteListener(self, 'body_notes', self._reported, self.time)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(TICK / SECOND, self._advance, clock=steady)

    def deactivate(self) -> None:
        """Withdraw what is to come, and let go of everything."""
        self.destroy_timer(self._timer)
        self._listener.destroy()
        self._announce(self._performer.stop(self.time.now()))
        self._tell_what_sounded()
        if self._reports:
            self._reports.destroy()

    def cleanup(self) -> None:
        """Let go of the topics."""
        if self._body:
            self._body = None
            for publisher in (self._performed, self._strikes, self._played):
                publisher.destroy()
            self.destroy_publisher(self._trajectory)

    def health(self) -> tuple[str, dict[str, object]]:
        """Tell what became of the notes, with how much notice, and how late they sounded."""
        counts = self._performer.planner.counts
        reported = {}
        if self._reports:
            reported = {
                **self._late.figures('lateness'),
                'lateness of latest notes (ms)': ' '.join(self._latest),
                'notes not reported': self._performer.lateness.missed,
                'notes not commanded': self._performer.lateness.unexpected,
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
            'notice shortest (ms)': f'{self._notice.percentile(0):.1f}',
            'notice p50 (ms)': f'{self._notice.percentile(0.5):.1f}',
            **reported,
            **self._listener.figures(),
        }

    def _lookahead(self) -> int:
        return round(self.settings['lookahead'] * SECOND)

    def _hear(self, events: list[TimedEvent]) -> None:
        self._announce(self._performer.hear(events, self.time.now()))

    def _advance(self) -> None:
        followers = self._trajectory.get_subscription_count()
        if followers > self._followers:
            self._performer.go_to_start(self.time.now())
        self._followers = followers
        self._announce(self._performer.advance(self.time.now()))
        self._tell_what_sounded()

    def _announce(self, announcement: Announcement) -> None:
        if announcement.trajectory:
            self._trajectory.publish(self._message(announcement.trajectory))
        if announcement.performed:
            self._strikes.publish(announcement.strikes)
            self._performed.publish(announcement.performed)
        for notice in announcement.notices:
            self._notice.add(notice)

    def _tell_what_sounded(self) -> None:
        sounded = self._performer.sounded(self.time.now())
        if sounded and not self._reports:
            self._played.publish(sounded)

    def _reported(self, events: list[TimedEvent]) -> None:
        """Pass on what the body says that it played, and note how late it was."""
        self._played.publish(events)
        for event in filter(is_note_on, events):
            late = self._performer.lateness.of(event.time, event.values[0])
            if late is not None:
                self._late.add(late)
                self._latest.append(f'{event.values[0]}:{late / 1e6:+.1f}')

    def _message(self, points: list[Point]) -> JointTrajectory:
        """Return a trajectory that begins now and takes the place of the one before."""
        now = self.time.now()
        stamp = now + self.time.ros_minus_local()
        message = JointTrajectory(joint_names=self._performer.planner.joints)
        message.header.stamp = Time(sec=stamp // SECOND, nanosec=stamp % SECOND)
        # Without a limit of acceleration the speed jumps, and positions alone say it exactly.
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
    return run(RobotPerformer)


if __name__ == '__main__':
    sys.exit(main())
