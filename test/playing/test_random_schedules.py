from pathlib import Path
import runpy

SCRIPT = Path(__file__).parents[2] / 'benchmark' / 'schedules.py'


def test_no_note_hangs_in_the_first_thousands_of_random_schedules():
    script = runpy.run_path(str(SCRIPT))
    schedules, notes, played = script['play_batch'](range(5000))
    assert schedules == 5000
    assert 0.2 * notes < played < notes
