# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Which microphone is transcribed where several publish: the first one, until it pauses."""

from __future__ import annotations

from collections.abc import Callable

SOURCE_LOCK_SECONDS = 0.5  # after such a pause of the microphone in use, another is accepted


class SourceLock:
    """Tells for each chunk, in order of arrival, whether it is from the microphone in use.

    Another microphone is accepted after a pause of that one, at once if that one is known to have
    left. Otherwise the other one must have been heard alone for `SOURCE_LOCK_SECONDS`: after a
    pause of this process, the first chunk that is read may be of either microphone.

    has_left: tells whether a microphone (its id, the id of the next one) has left.
    """

    def __init__(self, has_left: Callable[[str | None, str | None], bool]) -> None:
        self._has_left = has_left
        self._in_use: str | None = None
        self._last: float | None = None  # when its latest chunk came
        self._alone_since: float | None = None  # since when only others come

    def accepts(self, source: str | None, now: float) -> bool:
        """Tell whether to use a chunk of the microphone `source`, an id.

        now: seconds of a monotonic clock.
        """
        if self._last is not None and source != self._in_use:
            if self._alone_since is None:
                self._alone_since = now
            paused = now - self._last >= SOURCE_LOCK_SECONDS
            alone = now - self._alone_since >= SOURCE_LOCK_SECONDS
            if not paused or not (alone or self._has_left(self._in_use, source)):
                return False
        self._in_use, self._last, self._alone_since = source, now, None
        return True
