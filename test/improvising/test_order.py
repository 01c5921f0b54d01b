# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Published events are in order of time across messages, except for a `cl`."""

from random import Random

import pytest
from simulated_dialogue import MS, play_phrase, simulate
from stand_in_runtimes import RandomRuntime

from improv_ros.event_text import StreamReader, StreamWriter, is_note_on
from improv_ros.event_text.stream import MAX_CLOCK_NOISE
from improv_ros.improvising import MODES


@pytest.mark.parametrize('mode', MODES)
def test_random_phrases_are_answered_in_order(mode):
    notes = 0
    for seed in range(8):
        random = Random(seed)
        here = simulate(seed, RandomRuntime(seed) if seed % 2 else None, mode=mode)
        writer, reader, take = StreamWriter(), StreamReader(), here.take
        latest = 0

        def publish(events, writer=writer, reader=reader, take=take, random=random):
            nonlocal notes, latest
            shift = random.randint(
                -MAX_CLOCK_NOISE // 3, MAX_CLOCK_NOISE // 3
            )  # clocks are read one by one
            for text in writer.write(take(events), shift):
                for event in reader.read(text):
                    assert event.kind == 'cl' or event.time >= latest
                    notes += is_note_on(event)
                    latest = event.time
            return events

        here.take = publish
        for _ in range(2):
            play_phrase(here, seconds=1.5, every=random.randint(50, 700))
            here.wait(random.randint(1500, 4000) * MS, step=random.randint(1_000_003, 15 * MS))
    assert notes > 50
