# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Fixtures of the tests that start real nodes."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import itertools
from pathlib import Path
import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # what these import may not be here, and then the tests are skipped
    from graph import Graph
    from piano import Piano

DOMAINS = range(1, 102)  # they keep clear of the ephemeral ports of Linux
_turns = itertools.cycle(DOMAINS)


@contextlib.contextmanager
def domain_of_its_own() -> Iterator[int]:
    """Provide a ROS domain that no other test of this machine is in, whoever runs it."""
    for domain in itertools.islice(_turns, len(DOMAINS)):
        if lock := _lock(domain):
            with lock:
                yield domain
            return
    pytest.fail('every ROS domain is taken by other tests')


def _lock(domain: int) -> socket.socket | None:
    """Return what holds a domain until it is closed, or None where another test has it."""
    lock = socket.socket(socket.AF_UNIX)
    try:
        lock.bind(f'\0improv_ros test in domain {domain}')  # a name without a file
    except OSError:
        lock.close()
        return None
    return lock


@pytest.fixture
def domain() -> Iterator[int]:
    """Provide a ROS domain."""
    with domain_of_its_own() as domain:
        yield domain


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    """Provide a ROS graph in a domain of its own."""
    from graph import graph_in

    with domain_of_its_own() as domain, graph_in(tmp_path, domain) as graph:
        yield graph


@pytest.fixture(scope='module')
def module_graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """Provide a ROS graph that the tests of a module share."""
    from graph import graph_in

    folder = tmp_path_factory.mktemp('graph')
    with domain_of_its_own() as domain, graph_in(folder, domain) as graph:
        yield graph


@pytest.fixture
def piano() -> Iterator[Piano]:
    """Provide a piano at a port."""
    from piano import a_piano

    with a_piano() as piano:
        yield piano
