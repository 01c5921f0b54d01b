# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from fixtures_audio import virtual_microphone  # noqa: F401
from improv_ros.event_text import note_off, note_on
from improv_ros.playing import PlayingError
from improv_ros.playing import player as player_module
from improv_ros.playing.outputs.synth_output import SynthOutput
from improv_ros.playing.player import Player
from timing import PATIENCE, promised

RATE = 44100

PLAYER = """
import time
from improv_ros.playing.outputs.synth_output import SynthOutput

output = SynthOutput()
output.open()
print(output._helper._process.pid, flush=True)
time.sleep(100)
"""


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(player_module, 'WATCH_PERIOD', 0.05)
    # No event is dropped as too late on a busy machine.
    _, *others = Player.__init__.__defaults__
    monkeypatch.setattr(Player.__init__, '__defaults__', (60_000_000_000, *others))
    monkeypatch.setattr(player_module, 'FIRST_PAUSE', 0.1)


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert condition()


def is_alive(process_id):
    try:
        with open(f'/proc/{process_id}/stat') as file:
            return file.read().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def loud(recording, latest=0):
    """Return how many of the latest samples (0: all) are audible."""
    samples = np.fromfile(recording, np.int16)[-latest:]
    return np.count_nonzero(np.abs(samples / 32768) > 0.01)


@pytest.mark.parametrize('driver', ['pulseaudio', ''])
def test_the_synthesiser_sounds_on_the_default_audio_device(virtual_microphone, tmp_path, driver):  # noqa: F811
    recording = tmp_path / 'recording'
    command = ['parec', '--format=s16le', f'--rate={RATE}', '--channels=1', '--latency-msec=50']
    with recording.open('wb') as file:
        recorder = subprocess.Popen(command, stdout=file)
    with Player([SynthOutput(driver=driver)]) as player:
        assert player.problems == {}
        now = time.monotonic_ns() + 500_000_000
        for pitch in (60, 64, 67):
            player.submit([note_on(now, pitch, 100), note_off(now + 800_000_000, pitch)])
        wait_until(lambda: loud(recording) > 0.1 * RATE)
        wait_until(lambda: not loud(recording, RATE // 4))
    recorder.terminate()
    recorder.wait(PATIENCE)
    samples = np.fromfile(recording, np.int16) / 32768
    assert len(samples) > RATE
    assert 0.02 < np.abs(samples).max() < 1.0


def test_without_a_sound_server_the_error_names_it(monkeypatch, tmp_path):
    monkeypatch.setenv('PULSE_SERVER', f'unix:{tmp_path}/none')
    with pytest.raises(PlayingError, match=r'pulseaudio.*sound server'):
        SynthOutput(driver='pulseaudio').open()


def test_a_missing_soundfont_is_named():
    with pytest.raises(PlayingError, match=r'no soundfont /nowhere\.sf2'):
        SynthOutput('/nowhere.sf2').open()


def test_a_hanging_sound_server_is_detected_and_delays_no_other_output(virtual_microphone):  # noqa: F811
    with Player([SynthOutput()]) as player:
        virtual_microphone.pause()
        wait_until(lambda: 'no sound' in player.problems.get('synth', ''))
        player.submit([note_on(time.monotonic_ns(), 60, 100)])
        began = time.monotonic()
    virtual_microphone.resume()
    assert time.monotonic() - began < promised(4)


def test_the_death_of_a_sound_server_is_detected_and_a_new_one_is_found(virtual_microphone):  # noqa: F811
    with Player([SynthOutput(driver='pulseaudio')]) as player:
        virtual_microphone.kill()
        wait_until(lambda: 'sound' in player.problems.get('synth', ''))
        virtual_microphone.start()
        wait_until(lambda: not player.problems)


def test_a_synth_that_crashes_is_started_again(virtual_microphone):  # noqa: F811
    output = SynthOutput()
    with Player([output]) as player:
        os.kill(output._helper._process.pid, signal.SIGKILL)
        wait_until(lambda: 'ended unexpectedly' in player.problems.get('synth', ''))
        wait_until(lambda: not player.problems)


def test_a_killed_player_leaves_no_synthesiser_behind(virtual_microphone):  # noqa: F811
    player = subprocess.Popen([sys.executable, '-c', PLAYER], stdout=subprocess.PIPE)
    synth = int(player.stdout.readline())
    assert is_alive(synth)
    player.kill()
    player.wait()
    player.stdout.close()
    wait_until(lambda: not is_alive(synth))
