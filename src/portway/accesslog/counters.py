"""What each Service port had to do, in numbers that only grow; and how many different ones there may be."""

from collections import Counter

from msgspec import Struct, field

from portway.forwarding import Contribution, ServiceKey
from portway.model import ServicePortName

OTHER_BACKENDS = "other"
MOST_SERVICE_PORTS = 1000
MOST_BACKENDS = 50
"""Of one Service port, counted apart."""
MOST_CLIENTS = 1000
"""Of one Service port, remembered: further ones are not counted."""


class Counts(Struct):
    """Of one Service port on one node."""

    connections: int = 0
    """Let through, and begun while somebody counted."""
    active: int = 0
    bytes_in: int = 0
    """From clients."""
    bytes_out: int = 0
    packets_in: int = 0
    packets_out: int = 0
    ready: int = 0
    """Backends that new connections may get here."""
    refusals: Counter[str] = field(default_factory=Counter)
    """Connections that were not let through, by the reason's code."""
    backends: Counter[str] = field(default_factory=Counter)
    """Connections by NAMESPACE/POD, or the address of a backend without a name."""
    clients: set[bytes] = field(default_factory=set)
    """The packed addresses of clients that were let in, MOST_CLIENTS of them."""

    def opened(self, backend: str, client: bytes) -> None:
        """A connection began."""
        self.connections += 1
        if len(self.clients) < MOST_CLIENTS:
            self.clients.add(client)
        known = backend in self.backends or len(self.backends) < MOST_BACKENDS
        self.backends[backend if known else OTHER_BACKENDS] += 1


class Counters:
    """The Counts of every Service port that there is, and of all that are beyond `most` together."""

    def __init__(self, most: int = MOST_SERVICE_PORTS) -> None:
        self._most = most
        self.of: dict[ServicePortName, Counts] = {}
        self.others = Counts()
        self._ports: dict[ServiceKey, tuple[ServicePortName, ...]] = {}
        self.overruns: Counter[str] = Counter()
        """How often the kernel had more to tell than could be taken, by "connections", "refusals" and "lines"."""
        self.lost: Counter[str] = Counter()
        """And how many messages (or lines) that were, as far as anybody knows."""
        self.records = 0
        """Lines written."""
        self.counted = 0
        """Up to when connections that are open are counted, in nanoseconds since 1970."""

    def put(self, service: ServiceKey, contribution: Contribution | None) -> None:
        """A Service came, changed or went; with it go its counts."""
        ready: Counter[ServicePortName] = Counter()
        for frontend in contribution.frontends if contribution else ():
            ready[frontend.target.name] = max(ready[frontend.target.name], len(frontend.backends))
        for name in self._ports.pop(service, ()):
            if name not in ready:
                self.of.pop(name, None)
        if ready:
            self._ports[service] = tuple(ready)
        for name, number in ready.items():
            if name in self.of or len(self.of) < self._most:
                self.of.setdefault(name, Counts()).ready = number

    def counts(self, name: ServicePortName) -> Counts:
        """Where to count what concerns that Service port."""
        return self.of.get(name, self.others)
