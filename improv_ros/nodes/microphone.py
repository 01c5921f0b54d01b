# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The microphone node: publishes audio of a device or a file in chunks on `audio`."""

from __future__ import annotations

if __name__ == '__main__':  # the imports below take a second, in which Ctrl-C may come
    from improv_ros.nodes.common.executable import microphone

    raise SystemExit(microphone())

import sys
import threading
import time

from rclpy.publisher import Publisher
from std_msgs.msg import Int16MultiArray

from improv_ros.event_text import SECOND
from improv_ros.listening.capture import (
    AudioSource,
    DeviceSource,
    EndOfAudio,
    FileSource,
    SourceError,
    list_devices,
)
from improv_ros.listening.capture.audio_chunk import AudioChunk
from improv_ros.listening.capture.input_level import LevelMeter
from improv_ros.listening.capture.resampling import ChunkResampler
from improv_ros.nodes.common.arguments import parse_arguments
from improv_ros.nodes.common.audio_topic import audio_message
from improv_ros.nodes.common.local_time import ros_minus_monotonic
from improv_ros.nodes.common.managed_node import ManagedNode, NotReadyError, run
from improv_ros.nodes.common.note_topics import CHAIN_QOS
from improv_ros.nodes.common.parameters import Setting
from improv_ros.process.backoff import Backoff

SETTINGS = (
    Setting('source', 'device', 'Where the audio comes from', choices=('device', 'file')),
    Setting(
        'device', '', 'Index of the device, or any part of its name; empty: the default device'
    ),
    Setting('file', '', 'Recording to play in real time (WAV, FLAC, ...) if source is file'),
    Setting('loop', False, 'Whether to begin the file again at its end'),
    Setting(
        'min_subscribers',
        1,
        'Number of subscribers of audio for which a file waits before it starts',
        '',
        0,
        100,
    ),
    Setting('sample_rate', 16000, 'Sample rate of the published audio', 'Hz', 8000, 192000),
    Setting('chunk_seconds', 0.01, 'Length of a published chunk', 's', 0.005, 0.1),
)
READ_TIMEOUT = 0.2  # seconds until the capture thread notices that it must stop
STALLED = 0.8  # seconds without audio until diagnostics report it, always within 2 s
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 1.5  # seconds between attempts to open a lost device


class Microphone(ManagedNode):
    """Captures in a thread of its own and publishes each chunk when it arrives."""

    def __init__(self) -> None:
        super().__init__('microphone', SETTINGS)
        self._publisher: Publisher = None  # type: ignore[assignment]  # not before configure
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def configure(self) -> None:
        """Check the device or file: it is opened once, and closed until activation."""
        source = self._make_source()
        try:
            source.open()
        except SourceError as error:
            raise NotReadyError(str(error)) from error
        finally:
            source.close()
        self._publisher = self.create_publisher(Int16MultiArray, 'audio', CHAIN_QOS)

    def activate(self) -> None:
        """Start to capture."""
        self._source = self._make_source()
        self._stop = threading.Event()
        self._meter = LevelMeter(time.monotonic_ns())
        self._problem_now = ''
        self._published = 0
        self._last_audio = time.monotonic()
        self._thread = threading.Thread(
            target=self._capture, args=(self._source, self._stop), name='capture', daemon=True
        )
        self._thread.start()

    def deactivate(self) -> None:
        """Stop capturing; a device that is being opened is closed when it is open."""
        self._end_capture()

    def cleanup(self) -> None:
        """Destroy the publisher; close the device, also where that failed before."""
        self._end_capture()
        if self._publisher:
            self.destroy_publisher(self._publisher)
            self._publisher = None  # type: ignore[assignment]

    def health(self) -> tuple[str, dict[str, object]]:
        """Return level, clipping, losses and stalls."""
        age = time.monotonic() - self._last_audio
        last_sound = self._meter.last_sound
        silent = (
            'none yet' if last_sound is None else f'{time.monotonic() - last_sound / SECOND:.1f}'
        )
        figures: dict[str, object] = {
            'chunks published': self._published,
            'peak level (dBFS)': f'{self._meter.take_peak():.1f}',
            'clipped samples': self._meter.clipped,
            'seconds since last sound': silent,
            'overflows': self._source.overflows,
        }
        problem = self._problem_now
        if not problem and age > STALLED:
            problem = f'no audio has arrived for {age:.1f} s'
        return problem, figures

    def warning(self) -> str:
        """Return whether a device is muted or overdriven; a recording may be so on purpose."""
        is_device = self.settings['source'] == 'device' and not self._problem_now
        return self._meter.warning() if is_device else ''

    def _end_capture(self) -> None:
        if self._thread:
            self._stop.set()
            self._thread.join(timeout=1.0)
            self._thread = None

    def _make_source(self) -> AudioSource:
        seconds = self.settings['chunk_seconds']
        if self.settings['source'] == 'device':
            device = self.settings['device']
            return DeviceSource(int(device) if device.isdecimal() else device, seconds)
        if not self.settings['file']:
            raise NotReadyError(
                'the parameter file is empty, but source is file: name a recording'
            )
        return FileSource(self.settings['file'], self.settings['loop'], seconds)

    def _capture(self, source: AudioSource, stop: threading.Event) -> None:
        """Keep the source open and publish its chunks, until told to stop."""
        self._backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        if self.settings['source'] == 'file':
            self._await_subscribers(stop)
        while not stop.is_set():
            try:
                self._capture_once(source, stop)
            except EndOfAudio:
                self._problem_now = f'{self.settings["file"]} has ended'
                self.get_logger().info(self._problem_now)
                return
            except Exception as error:  # whatever the fault of a source is, the node retries
                if stop.is_set():
                    return
                problem = str(error) if isinstance(error, SourceError) else repr(error)
                pause = self._backoff.next_pause()
                if problem != self._problem_now:
                    self._problem_now = problem
                    self.get_logger().error(f'{problem} (retrying in {pause:g} s)')
                stop.wait(pause)

    def _capture_once(self, source: AudioSource, stop: threading.Event) -> None:
        """Open the source and publish its chunks, until it is lost or the node stops."""
        try:
            source.open()
            if self._problem_now and not stop.is_set():
                self.get_logger().info('audio arrives again')
            self._backoff.reset()
            self._problem_now = ''
            self._publish_until_stopped(source, stop)
        finally:
            source.close()

    def _await_subscribers(self, stop: threading.Event) -> None:
        """Wait before a recording until its first note will be received."""
        needed = self.settings['min_subscribers']
        self._problem_now = f'the file waits until audio has {needed} subscribers'
        while not stop.is_set() and self._publisher.get_subscription_count() < needed:
            stop.wait(0.02)
        self._problem_now = ''

    def _publish_until_stopped(self, source: AudioSource, stop: threading.Event) -> None:
        resampler = ChunkResampler(self.settings['sample_rate'])
        while not stop.is_set():
            chunk = source.read(READ_TIMEOUT)
            if chunk is not None:
                self._last_audio = time.monotonic()
                self._meter.feed(chunk.samples, chunk.time)
                for resampled in resampler.process(chunk):
                    self._publish(resampled)

    def _publish(self, chunk: AudioChunk) -> None:
        stamp = chunk.time + ros_minus_monotonic(self.get_clock())
        if stamp < 0:  # before the start of simulated time
            return
        stamped = AudioChunk(chunk.samples, chunk.sample_rate, stamp, self._published)
        self._publisher.publish(audio_message(stamped))
        self._published += 1


def main() -> int:
    """Run the node; with --list, print the devices instead."""
    if parse_arguments('microphone', SETTINGS, 'list the input devices and exit').list:
        try:
            devices = list_devices()
        except SourceError as error:
            print(error, file=sys.stderr)
            return 1
        if not devices:
            print('no input device: plug in a microphone, or start the sound server')
        for device in devices:
            print(
                f'{device.index:3}  {device.name}  ({device.channels} ch, {device.sample_rate} Hz)'
            )
        return 0
    return run(Microphone)
