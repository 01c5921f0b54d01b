"""When to listen, when to speak and what may be said: a pure state machine.

It has no clock and no topic: the caller says what was heard and what time it is, and gets the
events to publish. All times are nanoseconds of the caller's clock.

Whatever the model proposes, what is published keeps these rules: a key is released only after
it was pressed and is not pressed again before; every key pressed is released within
`max_note_seconds`, or cleared; pitches, polyphony, density and repeats keep to the settings; all
events lie at least half a lookahead ahead; an answer ends with all keys and the pedal up.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from improv_ros.event_text import (
    TimedEvent,
    clear,
    control_change,
    is_note_off,
    is_note_on,
    note_off,
)

from .model import Model, Snapshot
from .settings import Settings
from .vocabulary import (
    DRUM_CHANNEL,
    LOWEST_PITCH,
    PEDAL_DOWN,
    PEDAL_UP,
    PRESS,
    RELEASE,
    SUSTAIN,
    WHATS,
    key_of,
)

SECOND = 1_000_000_000
MARGIN = SECOND // 50  # generate a little past the lookahead: the caller comes again in 20 ms
STEPS_PER_CALL = 16  # so that one call never takes long
FIRST_WAIT = SECOND * 3 // 10  # an answer's first note comes at most this late
CLOSING = SECOND * 3 // 2  # how long an answer may take to let its last notes go
SHORTEST_NOTE = SECOND * 3 // 100
PEDAL_REST = SECOND // 10  # between two moves of the pedal
ECHO = SECOND * 3 // 10  # how long the robot's last note may still be heard as a new one
ANSWER_TO_NOTHING = 8 * SECOND  # the length of an answer to no phrase


def _nanoseconds(seconds: float) -> int:
    return round(seconds * SECOND)


@dataclass
class _Phrase:
    """What the person is playing: from its first onset to the latest press or release."""

    start: int
    latest: int


@dataclass
class _Speech:
    """What the robot is saying.

    start: when it begins; end: after this no new note, None if nobody said when; frontier:
    time of the latest event published; sounding: pitch to onset; pressed: pitch to its latest
    onset; quiet_since: when the last key went up; trail: times of events not yet played, and
    what the model knew after each.
    """

    start: int
    end: int | None
    trail: deque[tuple[int, Snapshot]]
    frontier: int = 0
    sounding: dict[int, int] = field(default_factory=dict)
    pedal: bool = False
    pedal_moved: int | None = None
    quiet_since: int = 0
    onsets: deque[int] = field(default_factory=deque)
    pressed: dict[int, int] = field(default_factory=dict)
    said_anything: bool = False
    closed: bool = False

    def __post_init__(self) -> None:
        self.frontier = self.quiet_since = self.start


class Conversation:
    """The person and the robot taking turns, or playing together.

    Assign `settings` to change how it plays while it plays.
    """

    def __init__(self, model: Model, settings: Settings, seed: int | None = None) -> None:
        self.settings = settings
        self._model = model
        self._random = np.random.default_rng(seed)
        self._phrase: _Phrase | None = None
        self._speech: _Speech | None = None
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
            if self._speech and self.settings.mode == 'respond':
                silenced = self._fall_silent(now)
            self._held[key_of(event.values[0])] = event.time
            self.memory += 1
            if self._phrase is None:
                self._phrase = _Phrase(event.time, event.time)
            self._phrase.latest = max(self._phrase.latest, event.time)
        elif is_note_off(event):
            self._held.pop(key_of(event.values[0]), None)
            if self._phrase is not None:
                self._phrase.latest = max(self._phrase.latest, event.time)
        elif event.kind == 'cl':
            self._held.clear()
        if not (self._speech and self.settings.mode == 'solo'):
            self._model.observe(event)
            if self._speech:  # what the model knew before it heard this is no place to go back to
                self._speech.trail = deque([(now, self._model.snapshot())])
        return silenced

    def advance(self, now: int) -> list[TimedEvent]:
        """Return what to publish now; call this every 10 to 20 ms.

        Every event lies half a lookahead after `now` or later.
        """
        self._finish(now)
        self._take_turn(now)
        speech = self._speech
        if speech is None:
            return []
        self._forget_played(speech, now)
        horizon = now + _nanoseconds(self.settings.lookahead) + MARGIN
        events: list[TimedEvent] = []
        for _ in range(STEPS_PER_CALL):
            if speech.closed or speech.frontier >= horizon:
                break
            events += self._say_next(speech, now)
        return events

    def improvise(self, now: int) -> None:
        """Play now: an answer to what was heard so far, or from what is remembered."""
        self._stopped = False
        self._finish(now)
        if self._speech is None:
            self._begin(now, None if self.settings.mode == 'solo' else self._answer_length())

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
        self._phrase = None
        self.memory = 0
        if self._speech:
            for pitch, onset in self._speech.sounding.items():
                self._model.observe(TimedEvent(onset, 'no', (pitch, 64, 0)))
            self._speech.trail = deque([(self._speech.start, self._model.snapshot())])

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
                speech.end = speech.frontier
        elif mode == 'respond':
            if self._phrase is not None and silent:
                self._begin(now, self._answer_length())
        elif not self._stopped and (mode == 'solo' or self._phrase is not None):
            self._begin(now, None)

    def _person_silent(self, now: int) -> bool:
        """Whether the person has paused: no key held and none moved. The pedal is no sound."""
        longest = _nanoseconds(self.settings.max_note_seconds)
        if any(now - onset < longest for onset in self._held.values()):
            return False
        pause = _nanoseconds(self.settings.pause)
        return self._phrase is None or now - self._phrase.latest >= pause

    def _may_be_echo(self, event: TimedEvent) -> bool:
        """Whether what was heard may be the robot itself, and not a key the person let go."""
        if is_note_off(event) and key_of(event.values[0]) in self._held:
            return False
        return self._speech is not None or event.time < self._spoke_until + ECHO

    def _answer_length(self) -> int:
        phrase = self._phrase
        length = phrase.latest - phrase.start if phrase else ANSWER_TO_NOTHING
        shortest = _nanoseconds(self.settings.shortest_answer)
        return min(max(length, shortest), _nanoseconds(self.settings.longest_answer))

    def _begin(self, now: int, length: int | None) -> None:
        start = now + _nanoseconds(self.settings.lookahead)
        if self.settings.mode != 'accompany':
            self._phrase = None
        if self._model.keyboard.pedal:  # the person's foot; the robot begins without pedal
            self._model.observe(control_change(now, SUSTAIN, 0))
        trail = deque([(now, self._model.snapshot())])
        self._speech = _Speech(start, None if length is None else start + length, trail)

    def _finish(self, now: int) -> None:
        """Stop speaking when the last event has been played."""
        if self._speech and self._speech.closed and now >= self._speech.frontier:
            self._spoke_until = self._speech.frontier
            self._speech = None

    def _fall_silent(self, now: int) -> list[TimedEvent]:
        """Withdraw what is published, and remember only what was really played."""
        assert self._speech is not None
        speech, self._speech = self._speech, None
        self._spoke_until = now
        self._forget_played(speech, now)
        self._model.restore(speech.trail[0][1])
        for key in sorted(self._model.keyboard.down - set(self._held)):
            self._model.observe(note_off(now, LOWEST_PITCH + key))
        if speech.pedal_moved is None:
            return [clear(now)]
        pedal_up = control_change(now + SECOND // 1000, SUSTAIN, 0)
        self._model.observe(pedal_up)
        return [clear(now), pedal_up]

    @staticmethod
    def _forget_played(speech: _Speech, now: int) -> None:
        """Keep of the trail only the latest moment that is past, and those to come."""
        while len(speech.trail) > 1 and speech.trail[1][0] <= now:
            speech.trail.popleft()

    # -- speaking ------------------------------------------------------------------------

    def _say_next(self, speech: _Speech, now: int) -> list[TimedEvent]:
        """Return the next event, or all that ends the speech."""
        settings = self.settings
        ahead = now + _nanoseconds(settings.lookahead) // 2
        earliest = max(speech.frontier, ahead)
        closing = speech.end is not None and earliest >= speech.end
        if closing and not speech.sounding and not speech.pedal:
            speech.closed = True
            return []
        latest = earliest + (
            _nanoseconds(settings.max_silence) if speech.said_anything else FIRST_WAIT
        )
        allowed = self._allowed(speech, earliest, closing)
        if closing:
            assert speech.end is not None
            latest = speech.end + CLOSING
        elif not speech.sounding and speech.said_anything:
            latest = max(earliest, speech.quiet_since + _nanoseconds(settings.max_silence))
        event = None
        if earliest <= latest:
            event = self._model.propose(
                self._random, earliest, latest, allowed, settings.temperature, settings.top_p
            )
        if event is None:
            return self._close(speech, earliest)
        event = self._in_bounds(speech, event, earliest)
        self._say(speech, event)
        return [event]

    def _allowed(self, speech: _Speech, earliest: int, closing: bool) -> np.ndarray:
        """Return which events may come next, bool (WHATS,)."""
        settings = self.settings
        allowed = np.zeros(WHATS, bool)
        if not closing and len(speech.sounding) < settings.max_polyphony:
            allowed[PRESS - LOWEST_PITCH + np.array(settings.pitches)] = True
            for pitch in speech.sounding:
                allowed[PRESS + pitch - LOWEST_PITCH] = False
        silence = _nanoseconds(settings.max_silence) // 2
        quiet = not speech.sounding and earliest - speech.quiet_since >= silence
        if not speech.said_anything or (quiet and not closing):
            return allowed
        for pitch in speech.sounding:
            allowed[RELEASE + pitch - LOWEST_PITCH] = True
        rested = speech.pedal_moved is None or earliest - speech.pedal_moved >= PEDAL_REST
        allowed[PEDAL_UP] = speech.pedal and (rested or closing)
        allowed[PEDAL_DOWN] = not speech.pedal and rested and not closing
        return allowed

    def _in_bounds(self, speech: _Speech, event: TimedEvent, earliest: int) -> TimedEvent:
        """Return the event, later where it comes too soon, or a release that is due before."""
        time = event.time
        if is_note_on(event):
            densest = int(self.settings.max_density)
            if len(speech.onsets) >= densest:
                time = max(time, speech.onsets[-densest] + SECOND)
            if event.values[0] in speech.pressed:
                interval = _nanoseconds(self.settings.min_repeat_interval)
                time = max(time, speech.pressed[event.values[0]] + interval)
        elif is_note_off(event):
            time = max(time, speech.sounding[event.values[0]] + SHORTEST_NOTE)
        if speech.sounding:
            pitch, onset = min(speech.sounding.items(), key=lambda item: item[1])
            due = max(onset + _nanoseconds(self.settings.max_note_seconds), earliest)
            if due <= time:
                return note_off(due, pitch)
        return event._replace(time=time)

    def _say(self, speech: _Speech, event: TimedEvent) -> None:
        """Note an event that is going to be published, here and in the model."""
        if is_note_on(event):
            speech.sounding[event.values[0]] = event.time
            speech.pressed[event.values[0]] = event.time
            speech.onsets.append(event.time)
            while event.time - speech.onsets[0] > SECOND:
                speech.onsets.popleft()
        elif is_note_off(event):
            del speech.sounding[event.values[0]]
            if not speech.sounding:
                speech.quiet_since = event.time
        else:
            speech.pedal = event.values[2] >= 64
            speech.pedal_moved = event.time
        speech.said_anything = True
        speech.frontier = event.time
        self._model.observe(event)
        speech.trail.append((event.time, self._model.snapshot()))

    def _close(self, speech: _Speech, time: int) -> list[TimedEvent]:
        """Return what ends the speech at once: every key up, then the pedal."""
        last = [
            note_off(max(time, onset + SHORTEST_NOTE), pitch)
            for pitch, onset in speech.sounding.items()
        ]
        last.sort(key=lambda event: event.time)
        if speech.pedal:
            last.append(control_change(last[-1].time if last else time, SUSTAIN, 0))
        for event in last:
            self._say(speech, event)
        speech.closed = True
        return last
