# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Comparison of the clocks of the hosts: each node publishes its clock and hears the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
import platform
import time
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from improv_ros.event_text import SECOND
from improv_ros.nodes.common.clock_jumps import watched_pauses
from improv_ros.nodes.common.clock_offset import Beacon, ClockOffset, Offset, parse_beacon

TOPIC = 'clock_beacons'
PERIOD = 1.0  # seconds
PEER_TIMEOUT = 10.0  # seconds without a beacon after which a node is no longer compared
# A resent beacon would arrive late and tell nothing, so lost ones are not resent.
QOS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=20, reliability=ReliabilityPolicy.BEST_EFFORT
)


@dataclass
class _Peer:
    host: str
    difference: int = 0  # our clock when its latest beacon came, minus that beacon's stamp (ns)
    last_heard: float = 0.0  # monotonic seconds
    offset: ClockOffset = field(default_factory=ClockOffset)


class ClockWatch:
    """Publishes the clock of this node and estimates the offset of the clocks of other nodes.

    It compares the system clock, which ROS time and the NTP service of a host follow. It also
    logs when this process was stopped for a while or the computer slept.
    """

    def __init__(self, node: Node) -> None:
        self._logger = node.get_logger()
        self._pauses = watched_pauses()
        self._name = node.get_fully_qualified_name()
        self._sent: deque[int] = deque(maxlen=60)  # the stamps of our own latest beacons
        self._duplicate_reported = False
        self._host = platform.node()
        self._peers: dict[str, _Peer] = {}
        self._publisher = node.create_publisher(String, TOPIC, QOS)
        node.create_subscription(String, TOPIC, self._hear, QOS)
        node.create_timer(PERIOD, self._publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def offsets(self) -> dict[str, Offset]:
        """Return the clock of each host minus ours; of several nodes there, the clearest one."""
        offsets: dict[str, Offset] = {}
        for peer in self._peers.values():
            offset = peer.offset.estimate()
            if offset and (
                peer.host not in offsets
                or _least_difference(offset) > _least_difference(offsets[peer.host])
            ):
                offsets[peer.host] = offset
        return offsets

    def warning(self, tolerance: float) -> str:
        """Return which clocks differ by more than the tolerance (s); empty where none does."""
        return '; '.join(
            f'the clock of host {host} is {abs(offset.nanoseconds) / 1e6:.1f} ms '
            f'{"ahead of" if offset.nanoseconds > 0 else "behind"} that of {self._host} '
            f'(± {offset.uncertainty / 1e6:.1f} ms): keep both in time with chrony or another '
            'NTP service'
            for host, offset in self.offsets().items()
            if offset.exceeds(int(tolerance * SECOND))
        )

    def figures(self) -> dict[str, object]:
        """Return the offset of each host for diagnostics."""
        return {
            f'clock of {host} minus ours (ms)': (
                f'{offset.nanoseconds / 1e6:.2f} ± {offset.uncertainty / 1e6:.2f}'
            )
            for host, offset in self.offsets().items()
        }

    def _publish(self) -> None:
        for sentence in self._pauses.take():
            self._logger.warning(sentence)
        now = time.monotonic()
        for name in [n for n, p in self._peers.items() if now - p.last_heard > PEER_TIMEOUT]:
            del self._peers[name]
        heard = {name: peer.difference for name, peer in self._peers.items()}
        stamp = time.time_ns()
        self._sent.append(stamp)
        self._publisher.publish(String(data=Beacon(self._name, self._host, stamp, heard).text()))

    def _hear(self, message: String, info: Mapping[str, Any]) -> None:
        # The middleware's own stamp, where it gives one, has no delay by this process.
        received = info['received_timestamp'] or time.time_ns()
        try:
            beacon = parse_beacon(message.data)
        except ValueError:
            return  # not published by a node of this package
        if beacon.node == self._name:
            if beacon.stamp not in self._sent:
                self._report_duplicate(beacon.host)
            return
        difference = received - beacon.stamp
        peer = self._peers.get(beacon.node)
        if peer is None or peer.host != beacon.host:
            peer = self._peers[beacon.node] = _Peer(beacon.host)
        peer.difference, peer.last_heard = difference, time.monotonic()
        if self._name in beacon.heard:
            peer.offset.add(beacon.heard[self._name], difference)

    def _report_duplicate(self, host: str) -> None:
        """Log once that another process runs a node of this name: subscribers receive both."""
        if not self._duplicate_reported:
            self._duplicate_reported = True
            self._logger.warning(
                f'another node {self._name} runs on host {host}, and both publish: end one of '
                'them, or give it another namespace'
            )


def _least_difference(offset: Offset) -> int:
    return abs(offset.nanoseconds) - offset.uncertainty
