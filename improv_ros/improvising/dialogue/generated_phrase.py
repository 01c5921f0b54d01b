# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A phrase that the robot plays: events sampled from the model one by one, and its ending.

An answer has an end window, `end_window`. In it the music slows down, the tonic gets more likely,
and the phrase ends before a rest. The rest that is long enough gets shorter towards the end of
the window if the last chord contains the tonic. When the window has passed, the phrase ends after
any whole chord. Then the keys are released as the model samples it, and the pedal last.
"""

import numpy as np

from improv_ros.event_text import SECOND, TimedEvent, is_note_on
from improv_ros.improvising.dialogue.improviser_settings import ImproviserSettings, nanoseconds
from improv_ros.improvising.dialogue.logit_biases import (
    RITARDANDO_BIAS,
    RepetitionPenalty,
    StyleBias,
    StyleTarget,
    tonic_bias,
)
from improv_ros.improvising.dialogue.memory import Memory
from improv_ros.improvising.dialogue.playability import PlayabilityConstraints
from improv_ros.improvising.network.improviser_model import Bias

# Chosen by hand; `improv bench answers` measures how answers end.
MAX_FIRST_WAIT = SECOND * 3 // 10  # from the start to the first note
CHORD_SPREAD = SECOND // 20  # onsets closer than this belong to one chord
MAX_CHORD = SECOND * 3 // 10  # how long after the end window a chord may still be completed
END_REST = SECOND * 6 // 10  # the rest before which a phrase ends at the start of its end window
MIN_LAST_NOTE = SECOND * 4 // 10  # duration of the last chord
MAX_RELEASE = SECOND * 3 // 2  # time in which the last keys are released


class GeneratedPhrase:
    """The events that the robot plays from `start` on.

    end_window: from when to when the phrase may end, or None as long as it is to go on.
    generated_until: time of the latest event published. first_onset: time of the first note, or
    None. ended: whether all events are generated. All times in nanoseconds.
    """

    def __init__(
        self,
        memory: Memory,
        constraints: PlayabilityConstraints,
        penalty: RepetitionPenalty,
        random: np.random.Generator,
        target: StyleTarget,
        start: int,
    ) -> None:
        self.start = self.generated_until = start
        self.end_window: tuple[int, int] | None = None
        self.ended = False
        self.first_onset: int | None = None
        self._release_since: int | None = None  # no note is played from then on
        self._last_onset = start
        self._last_chord: list[int] = []
        self._memory, self._constraints, self._random = memory, constraints, random
        self._penalty = penalty
        self._style = StyleBias(target, start)
        self._tonic, self._tonic_bias = target.tonic, tonic_bias(target.tonic)
        constraints.start_phrase(start)

    def generate_next(self, floor: int, settings: ImproviserSettings) -> list[TimedEvent]:
        """Return the next event, not before `floor`, or all events that end the phrase."""
        constraints = self._constraints
        earliest = max(self.generated_until, floor)
        if self._release_since is None and self._window_has_passed(earliest - MAX_CHORD):
            self._release_since = earliest
        latest = self._latest(earliest, settings)
        releasing = self._release_since is not None
        if releasing and not constraints.sounding and not constraints.pedal:
            self.ended = True
            return []
        soonest = earliest
        if releasing and constraints.sounding:
            soonest = max(earliest, self._last_onset + MIN_LAST_NOTE)
        event = None
        if soonest <= latest:
            event = self._memory.model.sample_event(
                self._random,
                soonest,
                latest,
                lambda time: self._allowed(earliest, time, settings),
                settings.temperature,
                settings.top_p,
                self._bias(earliest, settings),
            )
        if event is None:
            return self._end_at_once(earliest)
        event = constraints.enforce_limits(event, earliest, settings)
        if is_note_on(event) and self._may_end_before(event.time, settings):
            self._release_since = max(earliest, self._last_onset)
            return self.generate_next(floor, settings)
        self._add(event)
        return [event]

    def _window_has_passed(self, time: int) -> bool:
        return self.end_window is not None and time >= self.end_window[1]

    def _latest(self, earliest: int, settings: ImproviserSettings) -> int:
        """Return the latest time of the next event."""
        if self._release_since is not None:
            return self._release_since + MAX_RELEASE
        silence = nanoseconds(settings.max_silence)
        if self.first_onset is None:
            return earliest + MAX_FIRST_WAIT
        if self._constraints.sounding:
            return earliest + silence
        return max(earliest, self._constraints.silent_since + silence)

    def _allowed(self, earliest: int, time: int, settings: ImproviserSettings) -> np.ndarray:
        """Return which event types may come at `time`, bool (EVENT_TYPES,)."""
        constraints = self._constraints
        if self._release_since is not None:
            return constraints.allowed_releases()
        silence = nanoseconds(settings.max_silence) // 2
        silent = not constraints.sounding and earliest - constraints.silent_since >= silence
        if self.first_onset is None or silent:
            return constraints.allowed_presses(time, settings)
        return constraints.allowed_events(time, settings)

    def _bias(self, time: int, settings: ImproviserSettings) -> Bias:
        """Return the sum of the style bias, the repetition penalty and the bias of the ending."""
        strength = settings.follow if settings.mode == 'respond' else 1.0
        style = self._style.bias(time, strength)
        motif = self._memory.model.motif_keys()
        repeated = self._penalty.bias(settings.repetition_penalty, motif)
        ending = self._end_progress(time)
        return style._replace(
            time=style.time + ending * RITARDANDO_BIAS,
            event_type=style.event_type + repeated + ending * strength * self._tonic_bias,
        )

    def _end_progress(self, time: int) -> float:
        """Return 0 before the end window, 1 after it, and the part that has passed within it."""
        if self._release_since is not None:
            return 1.0
        if self.end_window is None:
            return 0.0
        begin, end = self.end_window
        return min(max((time - begin) / max(end - begin, 1), 0.0), 1.0)

    def _may_end_on_last_chord(self, settings: ImproviserSettings) -> bool:
        """Whether the last chord contains the tonic, or the phrase need not end on it."""
        if self._tonic is None or not settings.follow:
            return True
        return self._tonic in {pitch % 12 for pitch in self._last_chord}

    def _may_end_before(self, onset: int, settings: ImproviserSettings) -> bool:
        """Whether the phrase may end instead of playing a note at `onset`."""
        if self.end_window is None or self.first_onset is None or onset < self.end_window[0]:
            return False
        ending = self._end_progress(onset)
        rest: float = END_REST
        if ending == 1 or self._may_end_on_last_chord(settings):
            rest = CHORD_SPREAD + (1 - ending) * (END_REST - CHORD_SPREAD)
        return onset - self._last_onset >= rest

    def _add(self, event: TimedEvent) -> None:
        """Add an event that is going to be published to the memory and all statistics."""
        if is_note_on(event):
            pitch, velocity, _ = event.values
            self._style.add_note(event.time, pitch, velocity)
            self._penalty.add_note(pitch)
            if event.time - self._last_onset >= CHORD_SPREAD:
                self._last_chord.clear()
            self._last_chord.append(pitch)
            self._last_onset = event.time
            if self.first_onset is None:
                self.first_onset = event.time
        self._constraints.add(event)
        self.generated_until = event.time
        self._memory.observe(event)

    def _end_at_once(self, time: int) -> list[TimedEvent]:
        """Return the releases that end the phrase at `time`."""
        events = self._constraints.release_all(time)
        for event in events:
            self._add(event)
        self.ended = True
        return events
