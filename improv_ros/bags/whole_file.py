"""An MCAP file that is whole at every moment, whenever its writer is killed."""

from __future__ import annotations

import os
from pathlib import Path

from mcap.data_stream import RecordBuilder
from mcap.records import DataEnd, Footer
from mcap.writer import MCAP0_MAGIC


def _ending() -> bytes:
    """Return the shortest legal end of an MCAP file: one without a summary."""
    records = RecordBuilder()
    DataEnd(data_section_crc=0).write(records)
    Footer(summary_start=0, summary_offset_start=0, summary_crc=0).write(records)
    return records.end() + MCAP0_MAGIC


class WholeFile:
    """What an MCAP writer writes into: each flush puts an end to the file, which the next moves.

    New records and the new end go out in one write over the old end, so that a reader, at
    any moment and after any death of this process, finds a complete file. On a full disk the old
    end comes back: what was written stays, and the OSError is raised.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        self._pending = bytearray()
        self._written = 0

    def write(self, data: bytes) -> None:
        """Take in what the writer has; it waits for the next flush."""
        self._pending += data

    def tell(self) -> int:
        """Return how much was taken in so far, an end not counted."""
        return self._written + len(self._pending)

    def flush(self) -> None:
        """Write what waits, and an end after it."""
        self._write(self._pending + _ENDING)
        self._written += len(self._pending)
        self._pending.clear()

    def close(self) -> None:
        """Write what waits, whose last part is the writer's own end, and close the file."""
        try:
            self._write(self._pending)
            os.ftruncate(self._file, self.tell())
        finally:
            os.close(self._file)

    def _write(self, data: bytes | bytearray) -> None:
        done = 0
        try:
            while done < len(data):  # a disk that fills up writes a part before it refuses
                done += os.pwrite(self._file, data[done:], self._written + done)
        except OSError:
            if done:
                os.pwrite(self._file, _ENDING, self._written)
                os.ftruncate(self._file, self._written + len(_ENDING))
            raise


_ENDING = _ending()
