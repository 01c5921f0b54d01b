# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A network cable with delay and loss, between the ends of veth pairs in this namespace.

It does in user space what `tc netem` does, for kernels without it: each frame that comes from
one end leaves by all others, as from a hub, a fixed time later, or never.

    python wire.py DELAY_MS LOSS_PERCENT INTERFACE...
"""

from __future__ import annotations

from collections import deque
import random
import select
import socket
import sys
import time

ETH_P_ALL = 3
SOL_PACKET, PACKET_IGNORE_OUTGOING = 263, 23


def end_of(interface: str) -> socket.socket:
    """Return a socket that hears and sends whole frames on an interface."""
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    end.bind((interface, 0))
    end.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    return end


def main() -> None:
    """Carry frames until killed."""
    delay, loss = float(sys.argv[1]) / 1000, float(sys.argv[2]) / 100
    ends = [end_of(interface) for interface in sys.argv[3:]]
    chance = random.Random(1)
    under_way: deque[tuple[float, socket.socket, bytes]] = deque()
    print('carrying', flush=True)
    while True:
        wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
        for end in select.select(ends, [], [], wait)[0]:
            frame = end.recv(1 << 16)
            if chance.random() >= loss:
                under_way.append((time.monotonic() + delay, end, frame))
        while under_way and under_way[0][0] <= time.monotonic():
            _, origin, frame = under_way.popleft()
            for end in ends:
                if end is not origin:
                    end.send(frame)


if __name__ == '__main__':
    main()
