"""How often a round is made that looks at everything: changes come together, and work is followed by rest.

When a thousand addresses come one by one, a round for each would be a thousand times a thousand.
"""

import time

_PATIENCE = 3
"""How many times what a round took of the processor is rest."""


class Pace:
    """`least`: seconds from a change to its round, in which others come."""

    def __init__(self, least: float) -> None:
        self._least, self._began, self._calm = least, 0.0, 0.0

    def __enter__(self) -> None:
        """A round begins."""
        self._began = time.thread_time()

    def __exit__(self, *_: object) -> None:
        """It has ended."""
        self._calm = time.monotonic() + _PATIENCE * (time.thread_time() - self._began)

    def pause(self) -> float:
        """Seconds from now, when something has changed, to the next round."""
        return max(self._least, self._calm - time.monotonic())
