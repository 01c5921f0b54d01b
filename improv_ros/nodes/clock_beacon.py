"""What a node says about its clock: a few lines of text, one fact a line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Beacon:
    """A node's clock, and how long the beacons it heard were on the way by its own clock.

    ``heard`` maps each node heard to our clock when its latest beacon came, minus that beacon's
    stamp: delay and clock difference in one, in nanoseconds.
    """

    node: str
    host: str
    stamp: int
    heard: Mapping[str, int] = field(default_factory=dict)

    def text(self) -> str:
        """Write the beacon."""
        lines = [f'node {self.node}', f'host {self.host}', f'at {self.stamp}']
        lines += [f'heard {node} {nanoseconds}' for node, nanoseconds in self.heard.items()]
        return '\n'.join(lines) + '\n'


def parse_beacon(text: str) -> Beacon:
    """Read a beacon; raise ValueError for what is none. Unknown lines are passed over."""
    facts: dict[str, str] = {}
    heard: dict[str, int] = {}
    for line in text.splitlines():
        word, _, rest = line.partition(' ')
        if word == 'heard':
            node, _, nanoseconds = rest.partition(' ')
            heard[node] = int(nanoseconds)
        else:
            facts[word] = rest
    try:
        return Beacon(facts['node'], facts['host'], int(facts['at']), heard)
    except KeyError as missing:
        raise ValueError(f'a clock beacon without {missing}') from None
