from typing import Protocol

from improv_ros.event_text import TimedEvent


class Output(Protocol):
    """
    Where events sound or are kept.

    `open` and `close` may be called again and again, in turn; `close` also after a failed `open`.
    `send` is called by one thread, in time, and must be quick: what takes long belongs in a
    thread of the output's own. Anything raised counts as a failure of this output alone.
    """

    name: str

    @property
    def problem(self) -> str:
        """What went wrong since `open` that no `send` raised; empty when all is well."""
        ...

    def open(self) -> None:
        """Get ready, or raise PlayingError."""
        ...

    def send(self, event: TimedEvent) -> None:
        """Play one event now; its time is the present, in nanoseconds of the monotonic clock."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...
