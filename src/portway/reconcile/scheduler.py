"""Where a pod goes: the nodes it may run on, then the emptiest of its kind.

Source: kube-scheduler's NodeUnschedulable, NodeName, TaintToleration, NodeAffinity and NodePorts filters, in that
order; the first that refuses a node gives the reason. Resources are not counted: a pod here is a network namespace.
Instead of scores: what preferred podAffinity says, fewest pods of the same owner, fewest pods, then the node's name.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct, field

from portway.kubeapi.errors import Doc
from portway.reconcile.change import Bind, Change, Event, Update
from portway.reconcile.objects import (
    condition_of,
    controller_of,
    has_ended,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    selects,
    spec_of,
    status_of,
    timestamp,
)
from portway.reconcile.resources import PODS

SCHEDULER = "default-scheduler"

HostPort = tuple[str, str, int]
"""(hostIP, protocol, hostPort)."""


class Load(Struct):
    """What the nodes carry. `add` and `remove` keep it current as pods come and go."""

    pods: Counter[str] = field(default_factory=Counter)
    """By node."""
    kin: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By (node, owner)."""
    ports: Counter[tuple[str, HostPort]] = field(default_factory=Counter)
    """By (node, host port)."""
    alike: Counter[tuple[str, str, frozenset[tuple[str, str]]]] = field(default_factory=Counter)
    """By (node, namespace, labels)."""

    def add(self, pod: Doc, node: str, by: int = 1) -> None:
        """Count this pod on this node (`by` -1: no longer)."""
        self.pods[node] += by
        self.kin[node, _kin(pod)] += by
        self.alike[node, namespace_of(pod), frozenset(labels_of(pod).items())] += by
        for port in host_ports(pod):
            self.ports[node, port] += by

    @classmethod
    def of(cls, pods: Iterable[Doc]) -> "Load":
        """All pods that have a node and have not ended."""
        load = cls()
        for pod in pods:
            if (node := spec_of(pod).get("nodeName")) and not has_ended(pod):
                load.add(pod, node)
        return load

    def conflicts(self, node: str, wanted: Sequence[HostPort]) -> bool:
        """Whether a host port is taken: same protocol and number on the same or any address."""
        if not wanted:
            return False
        taken = [port for (where, port), count in self.ports.items() if where == node and count > 0]
        return any(_clash(one, other) for one in wanted for other in taken)


def _clash(one: HostPort, other: HostPort) -> bool:
    return one[1:] == other[1:] and (one[0] == other[0] or "0.0.0.0" in (one[0], other[0]))


def _kin(pod: Doc) -> str:
    owner = controller_of(pod)
    if owner:
        return str(owner.get("uid") or "")
    return f"{namespace_of(pod)} {sorted(labels_of(pod).items())}"


def host_ports(pod: Doc) -> list[HostPort]:
    """The ports that its containers claim on the node."""
    ports = [port for c in spec_of(pod).get("containers") or [] for port in c.get("ports") or []]
    return [
        (p.get("hostIP") or "0.0.0.0", p.get("protocol") or "TCP", p["hostPort"]) for p in ports if p.get("hostPort")
    ]


def awaits_node(pod: Doc) -> bool:
    """Whether this pod is the scheduler's business."""
    spec = spec_of(pod)
    mine = spec.get("schedulerName") in (None, "", SCHEDULER) and not spec.get("schedulingGates")
    return mine and not spec.get("nodeName") and not is_deleting(pod) and not has_ended(pod)


def schedule(pod: Doc, nodes: Sequence[Doc], load: Load, now: float) -> list[Change]:
    """A Bind to the best node (counted in `load` at once), or the pod's condition and Event that say why none."""
    refusals: Counter[str] = Counter()
    fitting: list[str] = []
    for node in nodes:
        reason = refusal(pod, node, load)
        if reason:
            refusals[reason] += 1
        else:
            fitting.append(name_of(node))
    if not fitting:
        return _unschedulable(pod, _explanation(refusals, len(nodes)), now)
    kin, drawn = _kin(pod), attraction(pod, nodes, load)
    best = min(fitting, key=lambda name: (-drawn[name], load.kin[name, kin], load.pods[name], _natural(name)))
    load.add(pod, best)
    message = f"Successfully assigned {namespace_of(pod)}/{name_of(pod)} to {best}"
    return [Bind(namespace_of(pod), name_of(pod), best), Event(pod, "Normal", "Scheduled", message, SCHEDULER)]


def attraction(pod: Doc, nodes: Iterable[Doc], load: Load) -> Counter[str]:
    """By node: the weights of preferred podAffinity, for every pod in the node's domain that a term selects."""
    affinity = (spec_of(pod).get("affinity") or {}).get("podAffinity") or {}
    preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or []
    drawn: Counter[str] = Counter()
    for weighted in preferred:
        term = weighted.get("podAffinityTerm") or {}
        domains = {name_of(node): node_labels(node).get(term.get("topologyKey") or "", "") for node in nodes}
        found = _selected(term, namespace_of(pod), domains, load)
        for node, domain in domains.items():
            drawn[node] += int(weighted.get("weight") or 0) * found[domain] if domain else 0
    return drawn


def _selected(term: Doc, own: str, domains: Mapping[str, str], load: Load) -> Counter[str]:
    """How many pods of each domain a term selects; namespaceSelector is not looked at."""
    namespaces = term.get("namespaces") or [own]
    found: Counter[str] = Counter()
    for (node, namespace, labels), count in load.alike.items():
        if count > 0 and namespace in namespaces and selects(term.get("labelSelector"), dict(labels)):
            found[domains.get(node, "")] += count
    return found


def _natural(name: str) -> tuple[int, str]:
    """node-2 before node-10."""
    return len(name), name


def refusal(pod: Doc, node: Doc, load: Load) -> str:
    """Why this node cannot have the pod, in kube-scheduler's words; empty when it can."""
    tolerations = spec_of(pod).get("tolerations") or []
    if spec_of(node).get("unschedulable") and not _tolerated(_UNSCHEDULABLE_TAINT, tolerations):
        return "node(s) were unschedulable"
    taint = _untolerated(node, tolerations)
    if taint is not None:
        return f"node(s) had untolerated taint {{{taint.get('key', '')}: {taint.get('value') or ''}}}"
    if not _wanted(pod, node):
        return "node(s) didn't match Pod's node affinity/selector"
    if load.conflicts(name_of(node), host_ports(pod)):
        return "node(s) didn't have free ports for the requested pod ports"
    return ""


def placement(node: Doc) -> tuple[object, ...]:
    """What of a node decides which pods it may have."""
    spec = spec_of(node)
    return labels_of(node), spec.get("taints"), spec.get("unschedulable")


_UNSCHEDULABLE_TAINT: Doc = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def _untolerated(node: Doc, tolerations: Sequence[Doc]) -> Doc | None:
    taints: list[Doc] = spec_of(node).get("taints") or []
    keeping_out = (taint for taint in taints if taint.get("effect") in ("NoSchedule", "NoExecute"))
    return next((taint for taint in keeping_out if not _tolerated(taint, tolerations)), None)


def _tolerated(taint: Doc, tolerations: Sequence[Doc]) -> bool:
    return any(_tolerates(toleration, taint) for toleration in tolerations)


def _tolerates(toleration: Doc, taint: Doc) -> bool:
    """v1.Toleration.ToleratesTaint."""
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint.get("key"):
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")


def node_labels(node: Doc) -> dict[str, str]:
    """Its labels, with the well-known ones that every node has even when nobody wrote them."""
    labels = labels_of(node)
    system = labels.get("kubernetes.io/os", "linux")
    implied = {"kubernetes.io/os": system, "beta.kubernetes.io/os": system, "kubernetes.io/hostname": name_of(node)}
    if "kubernetes.io/arch" in labels:
        implied["beta.kubernetes.io/arch"] = labels["kubernetes.io/arch"]
    return implied | labels


def _wanted(pod: Doc, node: Doc) -> bool:
    labels = node_labels(node)
    if any(labels.get(key) != value for key, value in (spec_of(pod).get("nodeSelector") or {}).items()):
        return False
    affinity = (spec_of(pod).get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    fields = {"metadata.name": name_of(node)}
    return any(_term(term, labels, fields) for term in required.get("nodeSelectorTerms") or [])


def _term(term: Doc, labels: Mapping[str, str], fields: Mapping[str, str]) -> bool:
    """One nodeSelectorTerm: all of its requirements; an empty term matches nothing."""
    expressions, names = term.get("matchExpressions") or [], term.get("matchFields") or []
    if not expressions and not names:
        return False
    return all(_requirement(r, labels) for r in expressions) and all(_requirement(r, fields) for r in names)


_OPERATORS: Mapping[str, Callable[[str | None, Sequence[str]], bool]] = {
    "In": lambda value, values: value is not None and value in values,
    "NotIn": lambda value, values: value is None or value not in values,
    "Exists": lambda value, values: value is not None,
    "DoesNotExist": lambda value, values: value is None,
    "Gt": lambda value, values: _difference(value, values) > 0,
    "Lt": lambda value, values: _difference(value, values) < 0,
}


def _difference(value: str | None, values: Sequence[str]) -> int:
    """value - values[0] as numbers; 0, which neither Gt nor Lt takes, when one is none."""
    number, bound = _number(value), _number(values[0] if values else None)
    return 0 if number is None or bound is None else number - bound


def _number(value: str | None) -> int | None:
    try:
        return None if value is None else int(value)
    except ValueError:
        return None


def _requirement(requirement: Doc, labels: Mapping[str, str]) -> bool:
    holds = _OPERATORS.get(requirement.get("operator") or "")
    return holds is not None and holds(labels.get(requirement.get("key") or ""), requirement.get("values") or [])


def _explanation(refusals: Counter[str], total: int) -> str:
    if not total:
        return "no nodes available to schedule pods"
    head = f"0/{total} nodes are available"
    reasons = ", ".join(sorted(f"{count} {reason}" for reason, count in refusals.items()))
    return f"{head}: {reasons}. preemption: {head}: {total} Preemption is not helpful for scheduling."


def _unschedulable(pod: Doc, message: str, now: float) -> list[Change]:
    current = condition_of(pod, "PodScheduled") or {}
    if current.get("status") == "False" and current.get("message") == message:
        return []
    since = current.get("lastTransitionTime") if current.get("status") == "False" else timestamp(now)
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
        "lastProbeTime": None,
        "lastTransitionTime": since,
    }
    others = [c for c in status_of(pod).get("conditions") or [] if c.get("type") != "PodScheduled"]
    status = {**status_of(pod), "conditions": [*others, condition]}
    return [
        Update(PODS, {**pod, "status": status}, "status"),
        Event(pod, "Warning", "FailedScheduling", message, SCHEDULER),
    ]
