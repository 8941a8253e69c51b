"""When a pod's containers may start, and when its addresses may be another pod's: what the node's rules say."""

from collections.abc import Collection
from typing import Protocol


class Gate(Protocol):
    """Asks whoever enforces policies on the node. Used by one kubelet, in the node's network namespace.

    A pod that starts before its rules are in would talk to whom it may not, or lose its first packets; an address
    that is given away before the old pod's rules are out would be judged as that one.
    """

    def knows(self, addresses: Collection[str]) -> bool:
        """Whether the rules know all of these addresses now. OSError when they cannot be read; so with the others."""

    async def known(self, addresses: Collection[str]) -> None:
        """Return when the rules know all of these addresses."""

    async def forgotten(self, addresses: Collection[str]) -> None:
        """Return when they know none of them any more."""
