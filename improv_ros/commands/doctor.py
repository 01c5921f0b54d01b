# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv doctor`: check this machine; say what works, what does not, and what to do."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys

from improv_ros import __version__
from improv_ros.commands.machine_checks import CHECKS, FAILS, LIMITED, WORKS, Finding

TIMEOUT = 120.0  # seconds for one part of the machine, which a hanging sound server may need
MARKS = {WORKS: 'ok', LIMITED: '!', FAILS: 'X'}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        'parts',
        nargs='*',
        metavar='PART',
        help=f'what to check, the beginning of a name (default: all of {", ".join(CHECKS)})',
    )
    parser.add_argument('--json', action='store_true', help='print the findings as JSON')


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; return 1 if the chain cannot run on this machine."""
    parts = [
        name
        for name in CHECKS
        if not arguments.parts
        or any(name.lower().startswith(part.lower()) for part in arguments.parts)
    ]
    if not parts:
        print(f'improv doctor: choose from {", ".join(CHECKS)}', file=sys.stderr)
        return 2
    if not arguments.json:
        print(f'improv_ros {__version__}')
    found: dict[str, list[Finding]] = {}
    for part in parts:
        found[part] = check(part)
        if not arguments.json:
            print('\n'.join(lines(part, found[part])), flush=True)
    findings = [finding for each in found.values() for finding in each]
    fails = sum(finding.state == FAILS for finding in findings)
    limited = sum(finding.state == LIMITED for finding in findings)
    if arguments.json:
        print(json.dumps({part: [f._asdict() for f in each] for part, each in found.items()}))
    elif fails:
        print(f'\nThe robot cannot play here: mend the {fails} marked {MARKS[FAILS]}.')
    elif limited:
        print(f'\nThe robot can play here, without what is marked {MARKS[LIMITED]} ({limited}).')
    else:
        print('\nEverything works.')
    return 1 if fails else 0


def check(part: str) -> list[Finding]:
    """Return the findings about a part of the machine; a check that crashes is one of them."""
    command = [sys.executable, '-m', 'improv_ros.commands.machine_checks', part]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
        output, code, said = done.stdout, done.returncode, done.stderr
    except subprocess.TimeoutExpired as error:
        output = error.stdout.decode() if isinstance(error.stdout, bytes) else error.stdout or ''
        code, said = 1, f'it hung for {TIMEOUT:g} s'
    findings = [Finding(*json.loads(line)) for line in output.splitlines()]
    if code:
        reason = (said.strip().splitlines() or [ended_by(code)])[-1]
        findings.append(
            Finding(FAILS, f'this check failed: {reason}', 'report this as a bug, with the line')
        )
    return findings


def ended_by(code: int) -> str:
    """Return how a process ended."""
    return signal.Signals(-code).name if code < 0 else f'exit code {code}'


def lines(part: str, findings: list[Finding]) -> list[str]:
    """Return the findings about a part as text."""
    text = ['', part]
    for finding in findings:
        text.append(f'  {MARKS[finding.state]:2}  {finding.what}')
        if finding.remedy:
            text.append(f'      -> {finding.remedy}')
    return text
