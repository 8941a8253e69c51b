"""Writes this node's ServiceL2Status and ServiceBGPStatus objects, behind what it does: nobody waits for them."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping

from portway.agent.announce.leases import FAILURES
from portway.agent.announce.pace import Pace
from portway.client import Api, Reflector
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Resource
from portway.model.loadbalancer import ServiceKey
from portway.reconcile import servicestatuses
from portway.reconcile.change import Change, Create, Delete, Update
from portway.reconcile.servicestatuses import BGP, L2, NAMESPACE, Teller

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
_MOMENT = 0.05
"""Seconds after a change: changes come together."""
_AT_ONCE = 8
Places = Mapping[ServiceKey, Collection[str]]


class Statuses:
    """`follow` returns at once; `run` writes. `teller` gives this node as it is known now."""

    def __init__(self, api: Api, teller: Callable[[], Teller]) -> None:
        self._api, self._teller = api, teller
        self._changed = asyncio.Event()
        self._wanted: Mapping[Resource, Places] = {L2: {}, BGP: {}}
        self._others: Places = {}
        self._said = ""
        self._stored = {kind: self._follow(kind) for kind in (L2, BGP)}

    def _follow(self, resource: Resource) -> Reflector[Doc]:
        def on_change(*_: object) -> None:
            self._changed.set()

        return Reflector(self._api, resource, namespace=NAMESPACE, on_change=on_change)

    @property
    def reflectors(self) -> list[Reflector[Doc]]:
        """Of what is stored; a server that knows no such kind stops nothing else."""
        return list(self._stored.values())

    def follow(self, layer2: Places, bgp: Places, others: Places) -> None:
        """Of each Service: interfaces on which this node answers, peers that it tells, nodes that answer beside it."""
        wanted: Mapping[Resource, Places] = {L2: layer2, BGP: bgp}
        if (wanted, others) != (self._wanted, self._others):
            self._wanted, self._others = wanted, others
            self._changed.set()

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            for reflector in self.reflectors:
                group.create_task(self._look_when_known(reflector))
            group.create_task(self._write_for_ever())

    async def _look_when_known(self, reflector: Reflector[Doc]) -> None:
        await reflector.synced.wait()
        self._changed.set()

    async def _write_for_ever(self) -> None:
        pace = Pace(_MOMENT)
        while True:
            await self._changed.wait()
            await asyncio.sleep(pace.pause())
            self._changed.clear()
            try:
                with pace:
                    await self.write()
                self._said = ""
            except FAILURES as failure:
                if (said := str(failure)) != self._said:
                    log.warning("statuses of Services cannot be written: %s", said or "the API server does not answer")
                self._said = said
                await asyncio.sleep(_RETRY_SECONDS)
                self._changed.set()

    async def withdraw(self) -> None:
        """This node tells of nothing any more."""
        self.follow({}, {}, {})
        await self.write()

    async def write(self) -> None:
        """Once, of the kinds that are known. Raises ApiError, Unreachable, TimeoutError."""
        me = self._teller()
        for kind, make, others in ((L2, servicestatuses.layer2, self._others), (BGP, servicestatuses.bgp, None)):
            if not self._stored[kind].synced.is_set():
                continue
            stored = list(self._stored[kind].objects.values())
            changes = servicestatuses.reconcile(kind, me, make(me, self._wanted[kind]), stored, others)
            for first in range(0, len(changes), _AT_ONCE):
                await asyncio.gather(*(self._carry_out(kind, each) for each in changes[first : first + _AT_ONCE]))

    async def _carry_out(self, kind: Resource, change: Change) -> None:
        try:
            match change:
                case Create():
                    self._stored[kind].note(await self._api.create(kind, change.document))
                case Update():
                    self._stored[kind].note(await self._api.replace(kind, change.document, change.subresource))
                case Delete():
                    await self._api.delete(kind, change.namespace, change.name, uid=change.uid)
        except ApiError as error:
            if error.code not in (404, 409):  # gone, there already, or another version: the watch tells
                raise
            if error.code == 404 and isinstance(change, Create):
                raise  # there is no namespace for it


def by_service(pairs: Mapping[str, Collection[str]], services: Callable[[str], Collection[ServiceKey]]) -> Places:
    """What is said of addresses, said of their Services."""
    found: dict[ServiceKey, set[str]] = {}
    for address, names in pairs.items():
        for key in services(address):
            found.setdefault(key, set()).update(names)
    return found
