"""Which pods the node's rules know: told to whoever starts pods, as soon as the kernel has committed it."""

import asyncio
import ipaddress
from collections.abc import Callable, Collection, Sequence, Set

from portway.agent.netlink import Netlink
from portway.agent.nf_tables import EVENTS, NfTables
from portway.nftables import Container

_Holds = Callable[[Set[bytes]], bool]


class PodGate:
    """Follows the sets of pods in this network namespace, whoever writes them, as long as somebody waits.

    Each commit is looked at once for all who wait. Belongs to one event loop.
    """

    def __init__(self, sets: Sequence[Container]) -> None:
        self._sets = sets
        self._kernel = NfTables()
        self._events: Netlink | None = None
        self._waiting: dict[asyncio.Future[None], _Holds] = {}
        self._due = False

    def knows(self, addresses: Collection[str]) -> bool:
        """Whether all of these addresses are in the rules. Raises OSError when the kernel does not say."""
        return _packed(addresses) <= self._held()

    async def known(self, addresses: Collection[str]) -> None:
        """Return when all of these addresses are in the rules. Raises OSError as `knows` does."""
        wanted = _packed(addresses)
        await self._until(lambda held: wanted <= held)

    async def forgotten(self, addresses: Collection[str]) -> None:
        """Return when none of them is in the rules any more, or when there are no rules."""
        unwanted = _packed(addresses)
        await self._until(lambda held: not unwanted & held)

    async def _until(self, holds: _Holds) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = holds
        try:
            # Heard from first, looked at then: a commit in between is not missed.
            self._listen()
            self._look_soon()
            await future
        finally:
            del self._waiting[future]
            self._listen()

    def _listen(self) -> None:
        """Have the kernel tell of commits while somebody waits; a node's many others cost nothing."""
        loop = asyncio.get_running_loop()
        if self._waiting and self._events is None:
            self._events = Netlink(groups=EVENTS)
            loop.add_reader(self._events.fileno(), self._heard)
        elif not self._waiting and self._events is not None:
            loop.remove_reader(self._events.fileno())
            self._events.close()
            self._events = None

    def _heard(self) -> None:
        try:
            for _ in self._events.pending() if self._events else ():
                pass
        except OSError:
            # ENOBUFS: more was told than fits. That something changed is all there is to know.
            pass
        self._look_soon()

    def _look_soon(self) -> None:
        """Once for all who begin to wait at the same time."""
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._due = False
        try:
            held = self._held()
        except OSError as error:
            for future in self._open():
                future.set_exception(OSError(error.errno, f"the kernel does not tell which pods it knows: {error}"))
            return
        for future in self._open():
            if self._waiting[future](held):
                future.set_result(None)

    def _open(self) -> list[asyncio.Future[None]]:
        return [future for future in self._waiting if not future.done()]

    def _held(self) -> set[bytes]:
        return {address for container in self._sets for address in self._elements(container)}

    def _elements(self, container: Container) -> Collection[bytes]:
        try:
            return self._kernel.elements(container)
        except FileNotFoundError:
            return ()


def _packed(addresses: Collection[str]) -> frozenset[bytes]:
    return frozenset(ipaddress.ip_address(address).packed for address in addresses)
