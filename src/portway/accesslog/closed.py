"""Traffic to doors that policy closes: who was turned away by whom, and whether the same client got in nevertheless.

The log only knows what was decided. A client that was turned away and later got into the same Service port is worth
a look, and no proof of a hole: the policy may be gone, the pod may have other labels, or only some of the
backends may be selected by it.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict

from msgspec import Struct

from portway.accesslog.lines import moment
from portway.accesslog.names import Client, PortKey, client_of, dialled, port_key, socket_name
from portway.accesslog.record import PolicyRef, Record


class Denial(Struct, frozen=True):
    """One client that a policy, or loadBalancerSourceRanges, kept out of one place."""

    client: Client
    port: PortKey | None
    """None where a pod was dialled without a Service, or behind a translation on another node."""
    door: str
    """ADDRESS:PORT as dialled; one of them."""
    reason: str
    policy: PolicyRef | None
    """None where the Service's own field decides, or pods are isolated and nothing opens them."""
    connections: int
    attempts: int
    """Packets: a client repeats what is not answered."""
    first: float
    last: float
    let_in_before: int
    """Connections of this client to this Service port that began before it was first turned away."""
    let_in_after: int
    """And after it was last turned away."""


class _Key(Struct, frozen=True, gc=False):
    client: Client
    port: PortKey | None
    door: str
    """Empty behind a Service port: the node that was dialled makes no difference there."""
    reason: str
    policy: PolicyRef | None


class _Count:
    def __init__(self) -> None:
        self.connections = self.attempts = 0
        self.first, self.last = float("inf"), 0.0
        self.door = ""

    def add(self, record: Record) -> None:
        self.connections += 1
        self.attempts += record.attempts
        self.first = min(self.first, record.ts_start)
        self.last = max(self.last, moment(record))
        door = socket_name(*dialled(record))
        self.door = min(self.door or door, door)


class Closed:
    """Takes records in any order."""

    def __init__(self) -> None:
        self._denied: defaultdict[_Key, _Count] = defaultdict(_Count)
        self._let_in: defaultdict[tuple[Client, PortKey], array[float]] = defaultdict(lambda: array("d"))

    def add(self, record: Record) -> None:
        """What policy refused, and what was let in; a refusal for another reason says nothing here."""
        client, port = client_of(record), port_key(record)
        if record.verdict == "DENIED" or record.reason == "SOURCE_NOT_ALLOWED":
            door = "" if port else socket_name(*dialled(record))
            self._denied[_Key(client, port, door, record.reason, record.policy)].add(record)
        elif record.verdict == "FORWARDED" and port is not None:
            self._let_in[client, port].append(record.ts_start)

    def found(self) -> tuple[Denial, ...]:
        """Whoever tried most first."""
        rows = [self._denial(key, count) for key, count in self._denied.items()]
        return tuple(sorted(rows, key=lambda row: (-row.attempts, row.client, row.door, row.first)))

    def _denial(self, key: _Key, count: _Count) -> Denial:
        let_in = sorted(self._let_in.get((key.client, key.port), ())) if key.port else []
        return Denial(
            client=key.client,
            port=key.port,
            door=count.door,
            reason=key.reason,
            policy=key.policy,
            connections=count.connections,
            attempts=count.attempts,
            first=count.first,
            last=count.last,
            let_in_before=bisect_left(let_in, count.first),
            let_in_after=len(let_in) - bisect_right(let_in, count.last),
        )
