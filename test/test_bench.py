# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv bench`: the registry, the options of every benchmark, and how results are kept."""

from __future__ import annotations

import argparse
from importlib import import_module
import os
from pathlib import Path
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

import benchmark
from benchmark.harness import Column, Machine, Result, replace_block
from improv_ros import cli
from improv_ros.commands import bench

FOLDER = Path(__file__).parents[1] / 'benchmark'
DOCS = FOLDER.parent / 'docs'
MINIMAL = {  # the arguments that an entry cannot do without
    'accompany': ['music'],
    'answers': ['music'],
    'calibrate': ['recordings'],
    'echo': ['robot.mid'],
    'likelihood': ['music', '--notes', '500'],
    'motifs': ['music'],
    'noise': ['noise'],
    'partner': ['music'],
    'pauses': ['music'],
    'velocity': ['recordings'],
}
PAGE = """# Page

<!-- bench: some -->
old
<!-- end -->

kept

<!-- bench: b -->
B
<!-- end -->
"""


def result(entry: str = 'some') -> Result:
    made = Result(entry, f'improv bench {entry}', '2026-11-30T12:00:00+00:00')
    table = made.table('Times', Column('what', width=8), Column('ms', '.2f'), Column('n', ',d'))
    table.add('first', 1.23456, 1000)
    table.add('a | b', None, 2)
    made.note('A sentence.')
    return made


def test_the_registry_has_every_benchmark_and_no_other() -> None:
    runnable = {path.stem for path in FOLDER.glob('*.py') if '\ndef run(' in path.read_text()}
    assert set(benchmark.ENTRIES) == runnable


@pytest.mark.parametrize('name', benchmark.ENTRIES)
def test_the_options_of_every_benchmark_parse_and_are_described(name: str) -> None:
    entry = benchmark.ENTRIES[name]
    assert entry.summary.endswith('.') and entry.duration and entry.needs
    parser = bench.entry_parser(name, entry.summary)
    arguments = parser.parse_args(['--json', 'out.json', *MINIMAL.get(name, [])])
    assert arguments.json == Path('out.json')
    assert arguments.block == name
    assert entry.summary in parser.format_help()
    for action in parser._actions:
        assert action.help, f'{name} {action.dest} is not described'
        # A number that can be given has its default in the description.
        if action.type in (int, float) and action.default is not argparse.SUPPRESS:
            assert 'default' in action.help, f'{name} {action.dest} hides its default'


def test_the_list_names_every_benchmark_and_imports_nothing_heavy() -> None:
    code = (
        'import sys; from improv_ros import cli; cli.main(["bench"]); '
        'print([m for m in ("numpy", "rclpy", "keras", "mido") if m in sys.modules])'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    *listed, imported = done.stdout.splitlines()
    assert imported == '[]'
    for name, entry in benchmark.ENTRIES.items():
        assert f'{name:15}{entry.summary}' in listed


def test_a_result_is_printed_and_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    made = result()
    assert capsys.readouterr().out.splitlines() == [
        '',
        'Times',
        'what           ms        n',
        'first        1.23    1,000',
        'a | b           -        2',
        'A sentence.',
    ]
    assert Result.from_json(made.json()) == made
    assert Result.from_json(made.json()).tables[0].rows[0] == ['first', 1.23456, 1000]


def test_a_result_in_markdown_names_command_date_and_machine() -> None:
    made = result()
    head, title, table, note = made.markdown().rstrip('\n').split('\n\n')
    assert head.startswith('`improv bench some`, 2026-11-30, ')
    machine = Machine.here()
    assert head.endswith(
        f'{machine.cores} cores, {machine.memory:g} GiB, Python {machine.python}:'
    )
    assert title == '**Times**'
    assert table.splitlines() == [
        '| what | ms | n |',
        '|---|---|---|',
        '| first | 1.23 | 1,000 |',
        '| a \\| b | - | 2 |',
    ]
    assert note == 'A sentence.'


def test_numbers_of_numpy_are_kept_as_numbers() -> None:
    numpy = pytest.importorskip('numpy')
    made = Result('some', 'improv bench some')
    made.table('', Column('n', 'd'), Column('x', '.1f')).add(numpy.int64(3), numpy.float32(0.5))
    assert Result.from_json(made.json()).tables[0].rows == [[3, 0.5]]


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match='1 cells for 2 columns'):
        Result('some', 'x').table('', 'a', 'b').add('c')


def test_a_block_is_replaced_and_nothing_else() -> None:
    page = replace_block(PAGE, 'some', 'new\n')
    assert page == PAGE.replace('-->\nold\n<', '-->\n\nnew\n\n<')
    assert replace_block(page, 'some', 'new') == page


@pytest.mark.parametrize(
    'page',
    [
        'no block',
        '<!-- bench: some -->\nno end',
        '<!-- bench: some -->\nno end\n<!-- bench: b -->\n<!-- end -->\n',
        PAGE + PAGE,
    ],
)
def test_a_page_without_just_one_block_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match='not exactly one block'):
        replace_block(page, 'some', 'new')


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A benchmark called `fake`, which adds what `faults` holds; `runs` counts its runs."""
    module = SimpleNamespace(__doc__='Does nothing.', faults=[], runs=0)

    def run(arguments: argparse.Namespace, made: Result) -> None:
        module.runs += 1
        made.table('', Column('size', 'd')).add(arguments.size)
        for fault in module.faults:
            made.fault(fault)

    module.add_arguments = lambda parser: parser.add_argument('--size', type=int, default=1)
    module.run = run
    fake = benchmark.Entry('Do nothing.', '1 s', 'nothing')
    monkeypatch.setitem(benchmark.ENTRIES, 'fake', fake)
    monkeypatch.setitem(sys.modules, 'benchmark.fake', module)
    return module


def test_a_run_is_kept_as_markdown_and_json(entry: SimpleNamespace, tmp_path: Path) -> None:
    page, kept = tmp_path / 'page.md', tmp_path / 'kept.json'
    page.write_text(PAGE)
    words = ['bench', 'fake', '--size', '7', '--markdown', str(page), f'--json={kept}']
    assert cli.main([*words, '--block', 'b']) == 0
    made = Result.from_json(kept.read_text())
    assert made.tables[0].rows == [[7]]
    assert made.command == 'improv bench fake --size 7'
    assert page.read_text() == replace_block(PAGE, 'b', made.markdown())
    new = tmp_path / 'new.md'
    for size in ('1', '2'):
        assert cli.main(['bench', 'fake', '--size', size, '--markdown', str(new)]) == 0
        assert f'| {size} |' in new.read_text()
    assert new.read_text().count('<!-- bench: fake -->') == 1


def test_a_page_without_the_block_is_found_before_the_run(
    entry: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / 'page.md'
    page.write_text(PAGE)
    assert cli.main(['bench', 'fake', '--markdown', str(page)]) == 1
    assert entry.runs == 0
    assert page.read_text() == PAGE
    assert f'{page}: the page has not exactly one block' in capsys.readouterr().err


def test_a_fault_is_the_exit_code_and_is_kept(
    entry: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry.faults = ['a note hangs']
    kept = tmp_path / 'kept.json'
    assert cli.main(['bench', 'fake', '--json', str(kept)]) == 1
    assert Result.from_json(kept.read_text()).faults == ['a note hangs']
    assert capsys.readouterr().err == 'improv bench fake: a note hangs\n'


def test_an_unknown_name_is_told_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(['bench', 'touch']) == 2
    assert "no benchmark is called 'touch'; there are accompany" in capsys.readouterr().err


def test_a_package_without_benchmarks_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> Path:
        raise FileNotFoundError(f'{name} was not found in /here')

    monkeypatch.setattr(bench, 'shared_file', missing)
    assert cli.main(['bench']) == 1
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert 'benchmark/harness.py was not found in /here' in error


def test_a_user_mistake_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(['bench', 'answers', str(tmp_path)]) == 1
    assert f'{tmp_path} holds no MIDI file' in capsys.readouterr().err


def test_small_benchmarks_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name, words in {
        'event_text': ['--rounds', '1'],
        'fuzz': ['--inputs', '400'],
        'schedules': ['--schedules', '200', '--processes', '1'],
        'robots': ['--seconds', '1'],
    }.items():
        kept = tmp_path / f'{name}.json'
        assert cli.main(['bench', name, *words, '--json', str(kept)]) == 0, name
        assert Result.from_json(kept.read_text()).tables[0].rows, name


def test_a_wrong_schedule_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    schedules = import_module('benchmark.schedules')

    def deny(*_: object) -> None:
        raise schedules.ScheduleFaultError('a note hangs')

    monkeypatch.setattr(schedules, 'check_account', deny)
    with pytest.raises(schedules.ScheduleFaultError, match='seed 3: a note hangs'):
        schedules.play_batch(range(3, 5))


def test_tables_of_a_page_are_read() -> None:
    page = '# Title\n\nA note.\n\n## Head\n\n| a | b |\n|---|---|\n| x | 1.50 |\n\n![c](d.png)\n'
    made = Result('likelihood', 'improv bench likelihood')
    import_module('benchmark.likelihood').read_page(page, made)
    assert made.notes == ['A note.']
    assert made.tables[0].title == 'Head'
    assert made.tables[0].rows == [['x', 1.5]]
    assert made.tables[0].markdown().endswith('| x | 1.50 |')


def test_every_block_of_the_measurements_is_one_that_a_benchmark_replaces() -> None:
    page = (DOCS / 'measurements.md').read_text()
    blocks = re.findall(r'<!-- bench: (\S+) -->', page)
    assert blocks
    for block in blocks:
        assert block.partition('-')[0] in benchmark.ENTRIES
        assert replace_block(page, block, 'new') != page


def test_links_to_measurements_reach_a_heading() -> None:
    headings = re.findall(r'^#+ (.+)$', (DOCS / 'measurements.md').read_text(), re.MULTILINE)
    anchors = {re.sub(r'[^\w -]', '', heading).lower().replace(' ', '-') for heading in headings}
    linked = {
        anchor
        for path in DOCS.glob('*.md')
        for anchor in re.findall(r'\(measurements\.md#([^)]+)\)', path.read_text())
    }
    assert linked and linked <= anchors


def test_the_load_of_a_node_contains_that_of_its_helpers() -> None:
    load = import_module('benchmark.load')
    held = 32 * 2**20
    code = f'held = bytearray(b"x" * {held}); print(1, flush=True); input()'
    child = subprocess.Popen(
        [sys.executable, '-c', code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout and child.stdout.readline()
        assert child.pid in load.family_of(os.getpid())
        seconds, memory = load.used_by_process(child.pid)
        assert seconds > 0 and memory > held / 2**20
        both = load.used_by(SimpleNamespace(pids=lambda: {'node': os.getpid()}))['node']
        assert both[1] > held / 2**20 + load.used_by_process(os.getpid())[1] / 2
    finally:
        child.communicate(b'\n')
    assert load.used_by_process(child.pid) == (0.0, 0.0)


def test_the_load_is_measured_on_the_whole_chain(tmp_path: Path) -> None:
    load = import_module('benchmark.load')
    parser = argparse.ArgumentParser()
    load.add_arguments(parser)
    nodes = {
        node.executable: node.parameters
        for node in load.nodes_of(parser.parse_args([]), tmp_path / 'phrase.wav', tmp_path)
    }
    assert [*nodes] == ['microphone', 'transcriber', 'improviser', 'midi_player', 'live_page']
    assert nodes['microphone']['loop'] is True
    assert nodes['midi_player']['outputs'] == 'wav'
    assert nodes['midi_player']['wav_file'] == str(tmp_path / 'played.wav')
    assert nodes['improviser']['mode'] == 'accompany'
    with_body = load.nodes_of(
        parser.parse_args(['--body', 'drums_8']), tmp_path / 'a.wav', tmp_path
    )
    assert 'simulated_robot' in {node.executable for node in with_body}
