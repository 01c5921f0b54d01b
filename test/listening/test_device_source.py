# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A real capture through PyAudio from a virtual microphone."""

import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from fixtures_audio import VirtualMicrophone, virtual_microphone  # noqa: F401
from improv_ros.listening.capture import Device, DeviceSource, SourceError, list_devices
from improv_ros.listening.capture.portaudio import find_device
from timing import PATIENCE, promised

RATE = 44100
DEVICES = [
    Device(0, 'HDA Intel: ALC (hw:0,0)', 2, 48000),
    Device(3, 'USB PnP Microphone (hw:1,0)', 1, 44100),
    Device(5, 'USB PnP Microphone (hw:2,0)', 1, 44100),
    Device(7, 'pulse', 32, 44100),
    Device(8, 'pulse monitor', 32, 44100),
]


@pytest.mark.parametrize(
    ('wanted', 'index'),
    [(3, 3), ('5', 5), ('alc', 0), ('HW:2', 5), ('pulse', 7), ('Monitor', 8), ('', 8)],
)
def test_a_device_is_found_by_index_or_part_of_its_name(wanted, index):
    assert find_device(DEVICES, wanted, default=8).index == index


@pytest.mark.parametrize(
    ('wanted', 'complaint'), [('usb', 'fits 2'), ('theremin', "'theremin'"), (4, '4')]
)
def test_a_device_that_is_not_clear_is_refused_with_a_list(wanted, complaint):
    with pytest.raises(SourceError, match=complaint) as caught:
        find_device(DEVICES, wanted)
    assert '5: USB PnP Microphone (hw:2,0) (1 channels, 44100 Hz)' in str(caught.value)


def test_a_machine_without_audio_inputs_is_reported():
    with pytest.raises(SourceError, match='no audio input'):
        find_device([], '')


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(5).uniform(-0.5, 0.5, round(seconds * RATE))


def capture(source: DeviceSource, seconds: float) -> list:
    chunks = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        chunk = source.read(0.5)
        if chunk is not None:
            chunks.append(chunk)
    return chunks


@pytest.fixture
def source():
    source = DeviceSource('PUL')
    yield source
    source.close()


# The sound server drops sound, as a real one would, where it gets no processor for 100 ms.
@pytest.mark.flaky(reruns=1)
def test_what_is_played_is_what_is_captured(virtual_microphone, source, tmp_path):  # noqa: F811
    played = noise(1.0)
    soundfile.write(tmp_path / 'noise.wav', played, RATE)
    source.open()
    assert source.read(PATIENCE) is not None
    launched = time.monotonic_ns()
    player = virtual_microphone.play(tmp_path / 'noise.wav')
    chunks = capture(source, 0.5)
    while player.poll() is None:
        chunks += capture(source, 0.5)
    chunks += capture(source, 0.5)  # what is on its way
    assert player.wait(PATIENCE) == 0

    captured = np.concatenate([chunk.samples[:, 0] for chunk in chunks]) / 32768
    size = 2 ** int(np.ceil(np.log2(len(captured) + len(played))))
    spectrum = np.fft.rfft(captured, size) * np.conj(np.fft.rfft(played, size))
    correlation = np.fft.irfft(spectrum)[: len(captured) - len(played)]
    lag = int(correlation.argmax())
    found = captured[lag : lag + len(played)]
    norm = np.linalg.norm(found) * np.linalg.norm(played)
    assert correlation[lag] / norm > 0.99
    others = np.delete(np.abs(correlation), range(max(0, lag - 5), lag + 6))
    assert others.max() < 0.1 * correlation[lag]

    assert [c.sequence for c in chunks] == list(range(1, len(chunks) + 1))
    steps = np.diff([chunk.time for chunk in chunks]) / chunks[0].duration
    steps = steps[25:]  # until then an earlier arrival may still correct a first one that was late
    assert promised(0.9, 0.1) < steps.min() <= steps.max() < promised(1.1)
    # paplay needs a moment to begin, and what it begins with must not seem older than itself.
    assert -0.1e9 < chunks[0].time + lag / RATE * 1e9 - launched < promised(1.5) * 1e9


def test_the_inputs_are_listed(virtual_microphone):  # noqa: F811
    devices = {device.name: device for device in list_devices()}
    assert 'pulse' in devices
    assert devices['pulse'].channels >= 1
    assert devices['pulse'].sample_rate == RATE


def test_a_missing_device_is_named_with_the_ones_there_are(virtual_microphone):  # noqa: F811
    with pytest.raises(SourceError, match=r"'theremin'.*pulse"):
        DeviceSource('theremin').open()


def test_portaudio_prints_nothing(virtual_microphone, source, capfd):  # noqa: F811
    source.open()
    source.close()
    assert capfd.readouterr() == ('', '')


def lost(source: DeviceSource) -> str:
    """How the source says that it is lost."""
    until = time.monotonic() + PATIENCE
    with pytest.raises(SourceError, match='pulse is lost') as caught:
        while time.monotonic() < until:
            source.read(0.2)
    return str(caught.value)


def test_the_microphone_is_lost_and_found(virtual_microphone: VirtualMicrophone, source):  # noqa: F811
    source.open()
    assert source.read(PATIENCE) is not None
    virtual_microphone.kill()
    died = time.monotonic()
    lost(source)
    assert time.monotonic() - died < promised(5)
    with pytest.raises(SourceError, match='no audio input'):
        source.open()
    virtual_microphone.start()
    source.open()
    assert source.read(PATIENCE) is not None


def test_a_sound_server_that_hangs_does_not_block_the_reader(virtual_microphone, source):  # noqa: F811
    source.open()
    assert source.read(PATIENCE) is not None
    virtual_microphone.pause()
    lost(source)
    began = time.monotonic()
    source.close()
    assert time.monotonic() - began < promised(2)
    with pytest.raises(SourceError, match='does not answer'):
        source.open()
    virtual_microphone.resume()
    source.open()
    assert source.read(PATIENCE) is not None


def capture_processes(parent: int) -> list[int]:
    found = subprocess.run(
        ['pgrep', '-P', str(parent), '-f', 'capture_process'], capture_output=True, text=True
    )
    return [int(line) for line in found.stdout.split()]


def test_a_crash_of_the_library_is_reported_and_survived(virtual_microphone, source):  # noqa: F811
    source.open()
    assert source.read(PATIENCE) is not None
    (process,) = capture_processes(os.getpid())
    os.kill(process, signal.SIGSEGV)
    assert 'crashed: SIGSEGV' in lost(source)
    source.open()
    assert source.read(PATIENCE) is not None


def test_a_killed_process_leaves_no_capture_process(virtual_microphone):  # noqa: F811
    script = (
        'from improv_ros.listening.capture import DeviceSource\n'
        'source = DeviceSource("pulse")\n'
        'source.open()\n'
        'print("open", flush=True)\n'
        'while True: source.read(1)\n'
    )
    listener = subprocess.Popen([sys.executable, '-c', script], stdout=subprocess.PIPE)
    assert listener.stdout.readline() == b'open\n'
    (process,) = capture_processes(listener.pid)
    virtual_microphone.pause()  # so that no sound comes which nobody wants
    listener.kill()
    listener.wait()
    listener.stdout.close()
    until = time.monotonic() + PATIENCE
    while Path(f'/proc/{process}').exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    virtual_microphone.resume()


def test_sound_lost_by_a_slow_reader_is_counted(virtual_microphone, source):  # noqa: F811
    source.open()
    assert source.read(PATIENCE) is not None
    time.sleep(4.0)
    chunks = capture(source, 0.5)
    assert source.overflows > 0
    jumps = np.diff([chunk.sequence for chunk in chunks])
    assert jumps.max() == 2
    after = chunks[int(jumps.argmax()) + 1]
    before = chunks[int(jumps.argmax())]
    assert after.time - before.time > 0.3e9


def test_closing_leaves_nothing_behind(virtual_microphone, source):  # noqa: F811
    files = len(os.listdir('/proc/self/fd'))
    for _ in range(3):
        source.open()
        assert source.read(PATIENCE) is not None
        source.close()
        source.close()
    assert capture_processes(os.getpid()) == []
    assert len(os.listdir('/proc/self/fd')) <= files
    with pytest.raises(SourceError, match='not open'):
        source.read(0.1)
