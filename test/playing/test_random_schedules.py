# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from benchmark.schedules import play_batch


def test_no_note_hangs_in_the_first_thousands_of_random_schedules() -> None:
    schedules, notes, played = play_batch(range(5000))
    assert schedules == 5000
    assert 0.2 * notes < played < notes
