"""How fast the improviser thinks, with each runtime, and how soon its node is ready.

A note heard, a note of a solo and the first event of an answer are timed in a process of their
own on one core, rules and all. The node is a real one: timed from the start of its process until
it is *active*, its memory read from the system then.

    python benchmark/improviser.py [--model FILE] [--notes 1000] [--runtimes litert tensorflow]
"""

import argparse
import os
from pathlib import Path
import subprocess
import sys
import time

from improv_ros.training.speed import HEADER, measure_speed

PATIENCE = 120  # seconds
TRIES = 3


def node_start(runtime: str, model: str) -> tuple[float, float]:
    """Return the seconds from a node's start until it is active, and its memory in MB then."""
    from lifecycle_msgs.msg import State
    from lifecycle_msgs.srv import GetState
    import rclpy

    rclpy.init()
    probe = rclpy.create_node('probe')
    client = probe.create_client(GetState, '/improv/improviser/get_state')
    parameters = ['-p', f'runtime:={runtime}', *(['-p', f'model:={model}'] if model else [])]
    words = ['--ros-args', '-r', '__ns:=/improv', *parameters]
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, '-m', 'improv_ros.nodes.improviser', *words])
    try:
        while time.monotonic() - began < PATIENCE:
            if client.wait_for_service(timeout_sec=0.02):
                answer = client.call_async(GetState.Request())
                rclpy.spin_until_future_complete(probe, answer, timeout_sec=0.1)
                state = answer.result() if answer.done() else None
                if state and state.current_state.id == State.PRIMARY_STATE_ACTIVE:
                    return time.monotonic() - began, resident(process.pid)
            if process.poll() is not None:
                raise SystemExit(f'the node ended with {process.returncode}')
        raise SystemExit(f'the node was not active within {PATIENCE} s')
    finally:
        process.terminate()
        process.wait()
        rclpy.shutdown()


def resident(process: int) -> float:
    """Return a process's resident memory in MB."""
    for line in Path(f'/proc/{process}/status').read_text().splitlines():
        if line.startswith('VmRSS:'):
            return int(line.split()[1]) / 1024
    raise ValueError(f'no VmRSS of process {process}')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model', default='', help='model file; default: the shipped one')
    parser.add_argument('--notes', type=int, default=1000)
    parser.add_argument('--runtimes', nargs='+', default=['litert', 'tensorflow'])
    arguments = parser.parse_args()
    os.environ.setdefault('ROS_DOMAIN_ID', str(50 + os.getpid() % 50))
    print(HEADER)
    for runtime in arguments.runtimes:
        print(measure_speed(runtime, arguments.model, arguments.notes).report(runtime))
    print('\n| runtime | node active, s (each start) | node memory, MB |\n|---|---|---|')
    for runtime in arguments.runtimes:
        starts = [node_start(runtime, arguments.model) for _ in range(TRIES)]
        seconds = ', '.join(f'{start:.2f}' for start, _ in starts)
        print(f'| {runtime} | {seconds} | {max(memory for _, memory in starts):.0f} |')


if __name__ == '__main__':
    main()
