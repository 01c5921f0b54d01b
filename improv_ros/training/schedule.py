"""How fast to learn at each moment of a run."""

import math


def warm_cosine(done: float, batch: int, warm_up: int = 50, least: float = 0.02) -> float:
    """Return the factor on the learning rate: a short rise, then half a cosine to the least.

    done: how much of the run is over, 0 to 1; batch: its number, from 0 (Loshchilov and Hutter
    2017, "SGDR", without restarts).
    """
    done = min(max(done, 0.0), 1.0)
    return min(1.0, (batch + 1) / warm_up) * (
        least + (1 - least) * (1 + math.cos(math.pi * done)) / 2
    )
