# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A dialogue with a simulated clock and a player that checks all that is published."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from stand_in_runtimes import UniformRuntime

from improv_ros.event_text import SECOND, TimedEvent, is_note_off, is_note_on, note_off, note_on
from improv_ros.improvising import Dialogue, ImproviserSettings
from improv_ros.improvising.dialogue.playability import MAX_PEDAL
from improv_ros.improvising.network.improviser_model import Model
from improv_ros.improvising.network.improviser_runtime import Runtime

MS = SECOND // 1000


@dataclass
class SimulatedDialogue:
    """A dialogue of which every event is checked, when it is published and when it is played.

    published: the events that are not withdrawn, in order, each with the settings in force when
    it was published.
    """

    dialogue: Dialogue
    now: int = 5 * SECOND
    published: list[tuple[TimedEvent, ImproviserSettings]] = field(default_factory=list)

    @property
    def played(self) -> list[TimedEvent]:
        return [event for event, _ in self.published]

    def set(self, **changes: object) -> None:
        self.dialogue.settings = replace(self.dialogue.settings, **changes)

    def take(self, events: list[TimedEvent]) -> list[TimedEvent]:
        settings = self.dialogue.settings
        cleared = None
        for event in events:
            if event.kind == 'cl':
                assert event.time == self.now
                cleared = event.time
                self.published = [old for old in self.published if old[0].time < cleared]
            elif cleared is not None:
                assert event.kind == 'cc' and event.values == (0, 64, 0) and event.time > cleared
            else:
                assert event.time >= self.now + settings.lookahead * SECOND * 0.749
            assert not self.published or event.time >= self.published[-1][0].time
            self.published.append((event, settings))
        return events

    def hear(self, event: TimedEvent, confirmer: str | None = None) -> list[TimedEvent]:
        return self.take(self.dialogue.hear(event, self.now, confirmer))

    def wait(self, duration: int, step: int = 15 * MS) -> list[TimedEvent]:
        until, events = self.now + duration, []
        while self.now < until:
            self.now += step
            events += self.take(self.dialogue.advance(self.now))
        return events

    def check(self) -> tuple[dict[int, int], bool]:
        """Play everything; return what is left sounding and whether the pedal is down."""
        sounding: dict[int, int] = {}
        pedal: int | None = None
        presses: list[tuple[int, int]] = []
        longest = max((settings.max_note_seconds for _, settings in self.published), default=0)
        for event, settings in self.published:
            if event.kind == 'cl':
                sounding.clear()
            elif event.kind == 'cc':
                channel, controller, value = event.values
                assert (channel, controller) == (0, 64)
                assert (pedal is None) == (value >= 64) or value == 0
                assert pedal is None or event.time - pedal <= MAX_PEDAL
                pedal = event.time if value >= 64 else None
            elif is_note_on(event):
                pitch, velocity, channel = event.values
                assert pitch not in sounding
                assert pitch in settings.pitches
                assert 1 <= velocity <= 127 and channel == 0
                sounding[pitch] = event.time
                assert len(sounding) <= settings.max_polyphony
                rest = settings.min_repeat_interval * SECOND
                assert all(event.time - time >= rest for time, old in presses if old == pitch)
                presses.append((event.time, pitch))
                recent = [time for time, _ in presses if event.time - time < SECOND]
                assert len(recent) <= settings.max_density
            else:
                assert is_note_off(event)
                onset = sounding.pop(event.values[0])
                assert onset < event.time
                assert event.time - onset <= longest * SECOND
        return sounding, pedal is not None


def simulate(
    seed: int = 1, runtime: Runtime | None = None, **changes: object
) -> SimulatedDialogue:
    """Return a simulated dialogue whose model has the given runtime, or a uniform one.

    The runtimes for tests know nothing of pauses, so `pause_mode` is fixed if not given.
    """
    model = Model(runtime or UniformRuntime())
    settings = ImproviserSettings(**{'pause_mode': 'fixed', **changes})
    return SimulatedDialogue(Dialogue(model, settings, seed))


def play_phrase(
    here: SimulatedDialogue,
    seconds: float = 3.0,
    pitch: int = 60,
    velocity: int = 64,
    every: int = 500,
) -> None:
    """Play a phrase on five keys from `pitch` up, one note `every` milliseconds."""
    for i in range(round(seconds * 1000 / every)):
        here.hear(note_on(here.now - 150 * MS, pitch + i % 5, velocity))
        here.wait(every * 4 // 5 * MS)
        here.hear(note_off(here.now - 50 * MS, pitch + i % 5))
        here.wait(every // 5 * MS)
