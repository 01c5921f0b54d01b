# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Somebody who means no good: hostile messages on one topic, at a rate, until killed.

    python flood.py TOPIC RATE SEED

Says on standard output, every second, how many were published that a listener can see.
"""

from __future__ import annotations

from array import array
import random
import sys
import time

import rclpy
from rclpy.node import Node
from std_msgs.msg import Int16MultiArray, MultiArrayDimension, String

from improv_ros.listening.capture.audio_chunk import LABELS
from improv_ros.nodes.common.note_topics import CHAIN_QOS

# Serialised messages that are none: the middleware drops them, and a node never sees them.
GARBAGE = (b'\x00', b'\x00\x01\x00\x00\xff\xff\xff\xff', b'\x00\x01\x00\x00\x05\x00\x00\x00ab')
LONGEST = 2**63 - 1
HOUR = 3600


def texts(chance: random.Random) -> list[String]:
    """Return texts that are no live message, or none for now."""
    now = time.time_ns() // 10**9
    head = f'rs_500\nat_{now}_0\nsq_{{}}\n'
    lines = [
        *('0_no_60', '0_no_60_128', '0_no_128_64', '0_no_60_64_16', '0_no_-1_64', '0_no_60_nan'),
        *('nan_no_60_64', 'inf_no_60_64', '1e9_no_60_64', '0_zz_1', '0_no_6.5_64', '0_no_٣_64'),
        *(f'{LONGEST}_no_60_64', f'{HOUR * 1000 + 1}_no_60_64', f'{"9" * 5000}_no_60_64'),
        *('0_st_120_0', '0_sx_zz', '0_sy_ff', '0_mt_81_00', '0_cc_0_64_200', '0_pw_0_8192', '_'),
        *('\n'.join(['0_no_60_1'] * 5000), 'x' * 70_000, '\x1b[2J\x1b[31m', '%s%n' * 40),
    ]
    bad = [head.format(chance.randrange(LONGEST)) + line for line in lines]
    bad += ['', 'hello', '\n' * 1000, 'rs_500\n0_no_60_64', 'rs_500\nat_1\nsq_1\n', 'rs_0\n' * 9]
    bad += [f'rs_0\nat_{now}_0\nsq_1\n0_no_60_64', f'rs_500\nat_{now}_-1\nsq_1\n0_no_60_64']
    bad += [
        f'rs_500\nat_{at}_0\nsq_{chance.randrange(100)}\n0_no_{pitch}_64\n'
        for at in (0, now - HOUR, now + HOUR, now + 10**9, LONGEST // 10**9 - 1)
        for pitch in (60, 64, 67)
    ]
    return [String(data=text) for text in bad]


def chunks(chance: random.Random) -> list[Int16MultiArray]:
    """Return chunks that are none, or none for now."""
    now = time.time_ns() // 10**9
    samples = array('h', (chance.randrange(-(2**15), 2**15) for _ in range(320)))
    right = dict(zip(LABELS, (320, 1, 16000, 9, now, 0), strict=True))

    def chunk(labels=LABELS, strides=(320, 1), offset=0, data=samples, **wrong) -> Int16MultiArray:
        message = Int16MultiArray(data=data)
        sizes = {**right, **wrong}
        message.layout.data_offset = offset
        message.layout.dim = [
            MultiArrayDimension(
                label=label, size=sizes.get(label, 1), stride=(*strides, 0, 0, 0, 0)[number]
            )
            for number, label in enumerate(labels)
        ]
        return message

    most = 2**32 - 1
    return [
        *(Int16MultiArray(), Int16MultiArray(data=samples), chunk(data=array('h', [0] * 60_000))),
        *(chunk(LABELS[::-1]), chunk(LABELS[:3]), chunk(('nan', *LABELS[1:])), chunk(offset=1)),
        *(chunk(strides=(1, 1)), chunk(strides=(most, most)), chunk(frames=most), chunk(frames=0)),
        *(chunk(channels=0), chunk(channels=most), chunk(channels=2), chunk(sample_rate=0)),
        *(chunk(sample_rate=1), chunk(sample_rate=most), chunk(stamp_nanosec=most)),
        *(chunk(stamp_sec=at) for at in (0, now - HOUR, now + HOUR, most)),
    ]


def main() -> None:
    """Publish."""
    topic, rate, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)
    kind, make = (Int16MultiArray, chunks) if topic == 'audio' else (String, texts)
    rclpy.init(args=[])
    node = Node('flood', namespace='/improv')
    publisher = node.create_publisher(kind, topic, CHAIN_QOS)
    messages = make(chance)
    chance.shuffle(messages)
    while not publisher.get_subscription_count():
        time.sleep(0.01)
    began, said = time.monotonic(), 0
    seen = number = 0
    while True:
        behind = int((time.monotonic() - began) * rate) - number
        for _ in range(min(behind, 20)):
            if number % 20:
                publisher.publish(messages[seen % len(messages)])
                seen += 1
            else:
                publisher.publish(chance.choice(GARBAGE))
            number += 1
        if time.monotonic() - began >= said:
            said += 1
            print(seen, flush=True)
        time.sleep(0.001)


if __name__ == '__main__':
    main()
