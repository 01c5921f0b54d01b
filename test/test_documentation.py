# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The pages: the length of the README, their links, and the places in the code that they name."""

from __future__ import annotations

import ast
from html import unescape
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
import re

import pytest

ROOT = Path(__file__).parents[1]
README_LINES = 150
PAGES = [
    *(ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', ROOT / 'QUALITY_DECLARATION.md'),
    *sorted((ROOT / 'docs').glob('*.md')),
    ROOT / 'docs' / 'reference' / 'index.md',
    *sorted((ROOT / 'improv_ros' / 'models').glob('*.md')),
]
DIAGRAMS = sorted((ROOT / 'docs' / 'diagrams').glob('*.dot'))
LINK = re.compile(r'\]\(([^)\s]+)\)')
FENCE = re.compile(r'^```.*?^```$', re.DOTALL | re.MULTILINE)
# `improv_ros/playing/player.py`, `Player.panic`
PLACE = re.compile(r'`((?:improv_ros|test|config|docs|benchmark|launch|examples)/[\w./*-]+)`')
MEMBER = re.compile(r'`([\w/]+\.py)`(?:,|:)?\s+`([A-Za-z_][\w.]*)`')


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r'^#+ (.*)$', FENCE.sub('', page.read_text()), re.MULTILINE)
    return {re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-') for heading in headings}


def defined(path: Path) -> set[str]:
    """Return the names that a module defines: constants, functions, classes and their members."""
    names: set[str] = set()

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(prefix + node.name)
            if isinstance(node, ast.ClassDef):
                visit(node.body, f'{prefix}{node.name}.')
            targets = node.targets if isinstance(node, ast.Assign) else []
            targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
            names.update(prefix + target.id for target in targets if isinstance(target, ast.Name))

    visit(ast.parse(path.read_text()).body, '')
    return names


def test_the_readme_is_short() -> None:
    assert len((ROOT / 'README.md').read_text().splitlines()) <= README_LINES


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.findall(FENCE.sub('', page.read_text())):
        if re.match(r'[a-z]+:', link):
            continue
        name, _, anchor = link.partition('#')
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def test_places_named_to_contributors_exist() -> None:
    text = (ROOT / 'CONTRIBUTING.md').read_text()
    missing = [place for place in PLACE.findall(text) if not any(ROOT.glob(place.rstrip('/')))]
    members = MEMBER.findall(text)
    missing += [f'{file}: {name}' for file, name in members if name not in defined(ROOT / file)]
    assert not missing
    assert len(members) >= 4  # the four questions


@pytest.mark.parametrize('source', DIAGRAMS, ids=lambda path: path.stem)
def test_a_diagram_shows_what_its_source_says(source: Path) -> None:
    """Run `make diagrams` if this fails."""
    drawn = unescape(source.with_suffix('.svg').read_text())
    code = re.sub(r'^//.*|\w+=[\w"]+', '', source.read_text(), flags=re.MULTILINE)
    labels = re.findall(r'label="([^"]*)"', source.read_text())
    words = [line.strip() for label in labels for line in label.split('\\n')]
    edges = re.findall(r'(\w+) -> (\w+)', code)
    assert edges
    assert not [line for line in words if line not in drawn]
    assert not [edge for edge in edges if f'<title>{"->".join(edge)}</title>' not in drawn]


def test_the_diagrams_show_every_node_topic_and_room() -> None:
    chain, rooms = (
        set(
            re.findall(
                r'\w+', (ROOT / f'docs/diagrams/{name}.dot').read_text().replace('\\n', ' ')
            )
        )
        for name in ('chain', 'rooms')
    )
    package = ROOT / 'improv_ros'
    nodes = {path.stem for path in (package / 'nodes').glob('*.py')} - {'__init__'}
    assert nodes and not nodes - chain
    topics = re.findall(r"'(\w+_notes)'", (package / 'nodes/common/note_topics.py').read_text())
    assert topics and not set(topics) - chain
    folders = {path.parent.name for path in package.glob('*/__init__.py')}
    assert not folders - rooms - {'process'}  # which almost every room imports


@pytest.mark.parametrize('name', ['Makefile', 'test/conftest.py'])
def test_tests_named_by_their_paths_exist(name: str) -> None:
    paths = re.findall(r'\btest/[\w/]+(?:\.py)?', (ROOT / name).read_text())
    assert not [path for path in paths if not (ROOT / path).exists()]


def test_the_parameter_file_says_what_the_nodes_declare() -> None:
    """Run `tools/write_parameters.py` if this fails."""
    spec = spec_from_file_location('write_parameters', ROOT / 'tools' / 'write_parameters.py')
    tool = module_from_spec(spec)
    spec.loader.exec_module(tool)
    text = tool.FILE.read_text()
    assert tool.parameter_file(text) == text
