# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The shell command `improv` of improv_ros, a robot that improvises at the piano with a person.

Each sub-command is a module in `improv_ros.commands` with `add_arguments(parser)` and
`run(arguments) -> exit code`. It is imported only when it is called.
"""

from __future__ import annotations

import sys

from improv_ros import __version__
from improv_ros.process import signals

# Modules that are slow to import are imported further down, after the signals are caught.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Group: name: (module in improv_ros.commands, summary)
GROUPS = {
    'Playing together': {
        'run': ('run', 'start all nodes, each in a process of its own'),
        'demo': ('demo', 'play a recording to the robot and save its answer'),
        'record': ('record', 'record a session as a bag'),
        'calibrate': ('calibrate', 'fit the robot to a piano, a room and a microphone'),
        'page': ('page', 'write a bag as one HTML page with sound'),
        'replay': ('replay', 'play a bag into the running nodes'),
    },
    'Event text': {
        'parse': ('parse', 'convert a MIDI file to event text'),
        'render': ('render', 'convert event text to a MIDI or WAV file'),
    },
    'Networks': {
        'train': ('train', 'train a network'),
        'evaluate': ('evaluate', 'evaluate a network'),
        'export': ('export', 'convert a network to a LiteRT file'),
        'pack': ('pack', 'pack MIDI performances into one training file'),
        'synthesize': ('synthesize', 'synthesize recordings to train the transcriber'),
        'continue': ('continue_music', 'continue the openings of MIDI files with a network'),
    },
    'Measurements': {
        'doctor': ('doctor', 'check this machine, and say what to do'),
        'bench': ('bench', 'list the benchmarks, or run one'),
    },
}
COMMANDS = {name: row for group in GROUPS.values() for name, row in group.items()}
# These catch signals and end in an orderly way.
CLEAN_UP = ('run', 'demo', 'record', 'replay', 'calibrate')


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if argv is None and words[:1] and words[0] in CLEAN_UP:
            signals.catch(signals.INTERRUPTED)
        elif argv is None:
            signals.interrupt_once()
        return _run(words)
    except KeyboardInterrupt:
        return signals.INTERRUPTED
    except ModuleNotFoundError as error:
        from improv_ros.process import packages

        if (error.name or '').partition('.')[0] == 'improv_ros':
            raise
        print(f'improv {words[0]}: {packages.advice(error)}', file=sys.stderr)
        return 1


def _run(words: Sequence[str]) -> int:
    import argparse
    from importlib import import_module

    parser = argparse.ArgumentParser(
        prog='improv',
        usage='improv [-h] [--version] COMMAND ...',
        description=__doc__.splitlines()[0],
        epilog=f'{_listing()}\n\n`improv COMMAND --help` describes the options of a command.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--version', action='version', version=f'%(prog)s {__version__}')
    commands = parser.add_subparsers(
        dest='command', required=True, metavar='COMMAND', help='one of those below', prog='improv'
    )
    for name, (module, summary) in COMMANDS.items():
        description = f'{summary[0].upper()}{summary[1:]}.'
        command = commands.add_parser(name, description=description)
        if name in words[:1]:
            import_module(f'improv_ros.commands.{module}').add_arguments(command)
    arguments = parser.parse_args(words)
    module, _ = COMMANDS[arguments.command]
    return import_module(f'improv_ros.commands.{module}').run(arguments)


def _listing() -> str:
    """Return the commands by group, one per line."""
    lines = []
    for group, commands in GROUPS.items():
        lines += ['', f'{group}:', *(f'  {n:12}{summary}' for n, (_, summary) in commands.items())]
    return '\n'.join(lines[1:])


if __name__ == '__main__':
    sys.exit(main())
