# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The markers node: a keyboard for RViz and Foxglove, with what sounds and what is to come."""

from __future__ import annotations

if __name__ == '__main__':  # the imports below take a second, in which Ctrl-C may come
    from improv_ros.nodes.common.executable import keyboard_markers

    raise SystemExit(keyboard_markers())

from collections.abc import Iterable
from functools import partial

from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point, Vector3
from rclpy.clock import Clock, ClockType
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from improv_ros.display.keyboard import Box, KeyboardScene, is_black
from improv_ros.event_text import SECOND
from improv_ros.nodes.common.arguments import parse_arguments
from improv_ros.nodes.common.managed_node import ManagedNode, run
from improv_ros.nodes.common.note_topics import CHAIN_QOS, NoteListener
from improv_ros.nodes.common.parameters import Setting

WHITES, BLACKS, BARS = 'white_keys', 'black_keys', 'notes_to_come'  # namespaces of markers
LIFETIME = 3  # periods after which a bar that is not published any more disappears

SETTINGS = (
    Setting('frame', 'keyboard', 'tf frame of the left front corner of the lowest key'),
    Setting('rate', 20.0, 'Rate at which keyboard_markers is published', 'Hz', 1.0, 60.0),
    Setting('ahead', 2.0, 'How far ahead notes to come are shown', 's', 0.1, 10.0, live=True),
    Setting('speed', 0.25, 'Speed at which notes to come fall', 'm/s', 0.01, 2.0, live=True),
)


class KeyboardMarkers(ManagedNode):
    """Publishes a keyboard with lit keys, and the notes to come as bars that fall onto it."""

    def __init__(self) -> None:
        super().__init__('keyboard_markers', SETTINGS)

    def configure(self) -> None:
        """Create the publisher."""
        self._markers = self.create_publisher(MarkerArray, 'keyboard_markers', CHAIN_QOS)

    def activate(self) -> None:
        """Subscribe to the note topics."""
        self._scene = KeyboardScene()
        self._listeners = [
            NoteListener(self, f'{who}_notes', partial(self._scene.sound, who), self.time)
            for who in ('heard', 'played')
        ]
        self._listeners.append(
            NoteListener(self, 'generated_notes', self._scene.generate, self.time)
        )
        period = 1 / self.settings['rate']
        self._lifetime = round(LIFETIME * period * SECOND)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(period, self._publish, clock=steady)

    def deactivate(self) -> None:
        """Stop to publish."""
        self.destroy_timer(self._timer)
        for listener in self._listeners:
            listener.destroy()

    def cleanup(self) -> None:
        """Destroy the publisher."""
        self.destroy_publisher(self._markers)

    def health(self) -> tuple[str, dict[str, object]]:
        """Return the counts of what was received."""
        figures: dict[str, object] = {}
        for listener in self._listeners:
            figures |= listener.figures()
        return '', figures

    def _publish(self) -> None:
        if not self._markers.get_subscription_count():
            return
        now = self.time.now()
        keys = self._scene.keys(now)
        ahead = round(self.settings['ahead'] * SECOND)
        bars = self._scene.bars(now, ahead, self.settings['speed'])
        markers = [
            self._cubes(WHITES, [key for key in keys if not is_black(key.number)]),
            self._cubes(BLACKS, [key for key in keys if is_black(key.number)]),
            *map(self._bar, bars),
        ]
        self._markers.publish(MarkerArray(markers=markers))

    def _marker(self, namespace: str, number: int, kind: int) -> Marker:
        marker = Marker(ns=namespace, id=number, type=kind, action=Marker.ADD)
        marker.header.frame_id = self.settings['frame']
        stamp = self.time.now() + self.time.ros_minus_local()
        marker.header.stamp = Time(sec=stamp // SECOND, nanosec=stamp % SECOND)
        marker.pose.orientation.w = 1.0
        marker.frame_locked = True
        return marker

    def _cubes(self, namespace: str, boxes: list[Box]) -> Marker:
        """Return boxes of one size as one marker."""
        marker = self._marker(namespace, 0, Marker.CUBE_LIST)
        marker.scale = _vector(boxes[0].size)
        marker.points = [_point(box.centre) for box in boxes]
        marker.colors = [_colour(box.colour) for box in boxes]
        return marker

    def _bar(self, box: Box) -> Marker:
        marker = self._marker(BARS, box.number, Marker.CUBE)
        marker.pose.position = _point(box.centre)
        marker.scale = _vector(box.size)
        marker.color = _colour(box.colour)
        marker.lifetime = Duration(sec=self._lifetime // SECOND, nanosec=self._lifetime % SECOND)
        return marker


def _point(centre: Iterable[float]) -> Point:
    x, y, z = centre
    return Point(x=x, y=y, z=z)


def _vector(size: Iterable[float]) -> Vector3:
    x, y, z = size
    return Vector3(x=x, y=y, z=z)


def _colour(rgba: Iterable[float]) -> ColorRGBA:
    r, g, b, a = rgba
    return ColorRGBA(r=r, g=g, b=b, a=a)


def main() -> int:
    """Run the node."""
    parse_arguments('keyboard_markers', SETTINGS)
    return run(KeyboardMarkers)
