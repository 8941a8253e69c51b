"""What the kernel told becomes a Record: who came by which door to which Service, and what became of it.

Reasons are the codes that `portway trace` shows: those of forwarding's and policy's decisions, and PORT_NOT_LISTENING
where a backend's own machine refused.
"""

from collections.abc import Callable, Mapping
from functools import cached_property

from msgspec import Struct, field

from portway.accesslog.entrances import PROTOCOLS, Entrance, Entrances
from portway.accesslog.flow import SOURCE_TRANSLATED, TCP, Flow, last_packet
from portway.accesslog.packed import address_text
from portway.accesslog.parties import Parties
from portway.accesslog.record import Door, End, Entry, Party, PolicyRef, Record, VerdictWord
from portway.forwarding import ForwardingTable, Target, lookup
from portway.model import NODEPORT_UNSET, Backend, Connection, Judgement, Packet, ProxyConfig, Reason

PORT_NOT_LISTENING = "PORT_NOT_LISTENING"
"""The backend answered the first packet with a RST: nobody listens on its targetPort."""
_REFUSED = {Reason.NO_ENDPOINTS.value, Reason.SERVICE_PORT_UNDEFINED.value, PORT_NOT_LISTENING, NODEPORT_UNSET}
_DROPPED = {Reason.NO_LOCAL_ENDPOINT.value, Reason.SOURCE_NOT_ALLOWED.value, Reason.CLUSTER_IP_UNALLOCATED.value}
_MOST_TARGETS = 1024
"""Whose backends are kept."""
_ENDS: dict[VerdictWord, End] = {"REFUSED": "refused", "DROPPED": "dropped", "DENIED": "denied"}

Judge = Callable[[Connection], Judgement]
"""Asks the policies, as they are now."""


class Refusal(Struct, frozen=True, gc=False):
    """Packets of one connection that the node's rules did not let through. Addresses are packed."""

    source: bytes
    destination: bytes
    """As the packet says: after its translation, where a policy refused it."""
    protocol: int
    source_port: int
    port: int
    reason: str
    """A code; behind a blank, which end's policies said so: `Ingress` or `Egress`."""
    dialled: bytes = b""
    """What the client dialled, when that was translated already."""
    dialled_port: int = 0


class _Answerers(Struct, dict=True):
    """Who stands behind one Target, as far as anybody asked."""

    target: Target
    generation: int
    """Of what was known of addresses then."""
    parties: dict[tuple[bytes, int], Party] = field(default_factory=dict)

    @cached_property
    def backends(self) -> dict[str, Backend]:
        """By address."""
        return {b.address: b for b in (*self.target.local, *self.target.cluster)}


def verdict_of(reason: str) -> VerdictWord:
    """The word for a refusal with this code."""
    if reason in _REFUSED:
        return "REFUSED"
    return "DROPPED" if reason in _DROPPED else "DENIED"


class Attribution:
    """Makes records. `judge` may be None: then nobody enforces policies here."""

    def __init__(self, node: str, entrances: Entrances, parties: Parties, timeouts: Mapping[str, int]) -> None:
        self._node, self._entrances, self._parties, self._timeouts = node, entrances, parties, timeouts
        self.config = ProxyConfig(node)
        """The configuration that the rules follow."""
        self.judge: Judge | None = None
        self._answerers: dict[int, _Answerers] = {}
        """By the id of the Target, which is kept and so keeps it."""

    def connection(self, flow: Flow, entrance: Entrance) -> Record:
        """Of a flow that ended; `stopped` is when the kernel let go of it, or 0: then it still is open."""
        ended = last_packet(flow, self._timeouts) if flow.stopped else 0
        refused = flow.never_opened
        translated = bool(flow.status & SOURCE_TRANSLATED)
        backend, frontend = self.backend(flow, entrance), entrance.frontend
        return Record(
            ts_start=_seconds(flow.started),
            node=self._node,
            verdict="REFUSED" if refused else "FORWARDED",
            reason=PORT_NOT_LISTENING if refused else self._forwarded(flow, entrance),
            proto=PROTOCOLS.get(flow.protocol, str(flow.protocol)),
            client=self._parties.party(flow.source, flow.source_port),
            entry=entrance.kind,
            frontend=Door(address_text(flow.destination), flow.port),
            service=entrance.service,
            backend=backend,
            traffic_policy="Local" if frontend.local_policy else "Cluster",
            affinity="ClientIP" if frontend.target.session_affinity_seconds else "",
            topology=self._parties.topology(backend),
            ts_end=_seconds(ended),
            duration_ms=round((ended - flow.started) / 1e6, 3) if ended and flow.started else 0.0,
            snat=translated,
            snat_ip=address_text(flow.answered) if translated else "",
            bytes_in=flow.bytes_in,
            bytes_out=flow.bytes_out,
            packets_in=flow.packets_in,
            packets_out=flow.packets_out,
            tcp_end=_tcp_end(flow, ended),
            flow_id=f"{flow.identity:08x}-{flow.started:x}",
        )

    def refusal(self, refused: Refusal, first: int, last: int, attempts: int) -> Record:
        """Of packets that were not let through, between two moments in nanoseconds since 1970."""
        reason, _, _ = refused.reason.partition(" ")
        verdict = verdict_of(reason)
        policy: PolicyRef | None = None
        if verdict == "DENIED":
            reason, policy = self._decided(refused)
        destination, port = refused.dialled or refused.destination, refused.dialled_port or refused.port
        entrance = self._entrances.find(refused.protocol, destination, port)
        translated = destination != refused.destination or not entrance
        return Record(
            ts_start=_seconds(first),
            node=self._node,
            verdict=verdict,
            reason=reason,
            proto=PROTOCOLS.get(refused.protocol, str(refused.protocol)),
            client=self._parties.party(refused.source, refused.source_port),
            entry=entrance.kind if entrance else _entry(reason, verdict),
            frontend=Door(address_text(destination), port),
            service=entrance.service if entrance else None,
            backend=self._parties.party(refused.destination, refused.port)
            if verdict == "DENIED" and translated
            else None,
            ts_end=_seconds(last),
            duration_ms=round((last - first) / 1e6, 3),
            packets_in=attempts,
            tcp_end=_ENDS[verdict],
            policy=policy,
            attempts=attempts,
        )

    def backend(self, flow: Flow, entrance: Entrance) -> Party:
        """Who answers it."""
        target, generation = entrance.frontend.target, self._parties.generation
        known = self._answerers.get(id(target))
        if known is None or known.generation != generation:
            if len(self._answerers) >= _MOST_TARGETS:
                self._answerers.clear()
            known = self._answerers[id(target)] = _Answerers(target, generation)
        where = flow.answerer, flow.answerer_port
        if where not in known.parties:
            known.parties[where] = self._parties.backend(*where, entrance.name.namespace, known.backends)
        return known.parties[where]

    def entrance(self, flow: Flow) -> Entrance | None:
        """Where it came in; None for what is none of ours."""
        return self._entrances.find(flow.protocol, flow.destination, flow.port)

    def entrance_of(self, refused: Refusal) -> Entrance | None:
        """Where it wanted in, if that is a Service's."""
        destination, port = refused.dialled or refused.destination, refused.dialled_port or refused.port
        return self._entrances.find(refused.protocol, destination, port)

    def _forwarded(self, flow: Flow, entrance: Entrance) -> str:
        target = entrance.frontend.target
        if not (target.cluster_terminating or target.local_terminating):
            return Reason.FORWARDED.value
        packet = Packet(
            address_text(flow.source), address_text(flow.destination), entrance.frontend.protocol, flow.port
        )
        one = ForwardingTable(self.config, {entrance.contribution.service: entrance.contribution})
        reason = lookup(one, packet).reason
        return reason.value if reason is Reason.FORWARDED_TERMINATING else Reason.FORWARDED.value

    def _decided(self, refused: Refusal) -> tuple[str, PolicyRef | None]:
        """By which policy, and why, as the policies are now; what the kernel said, where they say otherwise."""
        reason, _, direction = refused.reason.partition(" ")
        told = PolicyRef(direction=direction) if direction else None
        if self.judge is None or not direction:
            return reason, told
        protocol = PROTOCOLS.get(refused.protocol, str(refused.protocol))
        connection = Connection(address_text(refused.source), address_text(refused.destination), protocol, refused.port)
        judgement = self.judge(connection)
        decision = judgement.ingress if direction == "Ingress" else judgement.egress
        if decision.allowed:
            return reason, told
        namespace, _, name = decision.policies[0].rpartition("/") if decision.policies else ("", "", "")
        return decision.reason, PolicyRef(decision.kind, namespace, name, decision.rule, direction)


def _entry(reason: str, verdict: VerdictWord) -> Entry:
    """Of what was dialled without a Service."""
    if reason == NODEPORT_UNSET:
        return "nodePort"
    return "podIP" if verdict == "DENIED" else ""


def _seconds(nanoseconds: int) -> float:
    return round(nanoseconds / 1e9, 6)


def _tcp_end(flow: Flow, ended: int) -> End:
    if flow.protocol != TCP:
        return "timeout" if ended else "open"
    return flow.end if ended else "open"
