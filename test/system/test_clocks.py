# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The nodes compare their hosts' clocks: a real clock that is wrong, and ones that are right."""

from __future__ import annotations

import platform

from std_msgs.msg import String

from clocks import a_clock_ahead_by
from graph import Graph, wait_until
from timing import promised

KEY = f'clock of {platform.node()} minus ours (ms)'


def offset(graph: Graph, name: str) -> tuple[float, float] | None:
    """Return what a node's diagnostics say of the other clock: offset and uncertainty (ms)."""
    figure = graph.figures(name).get(KEY)
    if figure is None:
        return None
    milliseconds, uncertainty = map(float, figure.split(' ± '))
    return milliseconds, uncertainty


def test_clocks_that_agree_are_no_warning(graph: Graph) -> None:
    graph.start('transcriber')
    graph.start('midi_player', outputs='file', midi_file=str(graph.folder / 'played.mid'))
    found = wait_until(lambda: offset(graph, 'midi_player'), 'a comparison')
    assert abs(found[0]) <= found[1] + 0.01  # the same clock: zero is within the bounds
    assert 'clock' not in graph.says('midi_player')
    graph.probe.create_publisher(String, 'clock_beacons', 10).publish(String(data='hello'))
    wait_until(lambda: graph.healthy('midi_player'), 'a healthy player')


def test_a_clock_that_is_wrong_is_named_on_both_sides(graph: Graph) -> None:
    graph.start('transcriber')
    with a_clock_ahead_by(0.05):
        path = str(graph.folder / 'played.mid')
        player = graph.start('midi_player', outputs='file', midi_file=path, clock_tolerance=0.02)
    wait_until(lambda: 'ahead of' in graph.says('transcriber'), "a warning about the player's")
    wait_until(lambda: 'behind' in graph.says('midi_player'), 'its mirror image')
    for name, sign in (('transcriber', 1), ('midi_player', -1)):
        milliseconds, uncertainty = offset(graph, name)
        assert abs(milliseconds - sign * 50) <= uncertainty + 0.01
        assert platform.node() in graph.says(name)
        assert 'chrony' in graph.says(name)
    assert 'behind' in player.said  # it is in the log, too, and once
    assert player.said.count('behind') == 1
    assert player.leave() < promised(2)
    assert player.process.returncode == 0
