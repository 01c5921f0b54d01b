"""The microphone node: sound from a device or a file, published in chunks on `audio`."""

from __future__ import annotations

import argparse
import sys
import threading
import time

from rclpy.publisher import Publisher
from std_msgs.msg import Int16MultiArray

from improv_ros.listening.audio_chunk import AudioChunk
from improv_ros.listening.level import LevelMeter
from improv_ros.listening.resampling import Resampler
from improv_ros.listening.sources import (
    AudioSource,
    DeviceSource,
    EndOfAudio,
    FileSource,
    SourceError,
    list_devices,
)
from improv_ros.nodes.audio_topic import audio_message
from improv_ros.nodes.clock import ros_minus_monotonic
from improv_ros.nodes.managed_node import FIRST_RETRY, ManagedNode, NotReadyError, run
from improv_ros.nodes.note_topics import CHAIN_QOS
from improv_ros.nodes.parameters import Setting

SETTINGS = (
    Setting('source', 'device', 'Where sound comes from', choices=('device', 'file')),
    Setting('device', '', 'Device index or any part of its name; empty: the default device'),
    Setting('file', '', 'Recording to play in real time (WAV, FLAC, ...) where source is file'),
    Setting('loop', False, 'Begin the file again at its end'),
    Setting('await_listeners', 1, 'A file waits until this many listen to audio', '', 0, 100),
    Setting('sample_rate', 16000, 'Rate of the published audio', 'Hz', 8000, 192000),
    Setting('chunk_seconds', 0.01, 'Length of a published chunk', 's', 0.005, 0.1),
)
READ_TIMEOUT = 0.2  # seconds: how long the capture thread may take to notice that it must stop
STALLED = 0.8  # seconds without audio after which diagnostics say so, so that two never pass
LONGEST_PAUSE = 1.5  # seconds between attempts to open a lost device, so that five never pass


class Microphone(ManagedNode):
    """Captures in a thread of its own and publishes each chunk as it comes."""

    def __init__(self) -> None:
        super().__init__('microphone', SETTINGS)
        self._publisher: Publisher | None = None

    def configure(self) -> None:
        """Find the device or the file: it is opened once, and let go until activation."""
        source = self._make_source()
        try:
            source.open()
        except SourceError as error:
            raise NotReadyError(str(error)) from error
        finally:
            source.close()
        self._publisher = self.create_publisher(Int16MultiArray, 'audio', CHAIN_QOS)

    def activate(self) -> None:
        """Begin to capture."""
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
        """Stop capturing; a device that is just being opened is closed when it is open."""
        self._stop.set()
        self._thread.join(timeout=1.0)

    def cleanup(self) -> None:
        """Let go of the topic."""
        if self._publisher:
            self.destroy_publisher(self._publisher)
            self._publisher = None

    def health(self) -> tuple[str, dict[str, object]]:
        """Tell level, clipping, losses and stalls."""
        age = time.monotonic() - self._last_audio
        last_sound = self._meter.last_sound
        silent = 'none yet' if last_sound is None else f'{time.monotonic() - last_sound / 1e9:.1f}'
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
        """Tell whether a device is muted or overdriven; a recording may be so on purpose."""
        is_heard = self.settings['source'] == 'device' and not self._problem_now
        return self._meter.warning() if is_heard else ''

    def _make_source(self) -> AudioSource:
        seconds = self.settings['chunk_seconds']
        if self.settings['source'] == 'device':
            device = self.settings['device']
            return DeviceSource(int(device) if device.isdecimal() else device, seconds)
        if not self.settings['file']:
            raise NotReadyError(
                'source is file, but the parameter file is empty: name a recording'
            )
        return FileSource(self.settings['file'], self.settings['loop'], seconds)

    def _capture(self, source: AudioSource, stop: threading.Event) -> None:
        """Keep the source open and publish what it gives, until told to stop."""
        self._pause = FIRST_RETRY
        if self.settings['source'] == 'file':
            self._await_listener(stop)
        while not stop.is_set():
            try:
                self._listen_once(source, stop)
            except EndOfAudio:
                self._problem_now = f'{self.settings["file"]} has been played to its end'
                self.get_logger().info(self._problem_now)
                return
            except Exception as error:  # whatever is wrong with a source, the node tries again
                if stop.is_set():
                    return
                problem = str(error) if isinstance(error, SourceError) else repr(error)
                if problem != self._problem_now:
                    self._problem_now = problem
                    self.get_logger().error(f'{problem} (tried again by and by)')
                stop.wait(self._pause)
                self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _listen_once(self, source: AudioSource, stop: threading.Event) -> None:
        """Open the source and publish what it gives, until it is lost or the node stops."""
        try:
            source.open()
            if self._problem_now and not stop.is_set():
                self.get_logger().info('sound again')
            self._pause = FIRST_RETRY
            self._problem_now = ''
            self._publish_until_stopped(source, stop)
        finally:
            source.close()

    def _await_listener(self, stop: threading.Event) -> None:
        """Hold a recording back until somebody hears its first note."""
        needed = self.settings['await_listeners']
        self._problem_now = f'the file waits until audio has {needed} listeners'
        while not stop.is_set() and self._publisher.get_subscription_count() < needed:
            stop.wait(0.02)
        self._problem_now = ''

    def _publish_until_stopped(self, source: AudioSource, stop: threading.Event) -> None:
        resampler = Resampler(self.settings['sample_rate'])
        while not stop.is_set():
            chunk = source.read(READ_TIMEOUT)
            if chunk is not None:
                self._last_audio = time.monotonic()
                self._meter.feed(chunk.samples, chunk.time)
                for resampled in resampler.process(chunk):
                    self._publish(resampled)

    def _publish(self, chunk: AudioChunk) -> None:
        stamp = chunk.time + ros_minus_monotonic(self.get_clock())
        stamped = AudioChunk(chunk.samples, chunk.sample_rate, stamp, self._published)
        self._publisher.publish(audio_message(stamped))
        self._published += 1


def main() -> int:
    """Run the node; with --list, print the devices instead."""
    parser = argparse.ArgumentParser('microphone', description=__doc__)
    parser.add_argument('--list', action='store_true', help='list the input devices and leave')
    arguments, ros_arguments = parser.parse_known_args()
    if arguments.list:
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
    return run(Microphone, [sys.argv[0], *ros_arguments])


if __name__ == '__main__':
    sys.exit(main())
