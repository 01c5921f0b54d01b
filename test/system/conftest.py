"""Fixtures of the tests that start real nodes."""

from __future__ import annotations

from collections.abc import Iterator
import itertools
import os
from pathlib import Path

import pytest

from graph import Graph, graph_in

# Domains 1 to 101 keep clear of the ephemeral ports of Linux.
_domains = itertools.cycle(range(1 + os.getpid() % 50, 102))


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    """Provide a ROS graph in a domain of its own."""
    with graph_in(tmp_path, next(_domains)) as graph:
        yield graph


@pytest.fixture(scope='module')
def module_graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """Provide a ROS graph that the tests of a module share."""
    with graph_in(tmp_path_factory.mktemp('graph'), next(_domains)) as graph:
        yield graph
