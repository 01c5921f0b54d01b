# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Turn-taking: when the robot starts to play, when it ends, and when it falls silent.

`Dialogue` is a state machine without a clock and without topics: the caller passes what was heard
and the current time, and gets the events to publish. Turns are taken by what is heard; the memory
is made of what is confirmed. All times are nanoseconds of the caller's clock.
docs/improvising.md has a diagram of its states.
"""

from collections import deque
from collections.abc import Callable
from operator import attrgetter

import numpy as np

from improv_ros.event_text import (
    SECOND,
    HeldNotes,
    TimedEvent,
    clear,
    control_change,
    is_note_off,
    is_note_on,
    note_off,
    note_on,
)
from improv_ros.event_text.events import SUSTAIN
from improv_ros.improvising.dialogue.generated_phrase import GeneratedPhrase
from improv_ros.improvising.dialogue.improviser_settings import ImproviserSettings, nanoseconds
from improv_ros.improvising.dialogue.logit_biases import (
    RepetitionPenalty,
    default_target,
    phrase_target,
)
from improv_ros.improvising.dialogue.memory import ANYONE, MAX_SHIFT, Entry, Memory, Revision
from improv_ros.improvising.dialogue.phrase import Phrase
from improv_ros.improvising.dialogue.playability import PlayabilityConstraints
from improv_ros.improvising.network.improviser_model import Model
from improv_ros.improvising.network.vocabulary import DRUM_CHANNEL, LOWEST_PITCH, key_of

MARGIN = SECOND // 50  # generated beyond the lookahead: the next call comes in up to 20 ms
MAX_EVENTS_PER_CALL = 6  # bounds the duration of a call, in which `now` gets out of date
ECHO = SECOND * 3 // 10  # how long after the robot's last note that note may still be heard
DEFAULT_ANSWER = 8 * SECOND  # duration of an answer to nothing
MAX_END_WINDOW = 2 * SECOND  # how long a phrase may last after it could have ended
FALSE_START = SECOND * 3 // 2  # an answer was too early if the person plays on within this
FALSE_START_PROBABILITY = 0.905
"""The answer starts when the network thinks a false start less likely than this.

Chosen on performances of maestro-v3/train, where it has no more false starts than a fixed pause of
0.8 s; `improv bench pauses` measures both. The network learnt from performances, which go on after
nearly all silences, so it overestimates how likely the person plays on.
"""
MAX_HEARD_SINCE = 4096  # events heard since an answer started that `again` keeps
MAX_SAID = 4096  # events of an answer that `keep` keeps


class Dialogue:
    """The person and the robot take turns, or play together, as `settings.mode` says.

    Assign `settings` to change them while the robot plays. seed: of the sampling; None: random.
    learn: is called with each event of the person that is remembered, when it is sure.
    """

    def __init__(
        self,
        model: Model,
        settings: ImproviserSettings,
        seed: int | None = None,
        learn: Callable[[TimedEvent], None] = lambda event: None,
    ) -> None:
        self.settings = settings
        self._learn = learn
        self._model = model
        self._random = np.random.default_rng(seed)
        self._constraints = PlayabilityConstraints()
        self._penalty = RepetitionPenalty()
        self._heard: Phrase | None = None  # not answered yet
        self._answered: Phrase | None = None  # what the latest answer answers
        self._memory = Memory(model, learn)
        self._before_answer: tuple[int, Entry] | None = None  # when it started, from what
        self._heard_since: deque[Entry] = deque(maxlen=MAX_HEARD_SINCE)
        self._said: deque[TimedEvent] = deque(maxlen=MAX_SAID)  # of the latest answer
        self._kept_until = 0
        self._generated: GeneratedPhrase | None = None
        self._held_keys: dict[int, int] = {}  # by the person; each with its onset
        self._stopped = False
        self._played_until = -ECHO
        self.notes_remembered = 0
        """How many heard notes the state of the network depends on."""

    @property
    def playing(self) -> bool:
        """Whether the robot plays, or has published what it is going to play."""
        return self._generated is not None

    @property
    def stopped(self) -> bool:
        """Whether the robot is silent only because of `stop`."""
        return self._stopped and self.settings.mode != 'respond'

    @property
    def unconfirmed(self) -> bool:
        """Whether the latest notes that should have been confirmed were not."""
        return self._memory.stalled

    def hear(self, event: TimedEvent, now: int, confirmer: str | None = None) -> list[TimedEvent]:
        """Take in an event that the person played at `event.time`; return what to publish.

        In mode 'respond', a note heard while the robot plays makes it fall silent: the result is
        a `cl`. In mode 'solo', what is heard while the robot plays does not reach the network.
        confirmer: who is going to `confirm` the event, ANYONE, or None for nobody.
        """
        self._drop_finished_phrase(now)
        if self.settings.ignore_while_playing and self._may_be_echo(event):
            return []
        is_note = _note_of(event) is not None
        withdrawal = self._yield_to_person(now) if is_note and self._must_fall_silent() else []
        entry = None
        if not self._is_deaf():
            entry = self._memory.hear(event, confirmer)
            if not entry.confirmed:
                self._heard_since.append(entry)
        if is_note:
            self._held_keys[key_of(event.values[0])] = event.time
            if self._heard is None:
                self._heard = Phrase(event.time)
            if entry is None or not entry.confirmed:
                self.notes_remembered += 1
                self._heard.add_note(*_note(event))
            elif entry.event is not None:
                self._heard.revise_note(None, _note(entry.event))
                self._heard.add_release(event.time)
        elif is_note_off(event):
            self._held_keys.pop(key_of(event.values[0]), None)
            if self._heard is not None:
                self._heard.add_release(event.time)
        elif event.kind == 'cl':
            self._held_keys.clear()
        return withdrawal

    def confirm(self, event: TimedEvent, now: int, confirmer: str = ANYONE) -> None:
        """Take in what is now known surely of what the person played: put the memory right.

        What was heard and is not confirmed is dropped, and what was not heard is added. Whose
        turn it is does not change.
        """
        if self._is_deaf():
            return
        generated = self._generated
        while_playing = (generated is not None and event.time >= generated.start) or (
            event.time < self._played_until + ECHO
        )
        may_be_new = not (self.settings.ignore_while_playing and while_playing)
        for revision in self._memory.confirm(event, now, confirmer, may_be_new):
            self._revise(revision)

    def advance(self, now: int) -> list[TimedEvent]:
        """Return what to publish now; call this every 10 to 20 ms.

        No event comes earlier than three quarters of the lookahead after `now`.
        """
        self._drop_finished_phrase(now)
        self._memory.settle(now)
        self._take_turn(now)
        generated = self._generated
        if generated is None:
            return []
        lookahead = nanoseconds(self.settings.lookahead)
        # A quarter of the lookahead is left for generating and publishing.
        floor, horizon = now + lookahead * 3 // 4, now + lookahead + MARGIN
        events: list[TimedEvent] = []
        for _ in range(MAX_EVENTS_PER_CALL):
            if generated.ended or generated.generated_until >= horizon:
                break
            events += generated.generate_next(floor, self.settings)
        self._said += events
        return events

    def improvise(self, now: int) -> None:
        """Play now: an answer to what was heard, or a continuation of what is remembered."""
        self._stopped = False
        self._drop_finished_phrase(now)
        if self._generated is None:
            self._start_phrase(now, self._heard)

    def again(self, now: int) -> list[TimedEvent]:
        """Give another answer to the phrase that was answered last; return what to publish.

        The network is set back to before the answer, and hears what was heard since. Raises
        ValueError if nothing has been answered yet.
        """
        if self._before_answer is None:
            raise ValueError('there is no answer yet that could be given again')
        self._drop_finished_phrase(now)
        withdrawal = self._withdraw_notes(now) if self._generated else []
        self._memory.repair()
        started, mark = self._before_answer
        before, heard_since = mark.after, list(self._heard_since)
        if not heard_since and before.clock is not None:
            # The new answer follows the phrase as closely as the one before did.
            before = before._replace(clock=before.clock + now - started)
        self._memory.restore(before, now)
        self._memory.hear_again(heard_since)
        self._stopped = False
        self._start_phrase(now, self._answered)
        return withdrawal

    def keep(self, now: int) -> list[TimedEvent]:
        """Let what has sounded of the latest answer count as heard; return its events.

        It is remembered as if the person had played it: `again` does not take it back. Raises
        ValueError if there is nothing to keep.
        """
        kept = [event for event in self._said if self._kept_until < event.time <= now]
        count = sum(map(is_note_on, kept))
        if not count:
            raise ValueError('no answer has sounded that could be kept')
        held = HeldNotes()
        for event in kept:
            held.update(event)
        self._kept_until = now
        kept += held.release_all(now)
        self.notes_remembered += count
        state = self._model.snapshot()
        entries = [Entry(e.time, e, state, heard=True, confirmed=True, learnt=True) for e in kept]
        for event in kept:
            self._learn(event)
        heard = sorted([*self._heard_since, *entries], key=attrgetter('time'))
        self._heard_since = deque(heard, maxlen=MAX_HEARD_SINCE)
        return kept

    def resume(self) -> None:
        """Play as the mode says again, after `stop`."""
        self._stopped = False

    def stop(self, now: int) -> list[TimedEvent]:
        """Fall silent now; return what to publish for it.

        A solo starts again after `improvise` or `resume`, an accompaniment also after the person
        has paused, an answer after the next phrase.
        """
        self._drop_finished_phrase(now)
        self._stopped = True
        self._heard = None
        return self._withdraw_notes(now) if self._generated else []

    def forget(self, now: int) -> None:
        """Reset the network, so that nothing heard is remembered; what sounds goes on."""
        self._memory.reset(now)
        self._heard = self._answered = self._before_answer = None
        self._heard_since.clear()
        self._said.clear()
        self.notes_remembered = 0
        if self._generated:
            for pitch, onset in self._constraints.sounding.items():
                self._memory.observe(note_on(onset, pitch, 64))

    # -- Remembering ---------------------------------------------------------------------

    def _is_deaf(self) -> bool:
        """Whether what the person plays does not reach the network."""
        return self._generated is not None and self.settings.mode == 'solo'

    def _revise(self, revision: Revision) -> None:
        """Put right the phrase that a revised note belongs to, and the number of notes."""
        entry = revision.entry
        before, after = _note_of(revision.before), _note_of(revision.after)
        self.notes_remembered += (after is not None) - (before is not None)
        since = self._before_answer[0] if self._before_answer else None
        if revision.before is None and since is not None and entry.time >= since:
            self._heard_since.append(entry)
        if before is None and after is None:
            return
        if self._heard and (before or entry.time >= self._heard.start - MAX_SHIFT):
            self._heard.revise_note(before, after)
        if before and self._answered and self._answered is not self._heard:
            self._answered.revise_note(before, after)

    # -- Falling silent ------------------------------------------------------------------

    def _must_fall_silent(self) -> bool:
        """Whether a note of the person makes the robot fall silent."""
        return self._generated is not None and self.settings.mode == 'respond'

    def _yield_to_person(self, now: int) -> list[TimedEvent]:
        """Fall silent because the person plays; return what to publish for it.

        If no note of the answer has sounded yet, the person goes on with the answered phrase.
        """
        assert self._generated is not None
        onset = self._generated.first_onset
        if onset is None or onset > now:
            self._heard = self._answered
        return self._withdraw_notes(now)

    def _withdraw_notes(self, now: int) -> list[TimedEvent]:
        """Withdraw all notes from `now` on, by a `cl`, and set the model back to what was played.

        Every note that was published and is not played is withdrawn here.
        """
        assert self._generated is not None
        self._generated = None
        self._played_until = now
        self._memory.withdraw(now)
        releases = [
            note_off(now, LOWEST_PITCH + key)
            for key in sorted(self._model.keyboard.down - set(self._held_keys))
        ]
        for release in releases:
            self._memory.observe(release)
        played = [event for event in self._said if event.time <= now]
        self._said = deque([*played, *releases], maxlen=MAX_SAID)
        pedal_used = self._constraints.pedal_changed is not None
        self._constraints.withdraw_after(now)
        if not pedal_used:
            return [clear(now)]
        pedal_up = control_change(now + SECOND // 1000, SUSTAIN, 0)
        self._memory.observe(pedal_up)
        return [clear(now), pedal_up]

    # -- Starting and ending -------------------------------------------------------------

    def _take_turn(self, now: int) -> None:
        """Start a phrase, or give the present one an end, when it is time."""
        mode, generated = self.settings.mode, self._generated
        paused = self._person_has_paused(now)
        if paused and mode == 'accompany':
            self._stopped, self._heard = False, None
        if generated is not None:
            must_end = mode == 'respond' or (mode == 'accompany' and paused)
            if generated.end_window is None and must_end:
                start = generated.generated_until
                generated.end_window = start, start + MAX_END_WINDOW
        elif mode == 'respond':
            if self._heard is not None and paused:
                if self._heard.notes:
                    self._start_phrase(now, self._heard)
                else:  # none of what was heard was confirmed
                    self._heard = None
        elif not self._stopped and (mode == 'solo' or self._heard is not None):
            self._start_phrase(now, self._heard)

    def _person_has_paused(self, now: int) -> bool:
        """Whether no key is held and none was moved for long enough. The pedal does not matter."""
        longest = nanoseconds(self.settings.max_note_seconds)
        if any(now - onset < longest for onset in self._held_keys.values()):
            return False
        if self._heard is None:
            return True
        silence, settings = now - self._heard.latest, self.settings
        if settings.pause_mode == 'fixed' or settings.mode != 'respond' or self._generated:
            return silence >= nanoseconds(settings.pause)
        if silence < nanoseconds(settings.shortest_pause):
            return False
        if silence >= nanoseconds(settings.longest_pause):
            return True
        return self._model.onset_probability(now, FALSE_START) < FALSE_START_PROBABILITY

    def _may_be_echo(self, event: TimedEvent) -> bool:
        """Whether an event may be a note of the robot, and is no release of the person's key."""
        if is_note_off(event) and key_of(event.values[0]) in self._held_keys:
            return False
        return self._generated is not None or event.time < self._played_until + ECHO

    def _start_phrase(self, now: int, heard: Phrase | None) -> None:
        """Start to play: an answer to what was heard in 'respond', else without an end."""
        mode = self.settings.mode
        if self._model.keyboard.pedal:  # of the person; the robot starts without pedal
            self._memory.observe(control_change(now, SUSTAIN, 0))
        self._before_answer = now, self._memory.mark(now)
        self._heard_since.clear()
        self._said.clear()
        self._kept_until = now
        start = now + nanoseconds(self.settings.lookahead)
        statistics = heard.statistics if heard and heard.notes else None
        if statistics and mode == 'respond':
            target = phrase_target(statistics)
        else:
            target = default_target(statistics)
        self._generated = GeneratedPhrase(
            self._memory, self._constraints, self._penalty, self._random, target, start
        )
        if mode == 'respond':
            self._generated.end_window = self._end_window(start, heard)
        self._answered = heard
        if mode != 'accompany':
            self._heard = None

    def _end_window(self, start: int, heard: Phrase | None) -> tuple[int, int]:
        """Return from when to when an answer that starts at `start` may end."""
        shortest = nanoseconds(self.settings.shortest_answer)
        longest = nanoseconds(self.settings.longest_answer)
        duration = heard.duration if heard else DEFAULT_ANSWER
        duration = min(max(duration, shortest), longest)
        tolerance = min(duration // 5, MAX_END_WINDOW)
        earliest = max(duration - tolerance, shortest)
        return start + earliest, start + min(duration + tolerance, longest)

    def _drop_finished_phrase(self, now: int) -> None:
        """Stop playing when the last event of an ended phrase has been played."""
        if self._generated and self._generated.ended and now >= self._generated.generated_until:
            self._played_until = self._generated.generated_until
            self._generated = None


def _note(event: TimedEvent) -> tuple[int, int, int]:
    """Return the onset, the pitch on the piano and the velocity of a note-on."""
    pitch, velocity, _ = event.values
    return event.time, LOWEST_PITCH + key_of(pitch), velocity


def _note_of(event: TimedEvent | None) -> tuple[int, int, int] | None:
    """Return the same of any event: None where it begins no note of the piano."""
    begins = event is not None and is_note_on(event) and event.values[2] != DRUM_CHANNEL
    return _note(event) if event is not None and begins else None
