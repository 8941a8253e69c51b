"""Who tries doors: clients that were refused at many places where nothing is for them.

What counts is a door that is not there, or that is closed to this client. A Service's own trouble (no ready pod, a pod
that does not listen) does not: when a cluster is down, all its honest clients are refused everywhere.

Thresholds: an honest client of a cluster meets a handful of doors that are gone (a nodePort that changed, a Service
that was deleted, a policy that came), and meets the same few again and again. 15 different ones within 5 minutes are
no such client's: it is what Zeek's scan detection takes for a port scan. Who has time stays below that, so 100
different ones in all are a scan too, however slow. One port on several addresses is one: a client that asks every node
for its nodePort has one wish. Addresses count where no Service has them (25, as Zeek's address scan): a
sweep of the service CIDR.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable

from msgspec import Struct

from portway.accesslog.lines import moment
from portway.accesslog.names import Client, client_of, dialled, port_key
from portway.accesslog.record import Record

WINDOW_SECONDS = 300.0
PORTS, ADDRESSES, SLOW = 15, 25, 100
_OWN_TROUBLE = frozenset(
    {"NO_ENDPOINTS", "NO_LOCAL_ENDPOINT", "PORT_NOT_LISTENING", "BACKEND_TLS_FAILED", "BACKEND_UNREACHABLE"}
)
_SHOWN = 10


class Scan(Struct, frozen=True):
    """One client that tried doors."""

    client: Client
    ports: int
    """Different ports that were refused, (protocol, number) each, in the whole time."""
    addresses: int
    """Different addresses that belong to no Service."""
    attempts: int
    first: float
    last: float
    fast: bool
    """Within WINDOW_SECONDS; else over a longer time."""
    sample: tuple[str, ...]
    """The lowest ports, `32101/TCP`."""
    reached: tuple[str, ...]
    """Service ports that let it in: what the scan found, or what the client came for."""


class _Try(Struct, frozen=True, order=True, gc=False):
    at: float
    proto: str
    port: int
    free: str
    """The address, if it is no Service's."""
    attempts: int


class Scans:
    """Takes records in any order."""

    def __init__(self) -> None:
        self._tries: defaultdict[Client, list[_Try]] = defaultdict(list)
        self._reached: defaultdict[Client, set[str]] = defaultdict(set)

    def add(self, record: Record) -> None:
        """Refusals that count, and what each client got into."""
        client, key = client_of(record), port_key(record)
        if record.verdict == "FORWARDED":
            if key is not None:
                self._reached[client].add(str(key))
        elif key is None or record.reason not in _OWN_TROUBLE:
            address, port = dialled(record)
            free = address if record.reason == "CLUSTER_IP_UNALLOCATED" else ""
            self._tries[client].append(_Try(moment(record), record.proto, port, free, record.attempts))

    def found(self) -> tuple[Scan, ...]:
        """Whoever tried most ports first."""
        scans = (self._scan(client, sorted(tries)) for client, tries in self._tries.items())
        return tuple(sorted(filter(None, scans), key=lambda scan: (-scan.ports, -scan.addresses, scan.client)))

    def _scan(self, client: Client, tries: list[_Try]) -> Scan | None:
        ports = {_port(one) for one in tries}
        swept = [one for one in tries if one.free]
        addresses = {one.free for one in swept}
        fast = most_at_once(tries, _port) >= PORTS or most_at_once(swept, _address) >= ADDRESSES
        if not fast and max(len(ports), len(addresses)) < SLOW:
            return None
        return Scan(
            client=client,
            ports=len(ports),
            addresses=len(addresses),
            attempts=sum(one.attempts for one in tries),
            first=tries[0].at,
            last=tries[-1].at,
            fast=fast,
            sample=tuple(f"{port}/{proto}" for port, proto in sorted((port, proto) for proto, port in ports)[:_SHOWN]),
            reached=tuple(sorted(self._reached.get(client, ()))),
        )


def _port(one: _Try) -> tuple[str, int]:
    return one.proto, one.port


def _address(one: _Try) -> str:
    return one.free


def most_at_once(tries: Iterable[_Try], what: Callable[[_Try], object]) -> int:
    """The most different `what` within any WINDOW_SECONDS; `tries` by time."""
    inside: deque[_Try] = deque()
    counts: Counter[object] = Counter()
    most = 0
    for one in tries:
        inside.append(one)
        counts[what(one)] += 1
        while inside[0].at < one.at - WINDOW_SECONDS:
            left = what(inside.popleft())
            counts[left] -= 1
            if not counts[left]:
                del counts[left]
        most = max(most, len(counts))
    return most
