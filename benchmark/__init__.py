# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The benchmarks of the package: `improv bench` lists them, `improv bench NAME` runs one.

An entry is a row of ENTRIES and a module of its name, which has `add_arguments(parser)` and
`run(arguments, result)`. The module is imported only when the entry is chosen, so this file and
`harness` import nothing but the standard library.
"""

from typing import NamedTuple


class Entry(NamedTuple):
    """What the list says of a benchmark: one sentence, its duration, and the data it needs."""

    summary: str
    duration: str
    needs: str


NOTHING = 'nothing'
MIDI = 'a folder of MIDI files of piano performances'
RECORDINGS = 'recordings with their notes in .tsv files'

ENTRIES = {
    'accompany': Entry(
        'Measure how far ahead an accompaniment is published while many notes are heard.',
        '1 min',
        MIDI,
    ),
    'answers': Entry(
        'Measure how closely answers follow their phrases, and how soon they begin.',
        '3 min',
        MIDI,
    ),
    'audio_training': Entry(
        'Measure how many seconds of sound per second the transcriber trains on.',
        '2 min',
        'Keras with a backend',
    ),
    'calibrate': Entry(
        'Measure what each fit of a calibration gives on other recordings of the same piano.',
        '15 min per hour of recordings; quicker with kept --outputs',
        RECORDINGS + ', all of one piano and microphone',
    ),
    'echo': Entry(
        "Count the robot's own notes that are taken for the person's.",
        '1 min per robot part and loudness',
        'MIDI files of robot parts; a soundfont',
    ),
    'event_text': Entry(
        'Measure how many events per second are parsed and formatted.',
        '10 s without files',
        'nothing, or MIDI files',
    ),
    'fuzz': Entry(
        'Feed damaged input to the parsers of external data.',
        '1 min; 10 min with --inputs 10000000',
        NOTHING,
    ),
    'improviser': Entry(
        'Measure the speed of the improviser network and the start of its node.',
        '2 min',
        'nothing; TensorFlow for the second runtime',
    ),
    'interrupts': Entry(
        'Send two SIGINTs to every node and command at random moments of its run.',
        '2 h; 1 min with --runs 2',
        'nothing; real ROS nodes',
    ),
    'likelihood': Entry(
        'Measure the negative log-likelihood of real performances with `improv evaluate`.',
        '5 min to 2 h',
        MIDI,
    ),
    'load': Entry(
        'Measure what each node of the chain uses of the processor and of the memory.',
        '75 s',
        'nothing; real ROS nodes; a soundfont',
    ),
    'motifs': Entry(
        'Count the answers that bring back a motif of their phrase, and measure their pulse.',
        '5 min',
        MIDI,
    ),
    'noise': Entry(
        'Count the notes that the transcriber invents in an hour of noise.',
        '10 min',
        'espeak-ng',
    ),
    'note_path': Entry(
        'List the modules of this package that one note passes.',
        '1 min',
        'nothing; real ROS nodes',
    ),
    'page': Entry(
        'Measure the latency of the live page in a browser, and what it costs.',
        '5 min',
        'Chromium and selenium; two idle processors',
    ),
    'partner': Entry(
        'Measure how much better the improviser predicts a pianist whom it learns from.',
        '15 min',
        MIDI,
    ),
    'pauses': Entry(
        'Measure the wait before an answer against the answers that start too early.',
        '5 min',
        MIDI,
    ),
    'playback': Entry(
        'Measure the lateness of the player beside mido and clock_nanosleep.',
        '4 min',
        'nothing; real-time priority if it is allowed',
    ),
    'robots': Entry(
        'Count the notes that each shipped robot body keeps, beside a greedy planner.',
        '2 min',
        'nothing, or MIDI files',
    ),
    'schedules': Entry(
        'Play random schedules to their end and check that no note hangs.',
        '20 s per 100,000 schedules',
        NOTHING,
    ),
    'simulation': Entry(
        'Measure when, and on which keys, bodies with physics hit, and what their physics cost.',
        '4 min; 10 min with ten MIDI files',
        'nothing, or MIDI files; mujoco',
    ),
    'soak': Entry(
        'Run every node under load, follow every note and watch the memory.',
        '60 min',
        'nothing; two idle processors',
    ),
    'solo': Entry(
        'Compare the minutes of a long solo with minutes of real performances.',
        '5 min',
        'nothing, or ' + MIDI,
    ),
    'training': Entry(
        'Measure how many notes per second this machine trains on.',
        '3 min',
        'Keras with a backend',
    ),
    'transcription': Entry(
        'Measure how well notes are transcribed, beside basic-pitch.',
        '10 min per hour of recordings and model',
        RECORDINGS,
    ),
    'velocity': Entry(
        'Fit the velocity estimation to recordings and measure its correlation.',
        '10 min',
        RECORDINGS + '; TensorFlow',
    ),
}
