"""One speech of the robot: events drawn from the model one after the other, to a good end.

An answer does not stop like a clock. Within the window in which it may end it waits for a
rest, which may be the shorter the later it is if the tonic of the phrase was struck last, and
where the music takes none until the window closes, it ends after a whole chord. The music slows
down on the way and leans towards the tonic. Then keys are let go as the model would, and the pedal
is up at last.
"""

from collections import deque

import numpy as np

from improv_ros.event_text import TimedEvent, is_note_on

from .hands import Hands
from .leaning import SLOWING, Aim, Leaning, homing
from .model import Model, Snapshot
from .repetition import Repetition
from .sampling import Bias
from .settings import SECOND, Settings, nanoseconds

FIRST_WAIT = SECOND * 3 // 10  # the first note comes at most this late
CHORD = SECOND // 20  # notes closer than this are one chord
LONGEST_CHORD = SECOND * 3 // 10
REST = SECOND * 6 // 10  # long enough to end as soon as it is time
LAST_NOTE = SECOND * 4 // 10  # a chord that is down at the end rings so long
CLOSING = SECOND * 3 // 2  # how long the last notes may take to go


class Speech:
    """What the robot is saying, from `start` on.

    end: from when to when it may end, or None while nobody said when. frontier: time of the
    latest event published. trail: times of events not yet played, and what the model knew
    after each; the first is past.
    """

    def __init__(
        self,
        model: Model,
        hands: Hands,
        repetition: Repetition,
        random: np.random.Generator,
        aim: Aim,
        now: int,
        start: int,
    ) -> None:
        self.start = self.frontier = start
        self.end: tuple[int, int] | None = None
        self.closed = False
        self.trail: deque[tuple[int, Snapshot]] = deque([(now, model.snapshot())])
        self.first_onset: int | None = None
        self._closing_since: int | None = None
        self._last_onset = start
        self._model, self._hands, self._random = model, hands, random
        self._repetition = repetition
        self._leaning = Leaning(aim, start)
        self._tonic, self._homing = aim.tonic, homing(aim.tonic)
        self._last_chord: list[int] = []
        hands.begin(start)

    def say_next(self, floor: int, settings: Settings) -> list[TimedEvent]:
        """Return the next event, none before `floor`; or all that ends the speech."""
        hands = self._hands
        earliest = max(self.frontier, floor)
        if self._closing_since is None and self.end and earliest >= self.end[1] + LONGEST_CHORD:
            self._closing_since = earliest
        latest = self._latest(earliest, settings)
        closing = self._closing_since is not None
        if closing and not hands.sounding and not hands.pedal:
            self.closed = True
            return []
        soonest = earliest
        if closing and hands.sounding:
            soonest = max(earliest, self._last_onset + LAST_NOTE)
        event = None
        if soonest <= latest:
            event = self._model.propose(
                self._random,
                soonest,
                latest,
                lambda time: self._allowed(earliest, time, settings),
                settings.temperature,
                settings.top_p,
                self._bias(earliest, settings),
            )
        if event is None:
            return self._close(earliest)
        event = hands.in_bounds(event, earliest, settings)
        if is_note_on(event) and self._may_end_before(event.time, settings):
            self._closing_since = max(earliest, self._last_onset)
            return self.say_next(floor, settings)
        self._say(event)
        return [event]

    def listen_from(self, now: int) -> None:
        """Make this moment the one to go back to: the model has heard something since."""
        self.trail = deque([(now, self._model.snapshot())])

    def forget_played(self, now: int) -> None:
        """Keep of the trail only the latest moment that is past, and those to come."""
        while len(self.trail) > 1 and self.trail[1][0] <= now:
            self.trail.popleft()

    def _latest(self, earliest: int, settings: Settings) -> int:
        if self._closing_since is not None:
            return self._closing_since + CLOSING
        silence = nanoseconds(settings.max_silence)
        if self.first_onset is None:
            return earliest + FIRST_WAIT
        if self._hands.sounding:
            return earliest + silence
        return max(earliest, self._hands.quiet_since + silence)

    def _allowed(self, earliest: int, time: int, settings: Settings) -> np.ndarray:
        """Return which events may come at `time`, bool (WHATS,)."""
        hands = self._hands
        if self._closing_since is not None:
            return hands.may_let_go()
        silence = nanoseconds(settings.max_silence) // 2
        quiet = not hands.sounding and earliest - hands.quiet_since >= silence
        if self.first_onset is None or quiet:
            return hands.may_press(time, settings)
        return hands.may_move(time, settings)

    def _bias(self, time: int, settings: Settings) -> Bias:
        strength = settings.follow if settings.mode == 'respond' else 1.0
        leaning = self._leaning.bias(time, strength)
        repeated = self._repetition.bias(settings.repetition_control)
        ending = self._ending(time)
        home = ending * strength * self._homing
        return leaning._replace(
            time=leaning.time + ending * SLOWING, what=leaning.what + repeated + home
        )

    def _ending(self, time: int) -> float:
        """Return how far the end has come: 0 before the window, 1 once it is closed."""
        if self._closing_since is not None:
            return 1.0
        if self.end is None:
            return 0.0
        begin, finish = self.end
        return min(max((time - begin) / max(finish - begin, 1), 0.0), 1.0)

    def _at_home(self, settings: Settings) -> bool:
        """Whether the tonic was struck last, or it does not matter."""
        if self._tonic is None or not settings.follow:
            return True
        return self._tonic in {pitch % 12 for pitch in self._last_chord}

    def _may_end_before(self, onset: int, settings: Settings) -> bool:
        """Whether this is the time to end, and the rest before the next onset a place to."""
        if self.end is None or self.first_onset is None or onset < self.end[0]:
            return False
        ending = self._ending(onset)
        rest: float = REST
        if ending == 1 or self._at_home(settings):
            rest = CHORD + (1 - ending) * (REST - CHORD)
        return onset - self._last_onset >= rest

    def _say(self, event: TimedEvent) -> None:
        """Note an event that is going to be published, wherever it is to be known."""
        if is_note_on(event):
            pitch, velocity, _ = event.values
            self._leaning.press(event.time, pitch, velocity)
            self._repetition.press(pitch)
            if event.time - self._last_onset >= CHORD:
                self._last_chord.clear()
            self._last_chord.append(pitch)
            self._last_onset = event.time
            if self.first_onset is None:
                self.first_onset = event.time
        self._hands.take(event)
        self.frontier = event.time
        self._model.observe(event)
        self.trail.append((event.time, self._model.snapshot()))

    def _close(self, time: int) -> list[TimedEvent]:
        """Return what ends the speech at once."""
        events = self._hands.letting_go(time)
        for event in events:
            self._say(event)
        self.closed = True
        return events
