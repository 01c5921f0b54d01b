# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The Python reader against the vectors that readers in other languages pass too."""

from __future__ import annotations

import pytest

from improv_ros.event_text import EventTextError, StreamReader
from vectors_event_text import REFUSED, cases, written

CASES = cases()


def test_there_are_vectors_of_both_sorts() -> None:
    events = [lines for case in CASES.values() for _, lines in case]
    assert sum(lines == REFUSED for lines in events) > 40
    assert sum(lines != REFUSED for lines in events) > 25


@pytest.mark.parametrize('name', CASES)
def test_the_python_reader_passes_the_vectors(name: str) -> None:
    reader = StreamReader()
    for text, expected in CASES[name]:
        if expected == REFUSED:
            with pytest.raises(EventTextError):
                reader.read(text)
        else:
            assert [written(event) for event in reader.read(text)] == expected, text
