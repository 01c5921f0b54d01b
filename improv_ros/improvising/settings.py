"""What a musician may set, with the bounds that each setting has."""

from dataclasses import dataclass, fields
from functools import cached_property

from .vocabulary import HIGHEST_PITCH, LOWEST_PITCH

MODES = ('respond', 'accompany', 'solo')
SECOND = 1_000_000_000

BOUNDS: dict[str, tuple[float, float]] = {
    'pause': (0.1, 10.0),
    'lookahead': (0.02, 5.0),
    'temperature': (0.05, 3.0),
    'top_p': (0.05, 1.0),
    'repetition_control': (0.0, 4.0),
    'follow': (0.0, 1.0),
    'lowest_pitch': (LOWEST_PITCH, HIGHEST_PITCH),
    'highest_pitch': (LOWEST_PITCH, HIGHEST_PITCH),
    'max_polyphony': (1, 88),
    'max_note_seconds': (0.1, 30.0),
    'max_silence': (0.2, 8.0),
    'max_density': (1.0, 100.0),
    'min_repeat_interval': (0.0, 10.0),
    'shortest_answer': (0.5, 60.0),
    'longest_answer': (0.5, 600.0),
}


@dataclass(frozen=True)
class Settings:
    """How the robot plays. Frozen: replace the whole to change one.

    mode: 'respond' answers when the person pauses, 'accompany' plays along, 'solo' plays on
        its own.
    pause: seconds of silence that end a phrase.
    lookahead: seconds from publishing an event to when it is played.
    temperature: below 1 keeps to what is likely, above 1 dares more.
    top_p: only the likeliest choices that together have this probability are drawn from.
    repetition_control: nats taken from the odds of a key for each time, but the first, that
        it lately followed the same three keys.
    follow: how much an answer leans towards the density, register and loudness of the phrase
        that it answers, and in the end towards its tonic: 0 not at all.
    lowest_pitch, highest_pitch: MIDI pitches the robot may play, both included.
    max_polyphony: most keys the robot holds at once.
    max_note_seconds: no key is held longer; a heard key held longer counts as silent.
    max_silence: seconds without a sounding key after which the robot, while it speaks, plays
        on.
    max_density: most notes begun within any second.
    playable: the only pitches that the robot may play; None: all.
    min_repeat_interval: seconds from a key's press to its next at the soonest.
    shortest_answer, longest_answer: bounds in seconds on an answer, else as long as the
        phrase.
    ignore_while_speaking: True where a microphone hears the robot as if it were the person:
        what is heard while it speaks, or as an echo just after, is not listened to.

    Raises ValueError naming a setting that is out of its bounds.
    """

    mode: str = 'respond'
    pause: float = 0.8
    lookahead: float = 0.25
    temperature: float = 0.95
    top_p: float = 0.99
    repetition_control: float = 0.5
    follow: float = 0.7
    lowest_pitch: int = LOWEST_PITCH
    highest_pitch: int = HIGHEST_PITCH
    max_polyphony: int = 10
    max_note_seconds: float = 6.0
    max_silence: float = 2.0
    max_density: float = 20.0
    playable: frozenset[int] | None = None
    min_repeat_interval: float = 0.0
    shortest_answer: float = 2.0
    longest_answer: float = 20.0
    ignore_while_speaking: bool = False

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f'mode is {self.mode!r}: it must be one of {", ".join(MODES)}')
        for field in fields(self):
            if field.name not in BOUNDS:
                continue
            low, high = BOUNDS[field.name]
            value = getattr(self, field.name)
            if not low <= value <= high:
                raise ValueError(f'{field.name} is {value}: it must be from {low} to {high}')
        for low_name, high_name in (
            ('lowest_pitch', 'highest_pitch'),
            ('shortest_answer', 'longest_answer'),
        ):
            low, high = getattr(self, low_name), getattr(self, high_name)
            if low > high:
                raise ValueError(f'{low_name} is {low}, above {high_name}, which is {high}')
        if not self.pitches:
            raise ValueError(
                f'lowest_pitch is {self.lowest_pitch} and highest_pitch is {self.highest_pitch}: '
                'the instrument has no pitch between them'
            )

    @cached_property
    def pitches(self) -> tuple[int, ...]:
        """The pitches that the robot may play, ascending."""
        between = range(self.lowest_pitch, self.highest_pitch + 1)
        return tuple(p for p in between if self.playable is None or p in self.playable)


def nanoseconds(seconds: float) -> int:
    """Return a time in nanoseconds."""
    return round(seconds * SECOND)
