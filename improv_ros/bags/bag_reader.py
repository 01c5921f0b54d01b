"""The messages of a bag: one of ours, of `ros2 bag`, finished or cut off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO, NamedTuple

from mcap.records import Channel, McapRecord, Message, Schema
from mcap.stream_reader import StreamReader
from mcap.writer import MCAP0_MAGIC
import yaml

from improv_ros.bags.errors import BagError


class Recorded(NamedTuple):
    """One message as it was received: its topic, its time (ns) and its serialized form."""

    topic: str
    time: int
    data: bytes


@dataclass
class Bag:
    """A bag: its topics with their types, its messages in the order of time."""

    topics: dict[str, str] = field(default_factory=dict)
    messages: list[Recorded] = field(default_factory=list)
    broken_off: bool = False  # its writer was killed, and something may be missing


def read_bag(path: Path) -> Bag:
    """Read a bag, or one MCAP file; raise BagError for what is neither.

    A file whose writer was killed is read as far as it goes.
    """
    bag = Bag()
    for file in _files(path):
        _read_file(file, bag)
    bag.messages.sort(key=attrgetter('time'))
    return bag


def _files(path: Path) -> list[Path]:
    """Return the MCAP files of a bag: those its metadata names, or all, where it has none."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise BagError(f'{path} is not there')
    metadata = path / 'metadata.yaml'
    if not metadata.exists():
        files = sorted(path.glob('*.mcap'))
        if not files:
            raise BagError(f'{path} is no bag: it has neither metadata.yaml nor an .mcap file')
        return files
    try:
        information = yaml.safe_load(metadata.read_text())['rosbag2_bagfile_information']
        storage = information['storage_identifier']
        files = [path / name for name in information['relative_file_paths']]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        raise BagError(f'{metadata} does not describe a bag') from None
    if storage != 'mcap':
        raise BagError(
            f'{path} is stored as {storage}: only MCAP is read here; '
            'ros2 bag convert makes one of it'
        )
    for file in files:
        if not file.is_file():
            raise BagError(f'{file}, which {metadata} names, is not there')
    return files


def _read_file(path: Path, bag: Bag) -> None:
    schemas: dict[int, str] = {}
    channels: dict[int, str] = {}
    with path.open('rb') as file:
        if file.read(len(MCAP0_MAGIC)) != MCAP0_MAGIC:
            raise BagError(f'{path} is no MCAP file')
        for record in _records(path, file, bag):
            if isinstance(record, Schema):
                schemas[record.id] = record.name
            elif isinstance(record, Channel) and record.message_encoding == 'cdr':
                channels[record.id] = record.topic
                bag.topics[record.topic] = schemas.get(record.schema_id, '')
            elif isinstance(record, Message) and record.channel_id in channels:
                topic = channels[record.channel_id]
                bag.messages.append(Recorded(topic, record.log_time, record.data))


def _records(path: Path, file: BinaryIO, bag: Bag) -> Iterator[McapRecord]:
    file.seek(0)
    try:
        yield from StreamReader(file, validate_crcs=True).records
    except Exception as error:  # the parts of the library each have their own
        if file.read(1):
            raise BagError(f'{path} is damaged: {error}') from None
        bag.broken_off = True
