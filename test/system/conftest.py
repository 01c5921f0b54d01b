"""Fixtures of the tests that start real nodes."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import itertools
from pathlib import Path
import socket

import pytest

from graph import Graph, graph_in
from piano import Piano, a_piano

# These tests keep real time, on machines that may have something else to do: one that fails is
# tried once more, and the report says so.
ATTEMPTS = pytest.mark.flaky(reruns=1)

DOMAINS = range(1, 102)  # they keep clear of the ephemeral ports of Linux
_turns = itertools.cycle(DOMAINS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each test of this folder be tried once more."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(ATTEMPTS)


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
def graph(tmp_path: Path) -> Iterator[Graph]:
    """Provide a ROS graph in a domain of its own."""
    with domain_of_its_own() as domain, graph_in(tmp_path, domain) as graph:
        yield graph


@pytest.fixture(scope='module')
def module_graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """Provide a ROS graph that the tests of a module share."""
    folder = tmp_path_factory.mktemp('graph')
    with domain_of_its_own() as domain, graph_in(folder, domain) as graph:
        yield graph


@pytest.fixture
def piano() -> Iterator[Piano]:
    """Provide a piano at a port."""
    with a_piano() as piano:
        yield piano
