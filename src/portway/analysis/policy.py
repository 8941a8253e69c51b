"""What NetworkPolicies make of a traced connection: each backend's fate, who decided, and what SNAT hides.

Policies judge at the client's node (its pod's egress) and at the backend's node (ingress), as the packet is after that
node's own translation. So what a pod sends to another node's nodePort leaves it as a packet to that node. The backend's
node sees the client itself, unless another node translated the source before: then it sees that node's address.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from portway.model import Backend, Connection, Node, Packet, Pod, PolicyDecision, PolicySnapshot, family_of
from portway.policy import Deciders, judge


class Judged(Struct, frozen=True):
    """One backend and what policies say of the connection to it."""

    backend: Backend
    allowed: bool
    code: str
    """A code of `portway.policy.Reason`."""
    direction: str
    pod: str = ""
    """`namespace/name` of the pod whose policies decided."""
    by: str = ""
    """E.g. "NetworkPolicy shop/web"; empty when no policy did."""
    rule: int = -1
    """The index of the rule that decided, in the policy's `ingress` or `egress`."""
    sees: str = ""
    """The source that the backend's node sees, where it is not the client's."""

    @property
    def fate(self) -> str:
        """In a line: the code and who decided."""
        ruled = f", {self.direction.lower()} rule {self.rule}" if self.rule >= 0 else ""
        return f"{self.code}{f' by {self.by}{ruled}' if self.by else ''}"


def judged(
    policies: PolicySnapshot,
    packet: Packet,
    backends: Iterable[Backend],
    masquerading: Node | None,
    *,
    let_out: bool = False,
) -> tuple[Judged, ...]:
    """The fate of each. `masquerading`: the node that translates the source, when one does. `let_out`: the client's own
    node has judged the packet, before another one translated it.
    """
    backends = tuple(backends)
    near = _Near(policies, {packet.source, *(backend.address for backend in backends)})
    return tuple(
        _judged(near.between(packet.source, backend.address), packet, backend, masquerading, let_out)
        for backend in backends
    )


class _Near:
    """What decides about the pods of some addresses: judging walks over all that it is given, for each connection."""

    def __init__(self, policies: PolicySnapshot, addresses: set[str]) -> None:
        pods = [pod for pod in policies.pods.values() if not addresses.isdisjoint(pod.addresses)]
        spaces = {pod.namespace for pod in pods}
        self._deciders = Deciders(one for one in policies.policies.values() if one.namespace in spaces)
        self._whole = policies
        self._pods: dict[str, list[Pod]] = {}
        for pod in pods:
            for address in pod.addresses:
                self._pods.setdefault(address, []).append(pod)

    def between(self, *addresses: str) -> PolicySnapshot:
        """With the pods of these addresses and the policies that select them only."""
        pods = [pod for address in addresses for pod in self._pods.get(address, ())]
        deciding = (policy for pod in pods for policy in self._deciders.of(pod))
        return replace(
            self._whole,
            pods={(pod.namespace, pod.name): pod for pod in pods},
            policies={(policy.namespace, policy.name): policy for policy in deciding},
        )


def _judged(
    policies: PolicySnapshot, packet: Packet, backend: Backend, masquerading: Node | None, let_out: bool
) -> Judged:
    hidden = ""
    if masquerading is not None and masquerading.name != backend.node_name:
        hidden = next((a for a in masquerading.addresses if family_of(a) == family_of(packet.source)), "")
    connection = Connection(packet.source, backend.address, packet.protocol, backend.port)
    sent = judge(policies, connection)
    arrived = judge(policies, replace(connection, source=hidden)) if hidden else sent
    decision = arrived.ingress if let_out or sent.egress.allowed else sent.egress
    return Judged(
        backend,
        decision.allowed,
        decision.reason,
        decision.direction,
        decision.pod,
        _named(decision),
        decision.rule,
        hidden if hidden != packet.source else "",
    )


def _named(decision: PolicyDecision) -> str:
    return f"{decision.kind} {', '.join(decision.policies)}" if decision.kind else ""


def findings(policies: PolicySnapshot, packet: Packet, found: tuple[Judged, ...]) -> Iterator[str]:
    """What a person should know: how a denial is lifted, and which policies cannot see the client."""
    for one in _firsts(each for each in found if not each.allowed and each.by):
        yield _fix(packet, one)
    masked = [each for each in found if each.sees]
    near = _Near(policies, {each.backend.address for each in masked})
    hidden = [each for each in masked if _isolated(near.between(each.backend.address), each)]
    if hidden:
        seen = ", ".join(dict.fromkeys(each.sees for each in hidden))
        yield (
            f"SNAT hides {packet.source}: policies of {len(hidden)} of {len(found)} backends see {seen}, so that no "
            "ipBlock can tell clients apart; externalTrafficPolicy: Local keeps the client's address"
        )


def _firsts(denied: Iterable[Judged]) -> list[Judged]:
    """One for each that decided."""
    return list({(each.by, each.direction): each for each in denied}.values())


def _fix(packet: Packet, one: Judged) -> str:
    goal = f"port {one.backend.port}/{packet.protocol}, in {one.by} or another policy"
    if one.code == "RULE_DENIES":
        return f"fix: narrow {one.direction.lower()} rule {one.rule} of {one.by}, or put an Accept before it"
    if one.code == "POLICY_UNREADABLE":
        return f"fix: {one.by} cannot be read and so closes its pods: apply a valid one, or delete it"
    if one.direction == "Ingress":
        return f"fix: an ingress rule for {one.pod} from {one.sees or packet.source}, {goal}"
    return f"fix: an egress rule for {one.pod} to {one.backend.address}, {goal}"


def _isolated(policies: PolicySnapshot, one: Judged) -> bool:
    """Whether policies decide who may come to that backend."""
    anybody = Connection(
        "192.0.2.1" if family_of(one.backend.address) == "IPv4" else "2001:db8::1", one.backend.address, "TCP", 1
    )
    return bool(judge(policies, anybody).ingress.kind)
