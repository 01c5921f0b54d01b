# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A session as one HTML file: roll, playback with sound, figures; it needs no server."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from html import escape
import json
from pathlib import Path
import re
from typing import Any

STATIC = Path(__file__).parent / 'static'
MODULES = ('layout', 'clock', 'score', 'roll', 'ring', 'sound', 'film')
IMPORT = re.compile(r"from '\./(\w+)\.js'")

# Scripts and styles are the file's own; it may load nothing.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; "
    'img-src data:; media-src data: blob:'
)

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta name="color-scheme" content="dark">
<link rel="icon" href="{icon}">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
<header id="bar">
  <div id="turn"><div class="words"><strong id="turn-words">{title}</strong>
    <span id="turn-mode">{subtitle}</span></div></div>
  <div id="legend" aria-hidden="true"><span class="key heard">the person</span>
    <span class="key robot">the robot</span></div>
  <nav id="tools" aria-label="view"><button id="view" type="button">Turn view</button></nav>
</header>
<main><div id="stage"><canvas id="roll" tabindex="0" role="img"
  aria-label="Piano roll of the session"></canvas></div></main>
<div id="transport">
  <button id="play" type="button" aria-pressed="false">Play</button>
  <input id="place" type="range" min="0" max="1000" value="0" step="1"
    aria-label="place in the session">
  <output id="time"></output>
</div>
<dl id="figures">{figures}</dl>
<script type="application/json" id="session">{session}</script>
<script type="importmap">{modules}</script>
<script type="module">import 'improv/film.js';</script>
</body>
</html>
"""


def standalone_page(
    title: str,
    subtitle: str,
    events: Iterable[list[Any]],
    figures: Mapping[str, str],
    sounds: bytes = b'',
) -> str:
    """Return the file: wire events (see `wire_event`), figures, and a bank of sounds or none."""
    session = {'events': list(events), 'sounds': b64encode(sounds).decode()}
    modules = {f'improv/{name}.js': _data_address(name) for name in MODULES}
    return PAGE.format(
        policy=escape(POLICY),
        icon='data:image/svg+xml;base64,' + b64encode(_file('icon.svg').encode()).decode(),
        title=escape(title),
        subtitle=escape(subtitle),
        style=_file('style.css'),
        figures=''.join(
            f'<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>'
            for name, value in figures.items()
        ),
        session=_script(session),
        modules=_script({'imports': modules}),
    )


def _file(name: str) -> str:
    return (STATIC / name).read_text()


def _data_address(name: str) -> str:
    """Return a module as an address that holds it; what it imports goes by the import map."""
    text = IMPORT.sub(r"from 'improv/\1.js'", _file(f'{name}.js'))
    return 'data:text/javascript;base64,' + b64encode(text.encode()).decode()


def _script(content: Any) -> str:
    """Return JSON that cannot end the element it stands in."""
    return json.dumps(content, separators=(',', ':')).replace('<', '\\u003c')
