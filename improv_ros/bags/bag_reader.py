# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Reads bags of this package and of `ros2 bag`, complete or truncated, stored as MCAP."""

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

from improv_ros.bags.bag_format import BagError


class Recorded(NamedTuple):
    """A recorded message: its topic, its time of receipt (ns) and its serialized form (CDR)."""

    topic: str
    time: int
    data: bytes


@dataclass
class Bag:
    """A bag: its topics with their types, and its messages sorted by time."""

    topics: dict[str, str] = field(default_factory=dict)
    messages: list[Recorded] = field(default_factory=list)
    truncated: bool = False  # its writer was killed, and messages may be missing


def read_bag(path: Path) -> Bag:
    """Read a bag folder or one MCAP file; BagError for anything else.

    A truncated file is read up to its end.
    """
    bag = Bag()
    for file in _files(path):
        _read_file(file, bag)
    bag.messages.sort(key=attrgetter('time'))
    return bag


def _files(path: Path) -> list[Path]:
    """Return the MCAP files that the metadata of a bag lists, or all without metadata."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise BagError(f'{path} does not exist')
    metadata = path / 'metadata.yaml'
    if not metadata.exists():
        files = sorted(path.glob('*.mcap'))
        if not files:
            raise BagError(f'{path} is not a bag: it has neither metadata.yaml nor an .mcap file')
        return files
    try:
        information = yaml.safe_load(metadata.read_text())['rosbag2_bagfile_information']
        storage = information['storage_identifier']
        files = [path / name for name in information['relative_file_paths']]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        raise BagError(f'{metadata} does not describe a bag') from None
    if storage != 'mcap':
        raise BagError(
            f'{path} is stored as {storage}, and only MCAP is supported: convert it with '
            'ros2 bag convert'
        )
    for file in files:
        if not file.is_file():
            raise BagError(f'{file}, which {metadata} lists, does not exist')
    return files


def _read_file(path: Path, bag: Bag) -> None:
    schemas: dict[int, str] = {}
    channels: dict[int, str] = {}
    with path.open('rb') as file:
        if file.read(len(MCAP0_MAGIC)) != MCAP0_MAGIC:
            raise BagError(f'{path} is not an MCAP file')
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
    except Exception as error:  # the library raises many types
        if file.read(1):
            raise BagError(f'{path} is damaged: {error}') from None
        bag.truncated = True
