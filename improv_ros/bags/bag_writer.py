"""A rosbag2 bag: a folder with one MCAP file and the `metadata.yaml` that names it."""

from __future__ import annotations

from collections import Counter
import os
from pathlib import Path

from mcap.writer import CompressionType, Writer
import yaml

from improv_ros.bags.errors import BagError
from improv_ros.bags.message_types import MESSAGE_TYPES
from improv_ros.bags.whole_file import WholeFile

# The newest that Humble to Lyrical all read: later ones write the quality of service anew.
VERSION = 8


class _Plain(yaml.SafeDumper):
    """Writes what occurs twice twice, where YAML would point back to it."""

    def ignore_aliases(self, data: object) -> bool:
        return True


# Reliable, volatile, keep last 100: the chain's own, as rosbag2 writes it.
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
    """Writes serialized messages into a new bag, which can be read at every moment.

    Raises BagError where the folder cannot be made, or is there already.
    """

    def __init__(self, folder: Path, topics: dict[str, str]) -> None:
        """Begin a bag with these topics and their message types (`std_msgs/msg/String`)."""
        self._folder = folder
        self._topics = topics
        self._file_name = f'{folder.name}_0.mcap'
        try:
            folder.mkdir(parents=True)
            self._file = WholeFile(folder / self._file_name)
        except FileExistsError:
            raise BagError(f'{folder} is there already: name another folder') from None
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
        """Keep one message, in the order of the times (ns) when they were received."""
        self._last = max(self._last, received)
        self._first = self._first or self._last
        self._writer.add_message(
            self._channels[topic], self._last, data, published, self.counts[topic]
        )
        self.counts[topic] += 1

    def checkpoint(self) -> None:
        """Bring all that was kept to the file; OSError where the disk is full."""
        self._writer.flush()
        self._write_metadata()

    def close(self) -> None:
        """End the bag with an index of its messages."""
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
        # Replaced, not rewritten, so that it too is whole at every moment.
        draft = self._folder / 'metadata.yaml.new'
        draft.write_text(
            yaml.dump({'rosbag2_bagfile_information': information}, Dumper=_Plain, sort_keys=False)
        )
        draft.replace(self._folder / 'metadata.yaml')
