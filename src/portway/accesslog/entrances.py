"""Where connections enter: the frontends of a node's forwarding table, found by what the kernel's messages say."""

from collections.abc import Iterator

from msgspec import Struct

from portway.accesslog.flow import SCTP, TCP, UDP
from portway.accesslog.packed import packed_address
from portway.accesslog.record import ServiceRef
from portway.forwarding import Contribution, Frontend, FrontendKind, ServiceKey
from portway.model import Protocol, ServicePortName

NUMBERS: dict[Protocol, int] = {"TCP": TCP, "UDP": UDP, "SCTP": SCTP}
PROTOCOLS: dict[int, Protocol] = {number: protocol for protocol, number in NUMBERS.items()}
_REMEMBERED = 4096
"""Frontends that are gone and still known, because a connection may end after its Service."""

Key = tuple[bytes | int, int, int]
"""(packed address, or for a nodePort how many bytes its addresses have; protocol; port)."""


class Entrance(Struct, frozen=True):
    """A frontend, and whose it is."""

    kind: FrontendKind
    name: ServicePortName
    service: ServiceRef
    frontend: Frontend
    contribution: Contribution


class Entrances:
    """Follows the contributions of a ForwardingTable. A change costs what the Service's own frontends cost."""

    def __init__(self) -> None:
        self._found: dict[Key, Entrance] = {}
        self._claims: dict[Key, dict[ServiceKey, Entrance]] = {}
        """Frontends that several Services claim: the first by (namespace, name) has it."""
        self._gone: dict[Key, Entrance] = {}
        self._of: dict[ServiceKey, dict[Key, Entrance]] = {}

    def put(self, service: ServiceKey, contribution: Contribution | None) -> None:
        """A Service's contribution came, changed or went."""
        before = self._of.pop(service, {})
        now = dict(_entrances(contribution)) if contribution else {}
        for key in before.keys() - now.keys():
            self._let_go(service, key)
        for key, entrance in now.items():
            self._claim(service, key, entrance)
        if now:
            self._of[service] = now

    def find(self, protocol: int, destination: bytes, port: int) -> Entrance | None:
        """What a client dialled, if it is ours or was lately."""
        direct, by_port = (destination, protocol, port), (len(destination), protocol, port)
        found, gone = self._found, self._gone
        return found.get(direct) or found.get(by_port) or gone.get(direct) or gone.get(by_port)

    def _claim(self, service: ServiceKey, key: Key, entrance: Entrance) -> None:
        holder, claims = self._found.get(key), self._claims.get(key)
        if claims is None and holder is not None and holder.contribution.service != service:
            claims = self._claims[key] = {holder.contribution.service: holder}
        if claims is not None:
            claims[service] = entrance
            entrance = claims[min(claims)]
        self._found[key] = entrance

    def _let_go(self, service: ServiceKey, key: Key) -> None:
        claims = self._claims.get(key, {})
        claims.pop(service, None)
        if claims:
            self._found[key] = claims[min(claims)]
            return
        self._claims.pop(key, None)
        self._gone.pop(key, None)
        self._gone[key] = self._found.pop(key)
        if len(self._gone) > _REMEMBERED:
            del self._gone[next(iter(self._gone))]


def _entrances(contribution: Contribution) -> Iterator[tuple[Key, Entrance]]:
    numbers = {f.target.name: f.port for f in contribution.frontends if f.kind == "clusterIP"}
    seen: set[Key] = set()
    for frontend in contribution.frontends:
        name = frontend.target.name
        protocol = NUMBERS[frontend.protocol]
        if frontend.kind == "nodePort":
            key: Key = (4 if frontend.family == "IPv4" else 16, protocol, frontend.port)
        else:
            key = (packed_address(frontend.address), protocol, frontend.port)
        # of two of one Service the first counts, as in the forwarding table's index
        if key not in seen:
            seen.add(key)
            service = ServiceRef(name.namespace, name.name, name.port, numbers.get(name, 0))
            yield key, Entrance(frontend.kind, name, service, frontend, contribution)
