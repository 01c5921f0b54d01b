"""`improv`: the jobs of the package from a shell.

Each command lives in its own room as a module with `add_arguments(parser)` and
`run(arguments) -> exit code`, and is imported only when it is asked for.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
import sys

from improv_ros import __version__

COMMANDS = {
    'parse': ('improv_ros.event_text.parse_command', 'MIDI file to event text'),
    'render': ('improv_ros.event_text.render_command', 'event text to a MIDI or WAV file'),
    'run': ('improv_ros.run_command', 'start the chain, one process a node'),
    'demo': ('improv_ros.demo.command', 'play a recording into the chain and keep what comes out'),
    'record': ('improv_ros.bags.record_command', 'keep a session as a bag'),
    'replay': ('improv_ros.bags.replay_command', 'play a bag into the graph, in time'),
    'train': ('improv_ros.training.train_command', 'train a network'),
    'synthesize': (
        'improv_ros.training.synthesize_command',
        'make recordings to train the transcriber on',
    ),
    'evaluate': ('improv_ros.training.evaluate_command', 'measure a network'),
    'pack': ('improv_ros.training.pack_command', 'performances as one small file to train from'),
    'export': ('improv_ros.training.export_command', "make a network's file for LiteRT"),
    'listen': ('improv_ros.training.listen_command', 'hear what it makes of real openings'),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(words)
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        missing = (error.name or '').partition('.')[0]
        if missing == 'improv_ros':
            raise
        print(
            f'improv {words[0]}: the Python package {missing} is missing; the README says '
            'what to install for what',
            file=sys.stderr,
        )
        return 1


def _run(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog='improv', description=__doc__.splitlines()[0])
    parser.add_argument('--version', action='version', version=f'%(prog)s {__version__}')
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        if name in words[:1]:
            import_module(module).add_arguments(command)
    arguments = parser.parse_args(words)
    return import_module(COMMANDS[arguments.command][0]).run(arguments)


if __name__ == '__main__':
    sys.exit(main())
