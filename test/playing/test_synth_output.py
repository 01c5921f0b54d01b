import subprocess
import time

import numpy as np
import pytest

from fixtures_audio import virtual_microphone  # noqa: F401
from improv_ros.event_text import note_off, note_on
from improv_ros.playing.errors import PlayingError
from improv_ros.playing.outputs.synth import SynthOutput
from improv_ros.playing.player import Player

RATE = 44100


@pytest.mark.parametrize('driver', ['pulseaudio', ''])
def test_the_synth_is_heard_on_the_default_audio_device(virtual_microphone, tmp_path, driver):  # noqa: F811
    recording = tmp_path / 'recording'
    command = ['parec', '--format=s16le', f'--rate={RATE}', '--channels=1', '--latency-msec=50']
    with recording.open('wb') as file:
        recorder = subprocess.Popen(command, stdout=file)
    with Player([SynthOutput(driver=driver)]) as player:
        assert player.problems == {}
        now = time.monotonic_ns() + 500_000_000
        for pitch in (60, 64, 67):
            player.submit([note_on(now, pitch, 100), note_off(now + 800_000_000, pitch)])
        time.sleep(2.0)
    recorder.terminate()
    recorder.wait(5)
    samples = np.fromfile(recording, np.int16) / 32768
    assert len(samples) > RATE
    loud = np.abs(samples) > 0.01
    assert 0.02 < np.abs(samples).max() < 1.0
    assert 0.1 * RATE < np.count_nonzero(loud) < 2.0 * RATE


def test_without_a_sound_server_the_error_asks_for_one(monkeypatch, tmp_path):
    monkeypatch.setenv('PULSE_SERVER', f'unix:{tmp_path}/none')
    with pytest.raises(PlayingError, match=r'pulseaudio.*sound server'):
        SynthOutput(driver='pulseaudio').open()


def test_a_missing_soundfont_is_named():
    with pytest.raises(PlayingError, match=r'no soundfont /nowhere\.sf2'):
        SynthOutput('/nowhere.sf2').open()
