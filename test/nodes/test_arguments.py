# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The command line of a node: what means nothing is refused, with what was probably meant."""

from __future__ import annotations

import pytest

from improv_ros.nodes.common.arguments import own_arguments, parse_arguments, refusal
from improv_ros.nodes.improviser import SETTINGS

PARAMETERS = [setting.name for setting in SETTINGS]


@pytest.mark.parametrize(
    ('words', 'own'),
    [
        ([], []),
        (['--list'], ['--list']),
        (['--ros-args', '-p', 'mode:=solo'], []),
        (
            ['a', '--ros-args', '-p', 'b:=c', '--', 'd', '--ros-args', '--ros-args', 'e'],
            ['a', 'd'],
        ),
    ],
)
def test_what_follows_ros_args_is_left_to_ros(words: list[str], own: list[str]) -> None:
    assert own_arguments(words) == own


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--mode', 'solo'], '--ros-args -p mode:=solo'),
        (['--mode=solo'], '--ros-args -p mode:=solo'),
        (['mode:=solo'], '--ros-args -p mode:=solo'),
        (['--temprature', '0.5'], '--ros-args -p temperature:=0.5'),
        (['--top-p', '--mode'], '--ros-args -p top_p:=VALUE'),
        (['--lits'], 'did you mean --list?'),
        (['-p', 'mode:=solo'], 'give --ros-args before it'),
        (['solo'], 'solo; parameters are given as --ros-args -p NAME:=VALUE'),
        (['--gramophone'], '--gramophone; see --help'),
    ],
)
def test_the_nearest_right_name_is_told(words: list[str], said: str) -> None:
    sentence = refusal(words, ['-h', '--help', '--list'], PARAMETERS)
    assert words[0] in sentence
    assert said in sentence


def test_a_node_ends_with_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_arguments('improviser', SETTINGS, words=['--list'])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.count('\n') == 1
    assert said.startswith('improviser: there is no argument --list')


def test_a_listing_is_asked_for_in_full() -> None:
    assert parse_arguments('a', (), 'what there is', ['--list', '--ros-args', '-p', 'b:=c']).list
    assert not parse_arguments('a', (), 'what there is', ['--ros-args', '--list']).list
    with pytest.raises(SystemExit):
        parse_arguments('a', (), 'what there is', ['--li'])
