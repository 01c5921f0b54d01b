"""When to listen and when to speak: a pure state machine.

It has no clock and no topic: the caller says what was heard and what time it is, and gets the
events to publish. All times are nanoseconds of the caller's clock. What may be said, whatever
the model proposes, is the matter of `Hands`; how a speech comes to its end, of `Speech`.
"""

import numpy as np

from improv_ros.event_text import (
    TimedEvent,
    clear,
    control_change,
    is_note_off,
    is_note_on,
    note_off,
    note_on,
)

from .hands import Hands
from .leaning import aim_at, beside
from .model import Model
from .phrase import Phrase
from .repetition import Repetition
from .settings import SECOND, Settings, nanoseconds
from .speech import Speech
from .vocabulary import DRUM_CHANNEL, LOWEST_PITCH, SUSTAIN, key_of

MARGIN = SECOND // 50  # generate a little past the lookahead: the caller comes again in 20 ms
STEPS_PER_CALL = 6  # so that one call never takes long: `now` soon is past
ECHO = SECOND * 3 // 10  # how long the robot's last note may still be heard as a new one
ANSWER_TO_NOTHING = 8 * SECOND  # the length of an answer to no phrase
LONGEST_COMING_TO_AN_END = 2 * SECOND


class Conversation:
    """The person and the robot taking turns, or playing together.

    Assign `settings` to change how it plays while it plays.
    """

    def __init__(self, model: Model, settings: Settings, seed: int | None = None) -> None:
        self.settings = settings
        self._model = model
        self._random = np.random.default_rng(seed)
        self._hands = Hands()
        self._repetition = Repetition()
        self._phrase: Phrase | None = None
        self._answered: Phrase | None = None
        self._speech: Speech | None = None
        self._held: dict[int, int] = {}  # keys the person holds, to when they were pressed
        self._stopped = False
        self._spoke_until = -ECHO
        self.memory = 0
        """How many heard notes the robot remembers."""

    @property
    def speaking(self) -> bool:
        """Whether the robot plays, or has published what it is going to play."""
        return self._speech is not None

    def hear(self, event: TimedEvent, now: int) -> list[TimedEvent]:
        """Take in what the person played, at `event.time`; return what to publish at once.

        In the mode 'respond' a note heard while the robot speaks makes it fall silent, with a
        `cl`. In 'solo' the robot does not listen while it speaks.
        """
        self._finish(now)
        if self.settings.ignore_while_speaking and self._may_be_echo(event):
            return []
        silenced = []
        if is_note_on(event) and event.values[2] != DRUM_CHANNEL:
            pitch, velocity, _ = event.values
            if self._speech and self.settings.mode == 'respond':
                silenced = self._yield(now)
            self._held[key_of(pitch)] = event.time
            self.memory += 1
            if self._phrase is None:
                self._phrase = Phrase(event.time)
            self._phrase.press(event.time, LOWEST_PITCH + key_of(pitch), velocity)
        elif is_note_off(event):
            self._held.pop(key_of(event.values[0]), None)
            if self._phrase is not None:
                self._phrase.release(event.time)
        elif event.kind == 'cl':
            self._held.clear()
        if not (self._speech and self.settings.mode == 'solo'):
            self._model.observe(event)
            if self._speech:  # what the model knew before it heard this is no place to go back to
                self._speech.listen_from(now)
        return silenced

    def advance(self, now: int) -> list[TimedEvent]:
        """Return what to publish now; call this every 10 to 20 ms.

        Every event lies three quarters of a lookahead after `now` or later.
        """
        self._finish(now)
        self._take_turn(now)
        speech = self._speech
        if speech is None:
            return []
        speech.forget_played(now)
        lookahead = nanoseconds(self.settings.lookahead)
        # A quarter of the lookahead is left for thinking and for publishing.
        floor, horizon = now + lookahead * 3 // 4, now + lookahead + MARGIN
        events: list[TimedEvent] = []
        for _ in range(STEPS_PER_CALL):
            if speech.closed or speech.frontier >= horizon:
                break
            events += speech.say_next(floor, self.settings)
        return events

    def improvise(self, now: int) -> None:
        """Play now: an answer to what was heard so far, or from what is remembered."""
        self._stopped = False
        self._finish(now)
        if self._speech is None:
            self._begin(now)

    def stop(self, now: int) -> list[TimedEvent]:
        """Fall silent now; return what to publish for it.

        A solo begins again with `improvise`, an accompaniment when the person has paused, an
        answer with the next phrase.
        """
        self._finish(now)
        self._stopped = True
        self._phrase = None
        return self._fall_silent(now) if self._speech else []

    def forget(self) -> None:
        """Drop the memory of what was heard; what sounds goes on."""
        self._model.reset()
        self._phrase = self._answered = None
        self.memory = 0
        if self._speech:
            for pitch, onset in self._hands.sounding.items():
                self._model.observe(note_on(onset, pitch, 64))
            self._speech.listen_from(self._speech.start)

    # -- turns ---------------------------------------------------------------------------

    def _take_turn(self, now: int) -> None:
        """Begin to speak, or to come to an end, when it is time."""
        mode, speech = self.settings.mode, self._speech
        silent = self._person_silent(now)
        if silent and mode == 'accompany':
            self._stopped, self._phrase = False, None
        if speech is not None:
            wrong_mode = mode == 'respond' or (mode == 'accompany' and silent)
            if speech.end is None and wrong_mode:
                speech.end = (speech.frontier, speech.frontier + LONGEST_COMING_TO_AN_END)
        elif mode == 'respond':
            if self._phrase is not None and silent:
                self._begin(now)
        elif not self._stopped and (mode == 'solo' or self._phrase is not None):
            self._begin(now)

    def _person_silent(self, now: int) -> bool:
        """Whether the person has paused: no key held and none moved. The pedal is no sound."""
        longest = nanoseconds(self.settings.max_note_seconds)
        if any(now - onset < longest for onset in self._held.values()):
            return False
        pause = nanoseconds(self.settings.pause)
        return self._phrase is None or now - self._phrase.latest >= pause

    def _may_be_echo(self, event: TimedEvent) -> bool:
        """Whether what was heard may be the robot itself, and not a key the person let go."""
        if is_note_off(event) and key_of(event.values[0]) in self._held:
            return False
        return self._speech is not None or event.time < self._spoke_until + ECHO

    def _begin(self, now: int) -> None:
        """Begin a speech: an answer to the phrase in 'respond', else one without an end."""
        mode, phrase = self.settings.mode, self._phrase
        if self._model.keyboard.pedal:  # the person's foot; the robot begins without pedal
            self._model.observe(control_change(now, SUSTAIN, 0))
        start = now + nanoseconds(self.settings.lookahead)
        character = phrase.character if phrase else None
        aim = aim_at(character) if character and mode == 'respond' else beside(character)
        self._speech = Speech(
            self._model, self._hands, self._repetition, self._random, aim, now, start
        )
        if mode == 'respond':
            self._speech.end = self._answer_end(start, phrase)
        self._answered = phrase
        if mode != 'accompany':
            self._phrase = None

    def _answer_end(self, start: int, phrase: Phrase | None) -> tuple[int, int]:
        """Return from when to when an answer that starts then may end."""
        shortest = nanoseconds(self.settings.shortest_answer)
        longest = nanoseconds(self.settings.longest_answer)
        length = phrase.length if phrase else ANSWER_TO_NOTHING
        length = min(max(length, shortest), longest)
        leeway = min(length // 5, LONGEST_COMING_TO_AN_END)
        return start + max(length - leeway, shortest), start + min(length + leeway, longest)

    def _finish(self, now: int) -> None:
        """Stop speaking when the last event has been played."""
        if self._speech and self._speech.closed and now >= self._speech.frontier:
            self._spoke_until = self._speech.frontier
            self._speech = None

    def _yield(self, now: int) -> list[TimedEvent]:
        """Leave the floor to the person; where nothing had sounded yet, their phrase goes on."""
        assert self._speech is not None
        onset = self._speech.first_onset
        if onset is None or onset > now:
            self._phrase = self._answered
        return self._fall_silent(now)

    def _fall_silent(self, now: int) -> list[TimedEvent]:
        """Withdraw what is published, and remember only what was really played."""
        assert self._speech is not None
        speech, self._speech = self._speech, None
        self._spoke_until = now
        speech.forget_played(now)
        self._model.restore(speech.trail[0][1])
        for key in sorted(self._model.keyboard.down - set(self._held)):
            self._model.observe(note_off(now, LOWEST_PITCH + key))
        pedalled = self._hands.pedal_moved is not None
        self._hands.drop(now)
        if not pedalled:
            return [clear(now)]
        pedal_up = control_change(now + SECOND // 1000, SUSTAIN, 0)
        self._model.observe(pedal_up)
        return [clear(now), pedal_up]
