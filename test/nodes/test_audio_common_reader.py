# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Messages of `audio_common_msgs`. No such package is installed: all classes are stand-ins."""

from __future__ import annotations

from array import array
from collections.abc import Callable
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from improv_ros.event_text import SECOND
from improv_ros.listening.capture.audio_chunk import AudioChunkError
from improv_ros.nodes.common.audio_common_reader import (
    MGONZS13,
    ROS_DRIVERS,
    AudioCommonReader,
    MissingMessageError,
    message_class,
)
from improv_ros.nodes.common.audio_topic import AUDIO_TYPES

NOW = 100 * SECOND
STAMP = SimpleNamespace(sec=42, nanosec=7)


class StandInNode:
    """Stands in for a node: it keeps its subscriptions and has a clock that stands still."""

    def __init__(self) -> None:
        self.callbacks: dict[str, Callable[[Any], None]] = {}

    def create_subscription(self, kind: type, topic: str, callback: Any, qos: Any) -> str:
        self.callbacks[topic] = callback
        return topic

    def destroy_subscription(self, topic: str) -> None:
        del self.callbacks[topic]

    def get_clock(self) -> Any:
        return SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=NOW))


def stand_in(name: str, *fields: str) -> type:
    """Return what stands in for the class of a message."""
    names = staticmethod(lambda: dict.fromkeys(fields, 'a type'))
    return type(name, (), {'get_fields_and_field_types': names})


def install(monkeypatch: pytest.MonkeyPatch, **classes: type) -> None:
    """Let a package `audio_common_msgs` with these message classes be importable."""
    module = ModuleType('audio_common_msgs.msg')
    vars(module).update(classes)
    monkeypatch.setitem(sys.modules, 'audio_common_msgs', ModuleType('audio_common_msgs'))
    monkeypatch.setitem(sys.modules, 'audio_common_msgs.msg', module)


@pytest.fixture
def ros_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install stand-ins for the messages of ros-drivers."""
    install(
        monkeypatch,
        AudioData=stand_in('AudioData', 'data'),
        AudioDataStamped=stand_in('AudioDataStamped', 'header', 'audio'),
        AudioInfo=stand_in('AudioInfo', 'channels', 'sample_rate'),
    )


@pytest.fixture
def mgonzs13(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install stand-ins for the messages of mgonzs13."""
    install(
        monkeypatch,
        AudioData=stand_in('AudioData', 'float32_data', 'int16_data'),
        AudioStamped=stand_in('AudioStamped', 'header', 'audio'),
        AudioInfo=stand_in('AudioInfo', 'format', 'channels', 'rate', 'chunk'),
    )


INFO = SimpleNamespace(
    channels=1, sample_rate=16000, sample_format='S16LE', coding_format='wave', bitrate=0
)
DATA = SimpleNamespace(data=array('B', bytes(320)))  # 10 ms


@pytest.mark.parametrize('audio_type', AUDIO_TYPES[1:])
def test_what_is_missing_is_told(audio_type: str) -> None:
    repository = MGONZS13 if audio_type == 'AudioStamped' else ROS_DRIVERS
    with pytest.raises(
        MissingMessageError,
        match=f"audio_type is {audio_type}, but .*No module named 'audio_common_msgs'.*"
        f'clone {repository} into your workspace',
    ):
        message_class(audio_type)


@pytest.mark.parametrize('audio_type', ['AudioData', 'AudioDataStamped'])
def test_the_package_of_mgonzs13_is_not_taken_for_the_other(
    mgonzs13: None, audio_type: str
) -> None:
    with pytest.raises(MissingMessageError, match=r'is another one: clone .*ros-drivers'):
        message_class(audio_type)


def test_the_package_of_ros_drivers_is_not_taken_for_the_other(ros_drivers: None) -> None:
    with pytest.raises(MissingMessageError, match=r'is another one: clone .*mgonzs13'):
        message_class('AudioStamped')


def test_sound_without_a_stamp_was_captured_until_it_arrived(ros_drivers: None) -> None:
    node: Any = StandInNode()
    reader = AudioCommonReader(node, 'AudioData')
    with pytest.raises(AudioChunkError, match='no audio_info has arrived'):
        reader.chunk(DATA)
    node.callbacks['audio_info'](INFO)
    chunks = [reader.chunk(DATA), reader.chunk(DATA)]
    assert [chunk.time for chunk in chunks] == [NOW - SECOND // 100] * 2
    assert chunks[1].sequence == chunks[0].sequence + 1
    reader.destroy()
    assert not node.callbacks


def test_stamped_sound_keeps_its_time(ros_drivers: None) -> None:
    node: Any = StandInNode()
    reader = AudioCommonReader(node, 'AudioDataStamped')
    node.callbacks['audio_info'](INFO)
    chunk = reader.chunk(SimpleNamespace(header=SimpleNamespace(stamp=STAMP), audio=DATA))
    assert (chunk.time, chunk.frames, chunk.sample_rate) == (42 * SECOND + 7, 160, 16000)


def test_sound_that_describes_itself_needs_no_other_topic(mgonzs13: None) -> None:
    node: Any = StandInNode()
    reader = AudioCommonReader(node, 'AudioStamped')
    assert not node.callbacks
    audio = SimpleNamespace(
        info=SimpleNamespace(format=0x08, channels=2, rate=48000, chunk=3),
        audio_data=SimpleNamespace(int16_data=array('h', range(6))),
    )
    chunk = reader.chunk(SimpleNamespace(header=SimpleNamespace(stamp=STAMP), audio=audio))
    assert chunk.samples.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert (chunk.time, chunk.sample_rate, chunk.sequence) == (42 * SECOND + 7, 48000, 0)
    reader.destroy()
