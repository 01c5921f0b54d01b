"""The clocks of the hosts compared: every node publishes its own and hears the others'."""

from __future__ import annotations

from dataclasses import dataclass, field
import platform
import time
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from improv_ros.nodes.clock_beacon import Beacon, parse_beacon
from improv_ros.nodes.clock_offset import ClockOffset, Offset

TOPIC = 'clock_beacons'
PERIOD = 1.0  # seconds
FORGOTTEN = 10.0  # seconds after which a node that falls silent is no longer compared
# A beacon that comes late by being sent again says nothing: lost ones stay lost.
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
    """Publishes this node's clock and estimates how far the others' are from it.

    It is the system's clock that is compared, for that is what ROS time and a host's NTP
    service follow.
    """

    def __init__(self, node: Node) -> None:
        self._name = node.get_fully_qualified_name()
        self._host = platform.node()
        self._peers: dict[str, _Peer] = {}
        self._publisher = node.create_publisher(String, TOPIC, QOS)
        node.create_subscription(String, TOPIC, self._hear, QOS)
        node.create_timer(PERIOD, self._tell, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def offsets(self) -> dict[str, Offset]:
        """Return each host's clock minus ours; of several nodes there, the one most surely off."""
        offsets: dict[str, Offset] = {}
        for peer in self._peers.values():
            offset = peer.offset.estimate()
            if offset and (
                peer.host not in offsets or _surely(offset) > _surely(offsets[peer.host])
            ):
                offsets[peer.host] = offset
        return offsets

    def warning(self, tolerance: float) -> str:
        """Say which clocks differ by more than the tolerance (s); empty where none does."""
        return '; '.join(
            f'the clock of host {host} is {abs(offset.nanoseconds) / 1e6:.1f} ms '
            f'{"ahead of" if offset.nanoseconds > 0 else "behind"} that of {self._host} '
            f'(± {offset.uncertainty / 1e6:.1f} ms): keep both in time with chrony or another '
            'NTP service'
            for host, offset in self.offsets().items()
            if offset.exceeds(int(tolerance * 1e9))
        )

    def figures(self) -> dict[str, object]:
        """Return what diagnostics should show."""
        return {
            f'clock of {host} minus ours (ms)': (
                f'{offset.nanoseconds / 1e6:.2f} ± {offset.uncertainty / 1e6:.2f}'
            )
            for host, offset in self.offsets().items()
        }

    def _tell(self) -> None:
        now = time.monotonic()
        for name in [n for n, p in self._peers.items() if now - p.last_heard > FORGOTTEN]:
            del self._peers[name]
        heard = {name: peer.difference for name, peer in self._peers.items()}
        self._publisher.publish(
            String(data=Beacon(self._name, self._host, time.time_ns(), heard).text())
        )

    def _hear(self, message: String, info: dict[str, Any]) -> None:
        # The middleware's own stamp, where it gives one, was not kept waiting by this process.
        received = info['received_timestamp'] or time.time_ns()
        try:
            beacon = parse_beacon(message.data)
        except ValueError:
            return  # whatever else is published there, it is no node of ours
        if beacon.node == self._name:
            return
        difference = received - beacon.stamp
        peer = self._peers.get(beacon.node)
        if peer is None or peer.host != beacon.host:
            peer = self._peers[beacon.node] = _Peer(beacon.host)
        peer.difference, peer.last_heard = difference, time.monotonic()
        if self._name in beacon.heard:
            peer.offset.add(beacon.heard[self._name], difference)


def _surely(offset: Offset) -> int:
    return abs(offset.nanoseconds) - offset.uncertainty
