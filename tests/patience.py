"""How long tests wait for what must come.

Longer than any pause of a busy machine: only a test that fails waits so long.
"""

import http.client
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 90.0
"""Seconds."""


def until(question: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    """The first answer that is not false. A connection that fails, or is cut off, is no answer yet."""
    deadline = time.monotonic() + seconds
    failure = ""
    while True:
        try:
            if answer := question():
                return answer
            failure = ""
        except (OSError, ValueError, http.client.HTTPException) as error:
            failure = f" ({error!r})"
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}{failure}"
        time.sleep(0.01)  # let the others have the processor
