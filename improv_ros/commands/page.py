# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv page`: a recorded session as one HTML file, to watch and to hear."""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path
import sys

from improv_ros.bags.bag_format import STRING, BagError
from improv_ros.bags.session import Arrival, Session, describe
from improv_ros.event_text import EventTextError, StreamReader, TimedEvent, is_note_on
from improv_ros.page.session_log import SOURCES, wire_event
from improv_ros.page.standalone import standalone_page
from improv_ros.playing import PlayingError
from improv_ros.playing.synth.sound_bank import cached_bank, nearest, part_of

SHOWN = ('heard_notes', 'generated_notes', 'played_notes')
READ = ('confirmed_notes', *SHOWN)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('bag', type=Path, help='folder of a bag, or an .mcap file')
    parser.add_argument(
        '-o', '--output', type=Path, help='file to write (default: the name of the bag, .html)'
    )
    parser.add_argument('--title', default='', help='title (default: the name of the bag)')
    parser.add_argument('--no-sound', action='store_true', help='leave the sound out')


def run(arguments: argparse.Namespace) -> int:
    """Write the file; return 2 where the bag cannot be read, 1 where nothing can be written."""
    bag: Path = arguments.bag
    output: Path = arguments.output or Path(f'{bag.stem}.html')
    try:
        session = session_of(bag)
    except BagError as error:
        print(f'improv page: {error}', file=sys.stderr)
        return 2
    page = page_of(session, arguments.title or bag.stem, not arguments.no_sound)
    try:
        output.write_text(page)
    except OSError as error:
        print(f'improv page: {output}: {error.strerror}', file=sys.stderr)
        return 1
    print(f'{output}: {len(page) / 1e6:.1f} MB')
    return 0


def session_of(path: Path) -> Session:
    """Return what a bag has of the note topics; BagError for what is no bag, or has none."""
    from rclpy.serialization import deserialize_message
    from std_msgs.msg import String

    from improv_ros.bags.bag_reader import read_bag

    bag = read_bag(path)
    session = Session()
    readers = {topic: StreamReader() for topic in bag.topics}
    skipped = 0
    for message in bag.messages:
        name = message.topic.rpartition('/')[2]
        if bag.topics.get(message.topic) != STRING or name not in READ:
            continue
        arrivals = getattr(session, name.removesuffix('_notes'))
        try:
            text = deserialize_message(message.data, String).data
            events = readers[message.topic].read(text)
        except EventTextError:
            skipped += 1
            continue
        arrivals.extend(Arrival(event, message.time) for event in events)
    if skipped:
        print(f'improv page: {skipped} malformed messages skipped', file=sys.stderr)
    if not (session.heard or session.played or session.generated):
        raise BagError(f'{path} has no notes: it must hold {", ".join(SHOWN)}')
    return session


def page_of(session: Session, title: str, with_sound: bool = True) -> str:
    """Return the HTML of a session; without sound where there is no soundfont."""
    parts: dict[str, list[TimedEvent]] = {
        f'{name}_notes': [arrival.event for arrival in getattr(session, name)]
        for name in ('heard', 'generated', 'played')
    }
    if not parts['played_notes']:  # nobody played it: what was generated stands for it
        parts['played_notes'] = parts['generated_notes']
    began = min(event.time for events in parts.values() for event in events)
    wired = [
        wire_event(SOURCES[topic], event, began)
        for topic, events in parts.items()
        for event in events
    ]
    audible = [event for topic in ('heard_notes', 'played_notes') for event in parts[topic]]
    sounds = b''
    if with_sound:
        try:
            notes = {nearest(*event.values[:2]) for event in audible if is_note_on(event)}
            sounds = part_of(cached_bank().read_bytes(), notes)
        except PlayingError as error:
            print(f'without sound: {error}', file=sys.stderr)
    figures = {
        'notes of the person': str(sum(map(is_note_on, parts['heard_notes']))),
        'notes of the robot': str(sum(map(is_note_on, parts['played_notes']))),
        'from sound to heard': describe(session.transcription_latencies()),
        'from sound to confirmed': describe(session.confirmation_latencies()),
        'from the end of a phrase to the answer': describe(session.answer_latencies()),
        'from heard to falling silent': describe(session.yield_latencies()),
        'lateness of playback': describe(session.lateness()),
    }
    when = datetime.datetime.fromtimestamp(began / 1e9)
    subtitle = f'{when:%-d %B %Y, %H:%M}' if when.year > 2000 else ''
    return standalone_page(title, subtitle, filter(None, wired), figures, sounds)
