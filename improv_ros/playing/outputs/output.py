# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""
The interface of an output: what the player sends events to.

To add one:

1. Write `outputs/NAME_output.py` with a class that has the members of `Output`. FileOutput is a
   base class for outputs that write a file.
2. Add a row for it to `OUTPUTS` in `nodes/midi_player.py`, and its parameters to `SETTINGS` there.
3. Test it as `test/playing/test_file_outputs.py` or `test_synth_output.py` do: with a real Player.
"""

from typing import Protocol

from improv_ros.event_text import TimedEvent


class Output(Protocol):
    """
    An instrument, a synthesiser or a file.

    name: names the output in `Player.problems`, in logs and in diagnostics.

    Any exception counts as a failure of this output alone: the player closes it, and opens it
    again after a pause of 1 s to 3 s, while the other outputs play on.
    """

    name: str

    @property
    def problem(self) -> str:
        """
        Why the output has failed since `open` without an exception in `send`; '' if it has not.

        Read four times a second by the thread that watches outputs.
        """
        ...

    def open(self) -> None:
        """
        Get ready to play; raise PlayingError, with a remedy, if that is not possible.

        May take seconds. Called again after `close`, any number of times.
        """
        ...

    def send(self, event: TimedEvent) -> None:
        """
        Play one event at once; its time is now, in nanoseconds of `time.monotonic_ns`.

        Called by the playing thread, which must not wait: leave slow work to a thread or a
        process of the output's own.
        """
        ...

    def close(self) -> None:
        """Release all resources; also called after a failed `open`, and more than once."""
        ...
