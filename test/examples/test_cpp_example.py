# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The C++ robot: its event text against the vectors and damaged messages, its node by type."""

from __future__ import annotations

from pathlib import Path
import random
import subprocess
import sysconfig

import pytest

from vectors_event_text import VECTORS, cases, vectors_of, write_cases

CPP = Path(__file__).parents[2] / 'examples' / 'cpp'
STRICT = ['g++', '-std=c++17', '-Wall', '-Wextra', '-Werror', '-pedantic']

# A stand-in for rclcpp, which no package index offers: just enough for a compiler to check the
# robot's calls by type, and to run them on a message and a few milliseconds.
RCLCPP = r"""
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <std_msgs/msg/string.hpp>
#define RCLCPP_INFO(logger, ...) (void)(logger), std::printf(__VA_ARGS__), std::printf("\n")
#define RCLCPP_WARN RCLCPP_INFO
namespace rclcpp {
inline std::function<void(const std_msgs::msg::String &)> hear;
inline std::function<void()> tick;
inline std::int64_t now = 1000000000;
struct Time { std::int64_t nanoseconds() const { return now; } };
struct Clock { Time now() const { return {}; } };
struct TimerBase { using SharedPtr = std::shared_ptr<TimerBase>; };
template<typename M> struct Subscription { using SharedPtr = std::shared_ptr<Subscription<M>>; };
struct Node {
  explicit Node(const std::string &) {}
  template<typename M, typename C>
  std::shared_ptr<Subscription<M>> create_subscription(const std::string &, int, C callback) {
    hear = callback;
    return std::make_shared<Subscription<M>>();
  }
  template<typename D, typename C> std::shared_ptr<TimerBase> create_wall_timer(D, C callback) {
    tick = callback;
    return std::make_shared<TimerBase>();
  }
  int get_logger() { return 0; }
  std::shared_ptr<Clock> get_clock() { return std::make_shared<Clock>(); }
};
inline void init(int, char **) {}
inline void shutdown() {}
inline void spin(std::shared_ptr<Node>) {
  std_msgs::msg::String message;
  for (const char * text : {
      "rs_500\nat_1_0\nsq_0\n10_no_60_64\n10_no_64_80\n180_no_60_0\n100_no_64_0\n",
      "hello\n", "rs_500\nat_1_50000000\nsq_1\n0_cl\n"}) {
    message.data = text;
    hear(message);
    for (int i = 0; i < 40; ++i) { tick(); now += 1000000; }
  }
}
}
"""


@pytest.fixture(scope='module')
def try_vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the parser, with what finds reads astray and sums that overflow."""
    program = tmp_path_factory.mktemp('cpp') / 'try_vectors'
    sanitize = ['-fsanitize=address,undefined', '-fno-sanitize-recover']
    subprocess.run(
        [*STRICT, *sanitize, str(CPP / 'try_vectors.cpp'), '-o', str(program)], check=True
    )
    return program


def test_it_passes_the_shared_vectors(try_vectors: Path) -> None:
    result = subprocess.run([str(try_vectors), str(VECTORS)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f'{sum(map(len, cases().values()))} messages, 0 wrong\n'


@pytest.mark.nightly
def test_it_makes_of_damaged_messages_what_python_makes(try_vectors: Path, tmp_path: Path) -> None:
    source = random.Random(1)
    messages = [text for case in cases().values() for text, _ in case]
    damaged = {}
    for number in range(1500):
        characters = list(source.choice(messages))
        for _ in range(source.randint(1, 3)):
            place = source.randrange(len(characters))
            characters[place : place + source.randint(0, 2)] = source.choice('0129_-nfcx\n')
        text = ''.join(characters)
        if '\nend' not in text and '\nevents' not in text:
            damaged[str(number)] = [text]
    path = tmp_path / 'damaged.txt'
    path.write_text(write_cases(vectors_of(damaged)))
    result = subprocess.run([str(try_vectors), str(path)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert len(damaged) > 1000


@pytest.mark.nightly
def test_the_robot_compiles_and_strikes_until_it_is_cleared(tmp_path: Path) -> None:
    (tmp_path / 'rclcpp').mkdir()
    (tmp_path / 'rclcpp/rclcpp.hpp').write_text(RCLCPP)
    headers = Path(sysconfig.get_path('data')) / 'include'
    folders = [path for path in headers.iterdir() if path.is_dir()]
    program = tmp_path / 'robot'
    subprocess.run(
        [
            *STRICT,
            f'-I{tmp_path}',
            *(word for folder in folders for word in ('-isystem', str(folder))),
            str(CPP / 'robot.cpp'),
            '-o',
            str(program),
        ],
        check=True,
    )
    said = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == [
        'strike 60 with velocity 64',
        'strike 64 with velocity 80',
        'message skipped: line 1: a text begins with rs_<resolution>',
        'release 60',
        'release 64',
    ]


@pytest.mark.nightly
def test_cmake_builds_and_checks_it_without_ros(tmp_path: Path) -> None:
    for command in (
        ['cmake', '-S', str(CPP), '-B', str(tmp_path)],
        ['cmake', '--build', str(tmp_path)],
        ['ctest', '--test-dir', str(tmp_path)],
    ):
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr
