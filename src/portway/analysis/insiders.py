"""Who inside the cluster may connect to a pod: pods by class, and nodes.

A class is what policies cannot tell apart: a namespace, labels, named ports. All classes are asked about at once
(`policy.Admission`), and servers of which the same policies say the same share one answer.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from portway.model import Connection, Pod, PolicySnapshot, family_of
from portway.policy import Admission, Deciders, judge

Verdict = Literal["open", "partly", "closed", "none"]
"""partly: some backends, nodes or workloads; none: there is no way that could be used."""


class Clients(Struct, frozen=True):
    """Who inside may connect to the pods behind."""

    nodes: Verdict
    namespaces: tuple[str, ...]
    """Those of which every workload may, `but` for some."""
    partly: tuple[str, ...]
    """`namespace/workload` of those that may, where most of the namespace may not."""
    asked: int
    """How many classes of pods there are."""
    allowed: int
    but: tuple[str, ...] = ()
    """`namespace/workload` of those that may not, where most of the namespace may."""

    @property
    def everywhere(self) -> bool:
        """Whether every namespace is one of `namespaces`."""
        return 0 < self.asked == self.allowed + len(self.but)


class Insiders:
    """The clients of a cluster, indexed for many servers."""

    def __init__(self, policies: PolicySnapshot, deciders: Deciders) -> None:
        self._policies = policies
        self._deciders = deciders
        replicas = _replicas(policies)
        self._classes = sorted((pods[0] for pods in replicas.values()), key=lambda pod: pod.namespace)
        self._second = {kind: pods[1] for kind, pods in replicas.items() if len(pods) > 1}
        """To connect to its replica is another question than to connect to itself, which is always allowed."""
        self._names = [f"{pod.namespace}/{owner(pod.name)}" for pod in self._classes]
        self._spans = _spans(self._classes)
        self._admission = Admission(policies, self._classes, deciders)
        limits = any("Egress" in policy.directions for policy in policies.policies.values())
        self._by_labels = limits or bool(policies.cluster_policies)
        """Whether clients' own policies may tell servers apart by labels."""
        self._answers: dict[tuple[object, ...], Clients] = {}
        self._told: dict[int, Clients] = {}

    def of(self, server: Pod | None, number: int, protocol: str) -> Clients:
        """Who may connect to a port of a pod; None: there is nobody to connect to."""
        if server is None:
            return Clients("none", (), (), len(self._classes), 0)
        server = self._replica(server)
        key = self._key(server, number, protocol)
        if key not in self._answers:
            who = self._read(self._admission.allowed(server, protocol, number))
            self._answers[key] = replace(who, nodes=self._nodes_may(server, number, protocol))
        return self._answers[key]

    def _replica(self, server: Pod) -> Pod:
        """One that stands for the server and is not its class's client, where there is one."""
        other = self._second.get(_kind(server)) if server.has_policies else None
        same = other is not None and family_of(other.addresses[0]) == family_of(server.addresses[0])
        return other if other is not None and same else server

    def _key(self, server: Pod, number: int, protocol: str) -> tuple[object, ...]:
        """Equal for servers that are treated alike."""
        deciding = frozenset((policy.namespace, policy.name) for policy in self._deciders.of(server))
        labels = frozenset(server.labels.items()) if self._by_labels else frozenset()
        family, node = family_of(server.addresses[0]), server.node_name if server.host_network else ""
        itself = (server.namespace, server.name) if deciding and _kind(server) not in self._second else ()
        return deciding, number, protocol, server.ports, server.namespace, labels, family, node, itself

    def _read(self, found: int) -> Clients:
        """A set in words: as short as it can be told, since each of many servers has one."""
        if found not in self._told:
            marks = f"{found:0{len(self._classes)}b}"[::-1]
            whole: list[str] = []
            partly: list[str] = []
            but: list[str] = []
            for space, (begin, end) in self._spans.items():
                count = marks.count("1", begin, end)
                if 2 * count > end - begin:
                    whole.append(space)
                    but += self._marked(marks, "0", begin, end) if count < end - begin else ()
                elif count:
                    partly += self._marked(marks, "1", begin, end)
            lists = tuple(whole), tuple(sorted(partly)), tuple(sorted(but))
            self._told[found] = Clients("none", *lists[:2], len(self._classes), found.bit_count(), lists[2])
        return self._told[found]

    def _marked(self, marks: str, mark: str, begin: int, end: int) -> Iterator[str]:
        return (self._names[n] for n in range(begin, end) if marks[n] == mark)

    def _nodes_may(self, server: Pod, number: int, protocol: str) -> Verdict:
        """Other nodes than the pod's own, which always may."""
        for node in self._policies.nodes.values():
            address = next((a for a in node.addresses if family_of(a) == family_of(server.addresses[0])), "")
            if node.name != server.node_name and address:
                connection = Connection(address, server.addresses[0], protocol, number)
                return "open" if judge(self._around(server), connection).allowed else "closed"
        return "open"

    def _around(self, server: Pod) -> PolicySnapshot:
        """What decides about a pod, and nothing else: judging is a walk over it."""
        whole = self._policies
        deciding = {(policy.namespace, policy.name): policy for policy in self._deciders.of(server)}
        pods = {(server.namespace, server.name): server}
        return PolicySnapshot(pods, whole.namespaces, deciding, whole.cluster_policies, whole.nodes, whole.node_labels)


def _spans(classes: list[Pod]) -> dict[str, tuple[int, int]]:
    """Where each namespace's classes begin and end."""
    sizes = Counter(pod.namespace for pod in classes)
    found, begin = {}, 0
    for space, _ in groupby(classes, key=lambda pod: pod.namespace):
        found[space] = begin, begin + sizes[space]
        begin += sizes[space]
    return found


def _replicas(policies: PolicySnapshot) -> dict[tuple[object, ...], list[Pod]]:
    """The first two pods of each class."""
    found: dict[tuple[object, ...], list[Pod]] = {}
    for pod in policies.pods.values():
        if pod.has_policies and len(pods := found.setdefault(_kind(pod), [])) < 2:
            pods.append(pod)
    return found


def _kind(pod: Pod) -> tuple[object, ...]:
    """A pod's namespace, labels and named ports: what policies cannot tell apart."""
    labels = {k: v for k, v in pod.labels.items() if k not in _BY_CONTROLLERS}
    return pod.namespace, frozenset(labels.items()), pod.ports


_BY_CONTROLLERS = frozenset(
    {
        "pod-template-hash",
        "controller-revision-hash",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
    }
)


def owner(pod: str) -> str:
    """A pod's name without what its controllers appended: `web-7d9f8b6c5-x2x4z` is `web`, `db-0` is `db`."""
    parts = pod.split("-")
    if len(parts) > 2 and len(parts[-1]) == 5 and 8 <= len(parts[-2]) <= 10:
        return "-".join(parts[:-2])
    if len(parts) > 1 and (parts[-1].isdigit() or len(parts[-1]) == 5):
        return "-".join(parts[:-1])
    return pod
