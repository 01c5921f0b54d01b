# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The smallest subscribers of the documentation, taken from its pages."""

from __future__ import annotations

import os
from pathlib import Path
import re
import subprocess
import sys
import sysconfig

import pytest
from std_msgs.msg import String

from graph import Graph, wait_until
from improv_ros.event_text import StreamWriter, note_off, note_on

ROOT = Path(__file__).parents[2]

# A stand-in for rclcpp, which no package index offers: just enough for a compiler to check the
# types of the calls, and to run them on one message.
RCLCPP = r"""
#include <functional>
#include <memory>
#include <string>
#include <std_msgs/msg/string.hpp>
namespace rclcpp {
inline std::function<void(const std_msgs::msg::String &)> callback;
inline void init(int, char **) {}
struct Node {
  Node(const std::string &, const std::string &) {}
  template<typename Message, typename Callback>
  int create_subscription(const std::string &, int, Callback given) {
    callback = given;
    return 0;
  }
};
inline void spin(std::shared_ptr<Node>) {
  std_msgs::msg::String message;
  message.data = "rs_500\nat_1_0\nsq_0\n0_no_60_64\n180_no_60_0\n";
  callback(message);
}
}
"""


def snippet(language: str, page: str) -> str:
    """Return the first block of code in a language on a page."""
    text = (ROOT / page).read_text()
    return re.search(rf'^```{language}\n(.*?)^```', text, re.DOTALL | re.MULTILINE).group(1)


def test_the_python_subscriber_hears_the_robot(graph: Graph) -> None:
    log = graph.folder / 'robot.log'
    with log.open('w') as file:
        robot = subprocess.Popen(
            [sys.executable, '-c', snippet('python', 'README.md')],
            env={**os.environ, **graph.env},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        publisher = graph.publisher('generated_notes')
        now = graph.now()
        events = [note_on(now, 60, 64), note_off(now + 180_000_000, 60)]
        publisher.publish(String(data=StreamWriter().write(events)[0]))
        wait_until(lambda: 'strike' in log.read_text(), 'a stroke')
    finally:
        robot.kill()
        robot.wait()
    assert log.read_text() == 'strike key 60 with velocity 64\n'


@pytest.mark.nightly
def test_the_cpp_subscriber_compiles_and_reads_a_message(tmp_path: Path) -> None:
    (tmp_path / 'rclcpp').mkdir()
    (tmp_path / 'rclcpp/rclcpp.hpp').write_text(RCLCPP)
    (tmp_path / 'robot.cpp').write_text(snippet('cpp', 'docs/robots.md'))
    headers = Path(sysconfig.get_path('data')) / 'include'
    folders = [tmp_path, *(path for path in headers.iterdir() if path.is_dir())]
    program = tmp_path / 'robot'
    subprocess.run(
        ['g++', '-std=c++17', '-Wall', *(f'-I{f}' for f in folders)]
        + [str(tmp_path / 'robot.cpp'), '-o', str(program)],
        check=True,
    )
    said = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    assert said == 'strike key 60 with velocity 64\n'
