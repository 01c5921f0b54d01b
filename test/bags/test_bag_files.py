# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Bags written, read back by another library, cut off and damaged."""

from __future__ import annotations

import os
from pathlib import Path
import signal
import subprocess
import sys
import textwrap

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
import pytest
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
import yaml

from improv_ros.bags.bag_format import AUDIO, MESSAGE_TYPES, STRING, BagError
from improv_ros.bags.bag_reader import Recorded, read_bag
from improv_ros.bags.bag_writer import BagWriter

TYPES = get_typestore(Stores.ROS2_HUMBLE)
TOPICS = {'/improv/heard_notes': STRING, '/improv/audio': AUDIO}


def string(text: str) -> bytes:
    """Return the bytes which ROS sends for a String."""
    return bytes(TYPES.serialize_cdr(TYPES.types[STRING](data=text), STRING))


def write(folder: Path, count: int = 5, close: bool = True) -> BagWriter:
    bag = BagWriter(folder, TOPICS)
    for i in range(count):
        bag.write('/improv/heard_notes', string(f'message {i}'), 10**18 + i, 10**18 - 1)
    if close:
        bag.close()
    return bag


@pytest.mark.parametrize('kind', MESSAGE_TYPES)
def test_the_definitions_are_those_of_ros(kind: str) -> None:
    assert MESSAGE_TYPES[kind].definition == TYPES.generate_msgdef(kind, ros_version=2)[0]
    assert MESSAGE_TYPES[kind].digest == TYPES.hash_rihs01(kind)


@pytest.mark.parametrize('finished', [True, False])
def test_another_library_reads_the_bag(tmp_path: Path, finished: bool) -> None:
    bag = write(tmp_path / 'bag', close=finished)
    bag.checkpoint() if not finished else None
    with AnyReader([tmp_path / 'bag']) as reader:  # decodes by the definitions in the bag
        read = [
            (c.topic, c.msgtype, time, reader.deserialize(raw, c.msgtype).data)
            for c, time, raw in reader.messages()
        ]
    assert read == [('/improv/heard_notes', STRING, 10**18 + i, f'message {i}') for i in range(5)]
    with Reader(tmp_path / 'bag') as reader:
        assert reader.message_count == 5
        assert reader.start_time == 10**18
        assert {c.topic: c.msgtype for c in reader.connections} == TOPICS
        for connection in reader.connections:
            assert connection.ext.serialization_format == 'cdr'
            assert connection.ext.offered_qos_profiles[0].depth == 100
            assert connection.ext.offered_qos_profiles[0].reliability.name == 'RELIABLE'


def test_the_metadata_say_what_rosbag2_writes(tmp_path: Path) -> None:
    """The same keys as another writer of the same version, with the same kinds of values."""
    write(tmp_path / 'ours')
    with Writer(tmp_path / 'theirs', version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        for topic, kind in TOPICS.items():
            writer.add_connection(topic, kind, typestore=TYPES)

    def shape(value: object) -> object:
        if isinstance(value, dict):
            return {key: shape(item) for key, item in value.items()}
        return [shape(item) for item in value] if isinstance(value, list) else type(value)

    ours, theirs = (
        yaml.safe_load((tmp_path / name / 'metadata.yaml').read_text())
        for name in ('ours', 'theirs')
    )
    assert shape(ours) == shape(theirs)
    assert '&id' not in (tmp_path / 'ours/metadata.yaml').read_text()


def test_bags_of_ours_and_of_rosbags_are_read(tmp_path: Path) -> None:
    write(tmp_path / 'ours')
    expected = [
        Recorded('/improv/heard_notes', 10**18 + i, string(f'message {i}')) for i in range(5)
    ]
    bag = read_bag(tmp_path / 'ours')
    assert (bag.messages, bag.topics, bag.truncated) == (expected, TOPICS, False)
    assert read_bag(tmp_path / 'ours/ours_0.mcap').messages == expected

    theirs = Writer(tmp_path / 'theirs', version=9, storage_plugin=StoragePlugin.MCAP)
    with theirs:
        connection = theirs.add_connection('/improv/heard_notes', STRING, typestore=TYPES)
        for message in reversed(expected):
            theirs.write(connection, message.time, message.data)
    assert read_bag(tmp_path / 'theirs').messages == expected


def test_a_killed_recorder_leaves_a_whole_bag(tmp_path: Path) -> None:
    """SIGKILL between two checkpoints: all up to the first is there, for every reader."""
    code = f"""
        import os, signal, sys
        from pathlib import Path
        sys.path[:0] = {sys.path!r}
        import test_bag_files as t
        bag = t.write(Path({str(tmp_path / 'bag')!r}), 1000, close=False)
        bag.checkpoint()
        bag.write('/improv/heard_notes', t.string('too late'), 2 * 10**18, 0)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, '-c', textwrap.dedent(code)])
    assert killed.returncode == -signal.SIGKILL
    bag = read_bag(tmp_path / 'bag')
    assert len(bag.messages) == 1000
    assert not bag.truncated
    with Reader(tmp_path / 'bag') as reader:
        assert reader.message_count == len(list(reader.messages())) == 1000


def test_a_file_cut_anywhere_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    bag = BagWriter(tmp_path / 'bag', TOPICS)
    ends = []
    for i in range(4):
        bag.write('/improv/heard_notes', string(str(i)), 10**18 + i, 0)
        bag.checkpoint()
        ends.append((tmp_path / 'bag/bag_0.mcap').stat().st_size)
    bag.close()
    file = tmp_path / 'bag/bag_0.mcap'
    whole = file.read_bytes()
    for size in range(8, len(whole), 7):
        file.write_bytes(whole[:size])
        cut = read_bag(tmp_path / 'bag')
        assert cut.truncated
        assert [m.data for m in cut.messages] == [string(str(i)) for i in range(len(cut.messages))]
        assert len(cut.messages) >= sum(end <= size for end in ends)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10**6), value=st.integers(1, 255))
def test_damage_is_a_sentence_or_does_no_harm(tmp_path: Path, position: int, value: int) -> None:
    folder = tmp_path / str(os.urandom(8).hex())
    write(folder)
    file = folder / f'{folder.name}_0.mcap'
    data = bytearray(file.read_bytes())
    data[position % len(data)] ^= value
    file.write_bytes(data)
    try:
        read_bag(folder)
    except BagError as error:
        assert str(file) in str(error)


def test_a_bag_is_not_overwritten(tmp_path: Path) -> None:
    write(tmp_path / 'bag')
    with pytest.raises(BagError, match='exists already'):
        BagWriter(tmp_path / 'bag', TOPICS)
    (tmp_path / 'file').write_text('')
    with pytest.raises(BagError, match='file'):
        BagWriter(tmp_path / 'file' / 'bag', TOPICS)


def test_what_is_no_bag_is_named(tmp_path: Path) -> None:
    for path, reason in (
        ('nowhere', 'does not exist'),
        ('', 'neither metadata'),
        ('song.mid', 'not an MCAP file'),
        ('empty.mcap', 'not an MCAP file'),
        ('torn', 'does not describe'),
        ('list', 'does not describe'),
        ('sqlite', 'stored as sqlite3'),
        ('missing', 'does not exist'),
    ):
        if path == 'song.mid':
            (tmp_path / path).write_bytes(b'MThd 1234567890')
        elif path == 'empty.mcap':
            (tmp_path / path).touch()
        elif path and path != 'nowhere':
            (tmp_path / path).mkdir()
            information = {'storage_identifier': 'mcap', 'relative_file_paths': ['gone.mcap']}
            if path == 'sqlite':
                information['storage_identifier'] = 'sqlite3'
            text = yaml.safe_dump({'rosbag2_bagfile_information': information})
            wrong = {'torn': '{', 'list': '[]'}
            (tmp_path / path / 'metadata.yaml').write_text(wrong.get(path, text))
        where = tmp_path / path if path else tmp_path / 'folder'
        where.mkdir() if not path else None
        with pytest.raises(BagError, match=reason) as error:
            read_bag(where)
        assert str(where) in str(error.value)
