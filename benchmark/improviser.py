"""How fast the improviser thinks, with each runtime in a process of its own.

Load: from nothing imported to ready. Hearing: one heard event into the network's memory.
Speaking: one event of a solo, from drawing when it comes to having it in memory. Answering:
from the end of a phrase noticed to its first event, rules and all.

    python benchmark/improviser.py [--model FILE] [--events 2000] [--runtimes litert tensorflow]
"""

import argparse
import multiprocessing
import resource
import time

import numpy as np

MS = 1_000_000
ROW = '{:<12}{:>8}{:>8}{:>18}{:>18}{:>12}'


def measure(runtime: str, model_path: str, events: int) -> None:
    began = time.perf_counter()
    from improv_ros.event_text import note_off, note_on
    from improv_ros.improvising import Conversation, Settings, load_model

    model = load_model(model_path, runtime)
    loaded = time.perf_counter() - began

    hearing, now = [], 0
    for number in range(events // 2):
        for event in (
            note_on(now, 50 + number % 24, 64),
            note_off(now + 100 * MS, 50 + number % 24),
        ):
            began = time.perf_counter()
            model.observe(event)
            hearing.append(time.perf_counter() - began)
        now += 150 * MS

    answering, settings = [], Settings(shortest_answer=0.5, longest_answer=0.5)
    conversation = Conversation(model, settings, seed=1)
    for _ in range(20):
        conversation.hear(note_on(now, 60, 64), now)
        conversation.hear(note_off(now + 1, 60), now)
        now += 900 * MS
        began = time.perf_counter()
        assert conversation.advance(now)
        answering.append(time.perf_counter() - began)
        while conversation.speaking:
            now += 10 * MS
            conversation.advance(now)

    solo, speaking = Conversation(model, Settings(mode='solo'), seed=1), []
    while len(speaking) < events:
        now += 10 * MS
        began = time.perf_counter()
        said = solo.advance(now)
        took = time.perf_counter() - began
        if said:
            speaking += [took / len(said)] * len(said)

    def figures(times: list[float]) -> str:
        return '{:.2f} / {:.2f}'.format(*np.percentile(np.array(times) * 1000, [50, 99]))

    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        ROW.format(
            runtime,
            f'{loaded:.2f} s',
            f'{resident:.0f} MB',
            figures(hearing),
            figures(speaking),
            f'{max(answering) * 1000:.1f}',
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model', default='', help='model file; default: the shipped one')
    parser.add_argument('--events', type=int, default=2000)
    parser.add_argument('--runtimes', nargs='+', default=['litert', 'tensorflow'])
    arguments = parser.parse_args()
    print(ROW.format('', 'load', 'memory', 'hearing, ms', 'speaking, ms', 'answering,'))
    print(ROW.format('runtime', '', '', 'p50 / p99', 'p50 / p99', 'ms, max'))
    for runtime in arguments.runtimes:
        process = multiprocessing.get_context('spawn').Process(
            target=measure, args=(runtime, arguments.model, arguments.events)
        )
        process.start()
        process.join()


if __name__ == '__main__':
    main()
