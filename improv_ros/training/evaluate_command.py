"""`improv evaluate`: measure how well a network knows real performances."""

import argparse
from importlib.util import find_spec
from pathlib import Path
import sys
import tempfile

from improv_ros.improvising.runtime import DEFAULT_MODEL, ModelError, load_network

from .dataset import DatasetError, load_dataset
from .transcription import evaluate as transcriber


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('folder', help='folder of MIDI files of piano performances, or recordings')
    parser.add_argument(
        '--model',
        default='improviser',
        help='a .keras file, or improviser: the one that comes with the package; or transcriber',
    )
    parser.add_argument('--cache', help='folder to keep what was read, for the next time')
    parser.add_argument('--quiet', action='store_true', help='no progress bar')
    transcriber.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print nats per note, the network's and the unigram's; return the exit code."""
    if arguments.model == 'transcriber':
        return transcriber.run(arguments)
    if not (find_spec('keras') and find_spec('tensorflow')):
        print("evaluation needs Keras: pip install 'improv_ros[train]'", file=sys.stderr)
        return 1
    from .evaluation import HEADER, measure, unigram
    from .streams import Streams

    shipped = arguments.model == 'improviser'
    path = DEFAULT_MODEL.with_suffix('.keras') if shipped else Path(arguments.model)
    try:
        network = load_network(path)
        with tempfile.TemporaryDirectory() as temporary:
            cache = Path(arguments.cache or temporary)
            dataset = load_dataset([arguments.folder], cache, not arguments.quiet)
            print(dataset.report(), end='\n\n')
            everything = range(len(dataset))
            print(HEADER)
            print(unigram(dataset, everything).report('unigram'))
            print(measure(Streams(network, 32), dataset, everything).report(path.stem))
    except (DatasetError, ModelError, OSError) as error:
        print(f'improv evaluate: {error}', file=sys.stderr)
        return 1
    return 0
