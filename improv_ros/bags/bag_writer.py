# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Writes rosbag2 bags: a folder with one MCAP file and its `metadata.yaml`.

The libraries mcap and rosbags write the end of a file and the metadata only on closing; here both
are complete after each checkpoint, so that a killed recorder loses half a second at most.
"""

from __future__ import annotations

from collections import Counter
import os
from pathlib import Path

from mcap.data_stream import RecordBuilder
from mcap.records import DataEnd, Footer
from mcap.writer import MCAP0_MAGIC, CompressionType, Writer
import yaml

from improv_ros.bags.bag_format import MESSAGE_TYPES, BagError

# The newest version that Humble to Lyrical read: later ones have another form of the QoS.
VERSION = 8


class _Plain(yaml.SafeDumper):
    """Writes repeated values in full instead of as YAML aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


# Reliable, volatile, keep last 100, as rosbag2 writes it.
_FOREVER = {'sec': 9223372036, 'nsec': 854775807}
QOS = yaml.dump(
    [
        {
            'history': 1,
            'depth': 100,
            'reliability': 1,
            'durability': 2,
            'deadline': _FOREVER,
            'lifespan': _FOREVER,
            'liveliness': 1,
            'liveliness_lease_duration': _FOREVER,
            'avoid_ros_namespace_conventions': False,
        }
    ],
    Dumper=_Plain,
    sort_keys=False,
)


class BagWriter:
    """Writes serialized messages into a new bag, which is readable at any moment.

    Raises BagError where the folder exists or cannot be created.
    """

    def __init__(self, folder: Path, topics: dict[str, str]) -> None:
        """Create a bag with these topics and their message types (`std_msgs/msg/String`)."""
        self._folder = folder
        self._topics = topics
        self._file_name = f'{folder.name}_0.mcap'
        try:
            folder.mkdir(parents=True)
            self._file = CompleteMcapFile(folder / self._file_name)
        except FileExistsError:
            raise BagError(f'{folder} exists already: name another folder') from None
        except OSError as error:
            raise BagError(f'{folder}: {error.strerror}') from None
        self.counts: Counter[str] = Counter({topic: 0 for topic in topics})
        self._first = self._last = 0
        self._writer = Writer(self._file, compression=CompressionType.ZSTD)  # type: ignore[arg-type]
        self._writer.start(profile='ros2', library='improv_ros')
        schemas = {kind: self._register(kind) for kind in sorted(set(topics.values()))}
        self._channels = {
            topic: self._writer.register_channel(
                topic,
                'cdr',
                schemas[kind],
                {
                    'offered_qos_profiles': QOS,
                    'topic_type_hash': MESSAGE_TYPES[kind].digest,
                },
            )
            for topic, kind in topics.items()
        }
        self.checkpoint()

    def write(self, topic: str, data: bytes, received: int, published: int) -> None:
        """Add a message; times in ns. The order of writing is the order of receipt."""
        self._last = max(self._last, received)
        self._first = self._first or self._last
        self._writer.add_message(
            self._channels[topic], self._last, data, published, self.counts[topic]
        )
        self.counts[topic] += 1

    def checkpoint(self) -> None:
        """Write all added messages to the file; OSError where the disk is full."""
        self._writer.flush()
        self._write_metadata()

    def close(self) -> None:
        """Close the bag, with an index of its messages."""
        self._writer.finish()
        self._file.close()
        self._write_metadata()

    def _register(self, kind: str) -> int:
        definition = MESSAGE_TYPES[kind].definition.encode()
        return self._writer.register_schema(kind, 'ros2msg', definition)

    def _write_metadata(self) -> None:
        span = {
            'starting_time': {'nanoseconds_since_epoch': self._first},
            'duration': {'nanoseconds': self._last - self._first},
            'message_count': self.counts.total(),
        }
        information = {
            'version': VERSION,
            'storage_identifier': 'mcap',
            **span,
            'topics_with_message_count': [
                {
                    'topic_metadata': {
                        'name': topic,
                        'type': kind,
                        'serialization_format': 'cdr',
                        'offered_qos_profiles': QOS,
                        'type_description_hash': MESSAGE_TYPES[kind].digest,
                    },
                    'message_count': self.counts[topic],
                }
                for topic, kind in self._topics.items()
            ],
            'compression_format': '',
            'compression_mode': '',
            'relative_file_paths': [self._file_name],
            'files': [{'path': self._file_name, **span}],
            'custom_data': None,
            'ros_distro': os.environ.get('ROS_DISTRO', ''),
        }
        # Replaced in one step, so that this file, too, is complete at any moment.
        draft = self._folder / 'metadata.yaml.new'
        draft.write_text(
            yaml.dump({'rosbag2_bagfile_information': information}, Dumper=_Plain, sort_keys=False)
        )
        draft.replace(self._folder / 'metadata.yaml')


def _ending() -> bytes:
    """Return the shortest valid end of an MCAP file, without a summary."""
    records = RecordBuilder()
    DataEnd(data_section_crc=0).write(records)
    Footer(summary_start=0, summary_offset_start=0, summary_crc=0).write(records)
    return records.end() + MCAP0_MAGIC


_ENDING = _ending()


class CompleteMcapFile:
    """The output file of an MCAP writer, which is a complete MCAP file after each flush.

    A flush replaces the old end by new records and a new end, in one write. A reader therefore
    finds a complete file at any moment, also after this process was killed. On a full disk the
    old end is restored, so earlier records stay readable, and OSError is raised.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        self._pending = bytearray()
        self._written = 0

    def write(self, data: bytes) -> None:
        """Keep data of the writer until the next flush."""
        self._pending += data

    def tell(self) -> int:
        """Return the number of bytes so far, without an end."""
        return self._written + len(self._pending)

    def flush(self) -> None:
        """Write the kept data, and an end after it."""
        self._write(self._pending + _ENDING)
        self._written += len(self._pending)
        self._pending.clear()

    def close(self) -> None:
        """Write the kept data, which includes the end of the writer, and close the file."""
        try:
            self._write(self._pending)
            os.ftruncate(self._file, self.tell())
        finally:
            os.close(self._file)

    def _write(self, data: bytes | bytearray) -> None:
        done = 0
        try:
            while done < len(data):  # a full disk takes a part before the error
                done += os.pwrite(self._file, data[done:], self._written + done)
        except OSError:
            if done:
                os.pwrite(self._file, _ENDING, self._written)
                os.ftruncate(self._file, self._written + len(_ENDING))
            raise
