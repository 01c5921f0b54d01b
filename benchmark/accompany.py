"""Does an accompaniment keep ahead while much is heard? Thinking takes its real time here.

Real performances, played so much faster that as many notes a second come as asked, are heard
while the robot accompanies. The clock is a simulated one that moves on by 10 ms from look to
look, as the node's does, or by the time that a look really took on this machine, where that was
longer. Told are the time that hearing takes, in shares of real time, and how far ahead of its
moment each event is published, in parts of the lookahead: half of it is the least allowed.

    python benchmark/accompany.py FOLDER [--notes-per-second 60] [--seconds 120] [--lookahead 0.25]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from performances import MS, PROCESSOR_TIME, SECOND, clock_of, notes, performances

from improv_ros.event_text import TimedEvent, is_note_on
from improv_ros.improvising import Conversation, Settings, load_model


def stream(folder: Path, per_second: float, seconds: float) -> list[TimedEvent]:
    """Return performances one after the other, each at so many notes a second on the whole."""
    heard: list[TimedEvent] = []
    start = 0
    for events in performances(folder, 100):
        if start >= seconds * SECOND:
            break
        squeeze = len(notes(events)) / (events[-1].time / SECOND) / per_second
        heard += [event._replace(time=start + round(event.time * squeeze)) for event in events]
        start = heard[-1].time
    return [event for event in heard if event.time < seconds * SECOND]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', type=Path, help='MIDI files to be heard')
    parser.add_argument('--notes-per-second', type=float, default=60)
    parser.add_argument('--seconds', type=float, default=120)
    parser.add_argument('--lookahead', type=float, default=Settings().lookahead)
    parser.add_argument('--model', default='', help='model file; default: the shipped one')
    parser.add_argument('--processor-time', action='store_true', help=PROCESSOR_TIME)
    arguments = parser.parse_args()
    clock = clock_of(arguments.processor_time)
    heard = stream(arguments.folder, arguments.notes_per_second, arguments.seconds)
    settings = Settings(mode='accompany', lookahead=arguments.lookahead)
    conversation = Conversation(load_model(arguments.model), settings, seed=1)
    now, at, hearing, thinking = 0, 0, 0.0, 0.0
    ahead: list[float] = []
    looks: list[float] = []
    said = 0
    while at < len(heard):
        began = clock()
        while at < len(heard) and heard[at].time <= now:
            conversation.hear(heard[at], now)
            at += 1
        listened = clock()
        events = conversation.advance(now)
        ended = clock()
        hearing += listened - began
        thinking += ended - listened
        looks.append(ended - began)
        published = now + round((ended - began) * SECOND)
        ahead += [(event.time - published) / SECOND / settings.lookahead for event in events]
        said += sum(map(is_note_on, events))
        now = max(now + 10 * MS, published)
    seconds = now / SECOND
    count = len(notes(heard))
    print(f'heard {count} notes in {seconds:.0f} s, {count / seconds:.0f} a second')
    print(
        f'hearing took {hearing / seconds:.1%} of the time, '
        f'{hearing / len(heard) * 1000:.2f} ms an event: '
        f'{count / hearing:.0f} notes a second would fill it'
    )
    print(f'played {said} notes; thinking took {thinking / seconds:.1%} of the time')
    longest = np.percentile(np.array(looks) * 1000, [50, 99, 100])
    print('a look took, ms, p50/99/100: {:.1f} / {:.1f} / {:.1f}'.format(*longest))
    least = np.percentile(ahead, [0, 1, 50])
    print('ahead, in lookaheads, p0/1/50: {:.2f} / {:.2f} / {:.2f}'.format(*least))
    late = np.mean(np.array(ahead) < 0.5)
    print(f'less than half a lookahead ahead: {late:.2%} of {len(ahead)} events')


if __name__ == '__main__':
    main()
