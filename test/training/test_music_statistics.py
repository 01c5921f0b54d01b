# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from test_representations import wild

from improv_ros.event_text import note_off, note_on
from improv_ros.training.improviser.dataset import performance_of
from improv_ros.training.improviser.music_statistics import (
    TIMES,
    excerpt,
    histograms,
    overlaps,
    velocity_figures,
)

MS = 1_000_000


def test_counts_what_is_played():
    events = []
    for number in range(20):  # two keys at once every 200 ms, C and E, each held for 100 ms
        for pitch, velocity in ((60, 64), (64, 80)):
            events.append(note_on(number * 200 * MS, pitch, velocity))
            events.append(note_off((number * 200 + 100) * MS, pitch))
    found = histograms([performance_of(sorted(events))])
    assert found['pitch class'][[0, 4]].tolist() == [0.5, 0.5]
    assert np.flatnonzero(found['velocity']).tolist() == [16, 20]
    assert found['polyphony'][2] == 1

    def share(name, milliseconds):
        return found[name][np.searchsorted(TIMES, milliseconds, side='right') - 1]

    assert share('note length', 100) == 1
    assert share('interval between onsets', 0) == pytest.approx(20 / 39)
    assert share('interval between onsets', 200) == pytest.approx(19 / 39)


def test_overlap_is_one_with_itself_and_nothing_with_what_is_all_different():
    low = performance_of([note_on(i * 100 * MS, 36, 20) for i in range(30)])
    high = performance_of([note_on(i * 2000 * MS, 37 + 12 * (i % 3), 120) for i in range(30)])
    same = overlaps(histograms([low]), histograms([low]))
    assert list(same.values()) == pytest.approx([1] * 5)
    other = overlaps(histograms([low]), histograms([high]))
    assert other['pitch class'] == other['velocity'] == other['interval between onsets'] == 0


def test_velocities_are_compared_within_each_performance():
    quiet, even, wide = (
        performance_of([note_on(i * 100 * MS, 40 + i, low if i % 2 else high) for i in range(20)])
        for low, high in ((10, 10), (50, 60), (70, 110))
    )
    assert velocity_figures([quiet, even, wide]) == (55, 5)


def test_an_excerpt_releases_only_what_it_pressed():
    performance = wild(5)
    part = excerpt(performance, 20, 80)
    down = set()
    for _, what, _ in part.tolist():
        if what < 88:
            assert what not in down
            down.add(what)
        elif what < 176:
            down.remove(what - 88)
    assert 40_000 < part[:, 0].sum() <= 60_000 and part[0, 0] == 0
