"""The objects that a node's policy table is compiled from, kept current, and what their changes change of it.

Mutable on purpose: one keeper of changes (the agent) owns it, on one thread. A change costs what it touches: kinds of
pods are found by the labels that selectors ask for, classes by the peers that match them, and answers are computed once
for all pods of this node that the same policies select.

    pods ─▶ kinds ─▶ cells ─▶ classes ─┐
    policies ─▶ clauses ─▶ peers ──────┼─▶ views (class → port set) of profiles ─▶ what the node is told
    policies × this node's kinds ─▶ profiles
"""

from msgspec.structs import replace

from portway.model import (
    ClusterNetworkPolicy,
    Connection,
    Judgement,
    Labels,
    LabelSelector,
    Namespace,
    NetworkPolicy,
    Node,
    Pod,
    PolicySnapshot,
)
from portway.policy.classes import Classes
from portway.policy.enforced import Enforced, Views
from portway.policy.itself import Selves
from portway.policy.judge import judge
from portway.policy.kinds import Kind, Kinds, PodKey
from portway.policy.namespaces import Namespaces
from portway.policy.peers import Peers
from portway.policy.portsets import PortSets
from portway.policy.profiles import Policies, PolicyName, Profiles, ProfilesOf
from portway.policy.selections import Selections, Term
from portway.policy.space import Place, point
from portway.policy.table import NOBODY, PolicyChange, PolicyTable

_EVERY = LabelSelector()


def inputs_of(snapshot: PolicySnapshot, node_name: str) -> "PolicyInputs":
    """Inputs into which all of the snapshot has been put, and from which nothing was taken."""
    inputs = PolicyInputs(node_name)
    for name, node in snapshot.nodes.items():
        inputs.put_node(name, node, snapshot.node_labels.get(name, {}))
    for name, namespace in snapshot.namespaces.items():
        inputs.put_namespace(name, namespace)
    for name, cluster_policy in snapshot.cluster_policies.items():
        inputs.put_cluster_policy(name, cluster_policy)
    for key, policy in snapshot.policies.items():
        inputs.put_policy(key, policy)
    for key, pod in snapshot.pods.items():
        inputs.put_pod(key, pod)
    return inputs


class PolicyInputs:
    """Put objects in, then `take` what differs: at first everything, then what the change since touches."""

    def __init__(self, node_name: str) -> None:
        namespaces = Namespaces()
        self._namespaces = namespaces
        self._kinds = Kinds(node_name)
        self._subjects: Selections[PolicyName] = Selections(namespaces)
        self._peers = Peers(namespaces, node_name)
        self._classes = Classes()
        self._port_sets = PortSets()
        self._profiles = Profiles(self._peers, self._classes, self._port_sets)
        self._profiles_of: dict[Kind, ProfilesOf] = {}
        """Of the kinds that this node has pods of."""
        self._renewed: dict[PolicyName, None] = {}
        self._selves = Selves(self._peers, self._classes, self._port_sets)
        self._enforced = Enforced(self._classes, self._port_sets)

    @property
    def _policies(self) -> Policies:
        return self._profiles.policies

    @property
    def snapshot(self) -> PolicySnapshot:
        """A live view, not a copy: it moves with the next change."""
        return PolicySnapshot(
            self._kinds.pods,
            self._namespaces.by_name,
            self._policies.network,
            self._policies.cluster,
            self._peers.nodes,
            self._peers.node_labels,
        )

    def put_pod(self, key: PodKey, pod: Pod | None) -> None:
        """A pod came or changed, or went (None)."""
        for address in self._kinds.put(key, pod):
            self._settle(address)

    def _settle(self, address: str) -> None:
        """The address may be another pod's now."""
        before, now = self._kinds.settle(address)
        if now is not None and now is not before and now.addresses == 1:
            self._peers.selections.add_kind(now)
        place = self._place(address)
        cell = self._classes.pieces.get(place)
        self._classes.put(address, now, place | self._selves.mark(address), cell.number if cell else NOBODY)
        for kind in (before, now):
            if kind is not None:
                self._stay(kind)
        if before is not None and not before.addresses:
            self._peers.selections.remove_kind(before)

    def _place(self, address: str) -> Place:
        space = self._peers.space
        return space.at(point(address)) if space.starts else frozenset()

    def _stay(self, kind: Kind) -> None:
        """Whether this node has pods of a kind may have changed."""
        if kind.here and kind not in self._profiles_of:
            self._profiles_of[kind] = ProfilesOf(None, None)
            self._subjects.add_kind(kind)
        elif not kind.here and kind in self._profiles_of:
            self._subjects.remove_kind(kind)
            self._release(self._profiles_of.pop(kind))

    def put_namespace(self, name: str, namespace: Namespace | None) -> None:
        """A namespace came or changed, or went (None)."""
        flipped = self._namespaces.put(name, namespace)
        self._subjects.relabelled(name, flipped)
        self._peers.selections.relabelled(name, flipped)

    def put_policy(self, key: tuple[str, str], policy: NetworkPolicy | None) -> None:
        """A NetworkPolicy came or changed, or went (None)."""
        old = self._policies.network.get(key)
        before = None if old is None else Term(key, old.namespace, old.pods)
        now = None if policy is None else Term(key, policy.namespace, policy.pods)
        if old != policy:
            self._policies.put(key, policy)
            self._select(key, before, now)

    def put_cluster_policy(self, name: str, policy: ClusterNetworkPolicy | None) -> None:
        """A ClusterNetworkPolicy came or changed, or went (None)."""
        old = self._policies.cluster.get(name)
        if old != policy:
            self._policies.put(("", name), policy)
            self._select(("", name), _subject(old), _subject(policy))

    def _select(self, name: PolicyName, before: Term[PolicyName] | None, now: Term[PolicyName] | None) -> None:
        """A policy changed, and perhaps whom it selects."""
        self._renewed[name] = None
        same = before is not None and now is not None and (before.scope, before.pods) == (now.scope, now.pods)
        if same:
            self._subjects.touched.update(dict.fromkeys(self._subjects.kinds_of(name)))
            return
        if before is not None:
            self._subjects.remove_term(name)
        if now is not None:
            self._subjects.add_term(now)

    def put_node(self, name: str, node: Node | None, labels: Labels) -> None:
        """A node came or changed, or went (None)."""
        self._peers.put_node(name, node, labels)

    def take(self) -> PolicyChange:
        """What differs since the last call."""
        self._assign()
        self._renew()
        self._match()
        self._recut()
        self._mark()
        self._classes.settle()
        self._profiles.evaluate()
        change = self._enforced.change(self._views(), self._peers.space, self._selves.judged, self._peers.own_node)
        self._classes.told()
        return change

    def _assign(self) -> None:
        """Gives the kinds of this node for which other policies decide their profiles."""
        for kind in self._subjects.touched:
            before = self._profiles_of[kind]
            self._profiles_of[kind] = self._profiles.of(kind, self._subjects.terms_of(kind))
            self._release(before)
        self._subjects.touched.clear()

    def _release(self, profiles: ProfilesOf) -> None:
        for profile in profiles:
            if profile is not None:
                self._profiles.release(profile)

    def _renew(self) -> None:
        """Reads the policies that changed anew, where they still decide."""
        for name in self._renewed:
            self._profiles.renew(name)
        self._renewed.clear()

    def _match(self) -> None:
        """Peers match other kinds than before."""
        touched = self._peers.selections.touched
        for kind, terms, asked in self._peers.signatures(touched):
            if terms != kind.terms or asked != kind.asked:
                kind.terms, kind.asked = terms, asked
                self._classes.put_kind(kind)
        touched.clear()

    def _recut(self) -> None:
        """Blocks cut the space elsewhere than before."""
        if turned := self._peers.recut():
            for address, kind in self._kinds.within(turned):
                self._move(address, kind)
            self._classes.put_space(self._peers.space)

    def _mark(self) -> None:
        """Other pods than before are to be told from their replicas."""
        for address in self._selves.find(self._profiles_of):
            kind = self._kinds.of.get(address)
            if kind is not None:
                self._move(address, kind)

    def _move(self, address: str, kind: Kind) -> None:
        self._classes.put(address, kind, self._place(address) | self._selves.mark(address), NOBODY)

    def _views(self) -> dict[str, Views]:
        """What this node's addresses are to be told."""
        views: dict[str, Views] = {}
        for kind, (ingress, egress) in self._profiles_of.items():
            said = Views(ingress.view if ingress else None, egress.view if egress else None)
            views.update(dict.fromkeys(kind.here, said))
        self._selves.patch(views)
        return views

    @property
    def table(self) -> PolicyTable:
        """All that the node was told by what was taken."""
        return self._enforced.table

    def judge(self, connection: Connection, node: str = "") -> Judgement:
        """`judge` on what the two ends have to do with: as quick in a large cluster as in a small one."""
        pods = [pod for pod in map(self._kinds.owner, (connection.source, connection.destination)) if pod is not None]
        policies = (self._policies.of_namespace(name) for name in {pod.namespace for pod in pods})
        narrowed = replace(
            self.snapshot,
            pods={(pod.namespace, pod.name): pod for pod in pods},
            policies={key: policy for held in policies for key, policy in held.items()},
        )
        return judge(narrowed, connection, node)


def _subject(policy: ClusterNetworkPolicy | None) -> Term[PolicyName] | None:
    """Whom it selects; None: nobody."""
    if policy is None or (policy.subject.namespaces is None and policy.subject.pods is None):
        return None
    return Term(("", policy.name), policy.subject.namespaces or _EVERY, policy.subject.pods or _EVERY)
