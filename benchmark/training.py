"""How many notes a second this machine trains on, for sizes of the improviser and its peer.

The Keras backend is that of the environment: KERAS_BACKEND=jax python benchmark/training.py

    python benchmark/training.py [--sizes improviser:384x1 performance-rnn:512x3] [--batches 12]
"""

import argparse
import time

import numpy as np

from improv_ros.training.representations import AS_PLAYED, PERFORMANCE_RNN

# What each speaks, and what moves its memory.
NETWORKS = {
    'improviser': (AS_PLAYED, 'events'),
    'by-note': (AS_PLAYED, 'notes'),
    'performance-rnn': (PERFORMANCE_RNN, 'events'),
}
STEPS_PER_NOTE = {'improviser': 2.2, 'by-note': 2.2, 'performance-rnn': 4.0}  # on MAESTRO


def batch(name: str, streams: int, steps: int) -> np.ndarray:
    """Return random steps that no keyboard rules out, int32 (streams, steps + 1, factors)."""
    random = np.random.default_rng(1)
    shape = (streams, steps + 1)
    if name == 'performance-rnn':
        return random.integers(0, 388, (*shape, 1)).astype(np.int32)
    places = np.arange(steps + 1)
    keys = (places // 2 + random.integers(0, 88, (streams, 1))) % 88
    what = np.where(places % 2, keys, 88 + (keys - 1) % 88)
    what[:, 0] = 178
    columns = [random.integers(0, 40, shape), what, np.where(places % 2, 16, 0) + 0 * what]
    return np.stack(columns, axis=-1).astype(np.int32)


def measure(size: str, streams: int, steps: int, batches: int) -> str:
    import keras

    from improv_ros.training import networks
    from improv_ros.training.streams import Streams, surprise

    name, _, shape = size.partition(':')
    units, _, depth = shape.partition('x')
    spoken, moved_by = NETWORKS[name]
    network = networks.build(spoken, int(units), int(depth), moved_by=moved_by)
    model = Streams(network, streams)
    model.compile(optimizer=keras.optimizers.Adam(1e-3, global_clipnorm=1.0), loss=surprise)
    events, fresh = batch(name, streams, steps), np.zeros(streams, np.float32)
    real = np.ones((streams, steps, 1), np.float32)
    times, spent = [], []
    for _ in range(batches + 2):  # the first two compile
        began, busy = time.perf_counter(), time.process_time()
        np.asarray(model.train_on_batch((events, fresh), real))
        times.append(time.perf_counter() - began)
        spent.append(time.process_time() - busy)
    took = float(np.median(times[2:]))
    rate = streams * steps / took
    return (
        f'| {size} | {network.count_params() / 1e6:.2f} | {1000 * took:.0f} | '
        f'{np.median(spent[2:]):.2f} | {rate:,.0f} | '
        f'{rate / STEPS_PER_NOTE[name]:,.0f} | {times[0] + times[1]:.0f} |'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--sizes', nargs='+', default=['improviser:384x1', 'performance-rnn:512x3']
    )
    parser.add_argument('--streams', type=int, default=64)
    parser.add_argument('--steps', type=int, default=128)
    parser.add_argument('--batches', type=int, default=12)
    parser.add_argument('--precision', choices=['full', 'mixed'], default='full')
    arguments = parser.parse_args()
    import keras

    if arguments.precision == 'mixed':
        keras.config.set_dtype_policy('mixed_bfloat16')
    print(f'{keras.backend.backend()}, {arguments.precision} precision')
    print(
        '| size | million parameters | ms a batch | its processor seconds | steps/s | notes/s | '
        'first two batches, s |\n|---|---|---|---|---|---|---|'
    )
    for size in arguments.sizes:
        print(measure(size, arguments.streams, arguments.steps, arguments.batches), flush=True)


if __name__ == '__main__':
    main()
