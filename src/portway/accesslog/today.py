"""What was, before the policies of today: connections that would now be denied, and denials that would now be let in.

A log knows addresses and names of then. Who is a pod is judged as the pod of that name is now, and a backend that is
gone as one that its Service has today; what cannot be found any more is counted and not judged. Policies see a client
as the backend's node sees it: behind another node's address where that node hid it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from portway.accesslog.lines import moment
from portway.accesslog.names import Client, PortKey, client_of, dialled, port_key, socket_name
from portway.accesslog.record import Party, PolicyRef, Record
from portway.model import Connection, Judgement, family_of

Judge = Callable[[Connection], Judgement]
"""Asks the policies of today."""


class Now(Struct, frozen=True):
    """Whom names and addresses belong to today, and who judges."""

    judge: Judge
    pods: Mapping[tuple[str, str], Sequence[str]]
    """By (namespace, name): addresses."""
    backends: Mapping[PortKey, Sequence[tuple[str, int]]]
    """By Service port: (address, port) of those that are ready."""


class Difference(Struct, frozen=True):
    """One client's connections to one place, and what today's policies say otherwise."""

    client: Client
    port: PortKey | None
    door: str
    """ADDRESS:PORT as dialled; one of them."""
    was: Literal["let in", "denied"]
    reason: str
    """Today's code."""
    policy: PolicyRef | None
    connections: int
    first: float
    last: float


class _Key(Struct, frozen=True, gc=False):
    client: Client
    port: PortKey | None
    was: Literal["let in", "denied"]
    reason: str
    policy: PolicyRef | None


class _Count:
    def __init__(self) -> None:
        self.connections = 0
        self.first, self.last, self.door = float("inf"), 0.0, ""

    def add(self, record: Record) -> None:
        self.connections += 1
        self.first, self.last = min(self.first, record.ts_start), max(self.last, moment(record))
        door = socket_name(*dialled(record))
        self.door = min(self.door or door, door)


class Today:
    """Takes records in any order. Each different connection is judged once."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._judged: dict[Connection, Judgement] = {}
        self._found: dict[_Key, _Count] = {}
        self.gone = 0
        """Records of clients or backends that are not there any more."""

    def add(self, record: Record) -> None:
        """Only what was let in, or denied by a policy, can have changed."""
        if record.verdict not in ("FORWARDED", "DENIED") or record.backend is None:
            return
        connection = self._connection(record, record.backend)
        if connection is None:
            self.gone += 1
            return
        judgement = self._judged.get(connection)
        if judgement is None:
            judgement = self._judged[connection] = self._now.judge(connection)
        if judgement.allowed != (record.verdict == "FORWARDED"):
            self._found.setdefault(self._key(record, judgement), _Count()).add(record)

    def found(self) -> tuple[Difference, ...]:
        """What would be denied first; whoever came most often first."""
        rows = [
            Difference(k.client, k.port, c.door, k.was, k.reason, k.policy, c.connections, c.first, c.last)
            for k, c in self._found.items()
        ]
        return tuple(sorted(rows, key=lambda row: (row.was == "denied", -row.connections, row.client, row.door)))

    def _key(self, record: Record, judgement: Judgement) -> _Key:
        decision, policy = judgement.decided, None
        if decision.policies:
            namespace, _, name = decision.policies[0].rpartition("/")
            policy = PolicyRef(decision.kind, namespace, name, decision.rule, decision.direction)
        was: Literal["let in", "denied"] = "let in" if record.verdict == "FORWARDED" else "denied"
        return _Key(client_of(record), port_key(record), was, decision.reason, policy)

    def _connection(self, record: Record, backend: Party) -> Connection | None:
        """As policies would see it today."""
        target = self._target(record, backend)
        source = self._source(record, backend)
        if target is None or not source:
            return None
        return Connection(source, target[0], record.proto, target[1])

    def _source(self, record: Record, backend: Party) -> str:
        if record.snat and backend.node != record.node:
            return record.snat_ip
        return self._address(record.client) if record.client.pod else record.client.ip

    def _target(self, record: Record, backend: Party) -> tuple[str, int] | None:
        address = self._address(backend) if backend.pod else backend.ip
        if address:
            return address, backend.port
        port = port_key(record)
        ready = self._now.backends.get(port, ()) if port else ()
        return next((one for one in ready if family_of(one[0]) == family_of(backend.ip)), None)

    def _address(self, pod: Party) -> str:
        """Today's, of the same family; "" for a pod that is gone."""
        addresses = self._now.pods.get((pod.namespace, pod.pod), ())
        return next((address for address in addresses if family_of(address) == family_of(pod.ip)), "")
