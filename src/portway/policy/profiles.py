"""What each set of policies allows to each class of other ends: computed once for all pods that it selects."""

from collections.abc import Iterable, Mapping
from itertools import compress
from typing import NamedTuple

from portway.model import ClusterNetworkPolicy, ContainerPort, Direction, NetworkPolicy
from portway.policy.classes import Classes, Signature
from portway.policy.clauses import Clause, cluster_clauses, network_clauses
from portway.policy.kinds import Kind
from portway.policy.peers import OwnNode, Peers
from portway.policy.portsets import ALL, NONE, UNLISTED, PortSets, has_name, named
from portway.policy.spans import Spans, common, minus, union
from portway.policy.table import ANYBODY, NOBODY

PolicyName = tuple[str, str]
"""(namespace, name) of a NetworkPolicy, ("", name) of a ClusterNetworkPolicy."""
DIRECTIONS: tuple[Direction, ...] = ("Ingress", "Egress")
View = Mapping[int, int]
"""Port sets by class, where they are not ANYBODY's; never changed, only replaced."""


class ProfileKey(NamedTuple):
    """Pods with equal keys are treated alike."""

    direction: Direction
    policies: tuple[PolicyName, ...]
    """Those that decide in this direction, in no order that counts."""
    ports: tuple[ContainerPort, ...]
    """The pod's ports that ingress rules call by name."""


class Bound(NamedTuple):
    """A clause with its peers' numbers."""

    clause: Clause
    peers: frozenset[int] | None
    held: tuple[int, ...]
    """Every number that it holds."""


class Policies:
    """The policies by name, and their clauses while some profile uses them."""

    def __init__(self, peers: Peers) -> None:
        self.network: dict[PolicyName, NetworkPolicy] = {}
        self.cluster: dict[str, ClusterNetworkPolicy] = {}
        self._of_namespace: dict[str, dict[PolicyName, NetworkPolicy]] = {}
        self._peers = peers
        self._clauses: dict[tuple[PolicyName, Direction], tuple[Clause, ...]] = {}
        """Read lately, for pods of this node."""
        self._bound: dict[tuple[PolicyName, Direction], tuple[Bound, ...]] = {}
        self._uses: dict[tuple[PolicyName, Direction], int] = {}

    def order(self, name: PolicyName) -> tuple[int, int, PolicyName]:
        """Where it stands among those of a pod: the Admin tier (0), NetworkPolicies (1), the Baseline tier (2)."""
        if name[0]:
            return 1, 0, name
        policy = self.cluster[name[1]]
        return (0 if policy.tier == "Admin" else 2), policy.priority, name

    def clauses(self, name: PolicyName, direction: Direction) -> tuple[Clause, ...]:
        """What a policy says."""
        found = self._clauses.get((name, direction))
        if found is None:
            if name[0]:
                found = network_clauses(self.network[name], direction)
            else:
                found = cluster_clauses(self.cluster[name[1]], direction)
            self._clauses[name, direction] = found
        return found

    def decides(self, name: PolicyName, direction: Direction) -> bool:
        """Whether a policy says anything in a direction; a NetworkPolicy isolates even when it opens nothing."""
        if name[0]:
            return direction in self.network[name].directions
        return bool(self.clauses(name, direction))

    def of_namespace(self, namespace: str) -> Mapping[PolicyName, NetworkPolicy]:
        """The NetworkPolicies of a namespace."""
        return self._of_namespace.get(namespace, {})

    def put(self, name: PolicyName, policy: NetworkPolicy | ClusterNetworkPolicy | None) -> None:
        """A policy came or changed, or went (None)."""
        for direction in DIRECTIONS:
            self._clauses.pop((name, direction), None)
        if isinstance(policy, NetworkPolicy):
            self.network[name] = policy
            self._of_namespace.setdefault(name[0], {})[name] = policy
        elif policy is not None:
            self.cluster[name[1]] = policy
        elif name[0]:
            del self.network[name], self._of_namespace[name[0]][name]
        else:
            del self.cluster[name[1]]

    def hold(self, name: PolicyName, direction: Direction) -> None:
        """One more profile uses it."""
        key = name, direction
        self._uses[key] = self._uses.get(key, 0) + 1
        if key not in self._bound:
            self._bound[key] = self._bind(name, direction)

    def release(self, name: PolicyName, direction: Direction) -> None:
        """One profile less uses it."""
        key = name, direction
        self._uses[key] -= 1
        if not self._uses[key]:
            del self._uses[key]
            self._free(self._bound.pop(key))

    def bound(self, name: PolicyName, direction: Direction) -> tuple[Bound, ...]:
        """The clauses of a policy that is held."""
        return self._bound[name, direction]

    def renew(self, name: PolicyName, direction: Direction) -> tuple[Iterable[Bound], tuple[Bound, ...]] | None:
        """A held policy's clauses are made anew: what it said and says that is not in both, and what to `free`."""
        key = name, direction
        before = self._bound.get(key)
        if before is None:
            return None
        now = self._bound[key] = self._bind(name, direction)
        return (set(before) ^ set(now) if name[0] else (*before, *now)), before

    def free(self, bound: Iterable[Bound]) -> None:
        """Lets go of what clauses hold."""
        self._free(bound)

    def _free(self, bound: Iterable[Bound]) -> None:
        for one in bound:
            for number in one.held:
                self._peers.release(number)

    def _bind(self, name: PolicyName, direction: Direction) -> tuple[Bound, ...]:
        return tuple(self._bind_one(clause) for clause in self.clauses(name, direction))

    def _bind_one(self, clause: Clause) -> Bound:
        numbers = tuple(map(self._peers.hold, clause.peers or ()))
        asked = tuple(map(self._peers.hold, clause.asked))
        return Bound(clause, None if clause.peers is None else frozenset(numbers), numbers + asked)


class Profile:
    """One set of policies in one direction."""

    def __init__(self, key: ProfileKey) -> None:
        self.key = key
        self.users = 0
        """How many kinds of pods have it."""
        self.peers: frozenset[int] = frozenset()
        """Those for which something is said."""
        self.view: View = {}
        self.isolated = any(name[0] for name in key.policies)
        self.judges_itself = not all(name[0] for name in key.policies)
        """ClusterNetworkPolicies have a say in what a pod may do to itself."""
        self._tiers: tuple[list[Bound], list[Bound], list[Bound]] = ([], [], [])
        self._exempt: frozenset[int] = frozenset()
        self._decided: dict[object, Spans] = {}

    def bind(self, policies: Policies, own_node: int) -> None:
        """Reads its policies (anew). `own_node`: the peer that NetworkPolicies do not stop; 0: there is none."""
        self._tiers = [], [], []
        for name in sorted(self.key.policies, key=policies.order):
            self._tiers[policies.order(name)[0]].extend(policies.bound(name, self.key.direction))
        self._exempt = frozenset((own_node,)) if own_node else frozenset()
        self.peers = self._exempt.union(*(b.peers for tier in self._tiers for b in tier if b.peers is not None))
        self._decided.clear()

    def decide(self, signature: Signature, itself: bool = False) -> Spans:
        """The ports that are allowed. `itself`: to the pod itself, which NetworkPolicies do not stop."""
        peers, ports = signature
        matched = tuple(tuple([b.peers is None or not b.peers.isdisjoint(peers) for b in tier]) for tier in self._tiers)
        exempt = itself or not self._exempt.isdisjoint(peers)
        key = matched, ports, exempt
        found = self._decided.get(key)
        if found is None:
            found = self._decided[key] = self._decide(matched, ports, exempt)
        return found

    def _decide(self, matched: tuple[tuple[bool, ...], ...], ports: tuple[ContainerPort, ...], exempt: bool) -> Spans:
        admin, network, baseline = map(compress, self._tiers, matched)
        allowed, rest = self._tier(admin, ALL, ports)
        if self.isolated:
            opened = ALL if exempt else union(one for bound in network for one in self._ports(bound, ports))
            return union((*allowed, *common(rest, opened)))
        more, rest = self._tier(baseline, rest, ports)
        return union((*allowed, *more, *rest))

    def _tier(self, bounds: Iterable[Bound], asked: Spans, ports: tuple[ContainerPort, ...]) -> tuple[Spans, Spans]:
        """Which of the asked ports a tier accepts, and which it leaves to the next."""
        accepted, passed = NONE, NONE
        for bound in bounds:
            mine = common(asked, self._ports(bound, ports))
            asked = minus(asked, mine)
            if bound.clause.action == "Accept":
                accepted = union((*accepted, *mine))
            elif bound.clause.action == "Pass":
                passed = union((*passed, *mine))
        return accepted, union((*passed, *asked))

    def _ports(self, bound: Bound, ports: tuple[ContainerPort, ...]) -> Spans:
        """A name means what it does in the pod that the connection goes to."""
        if not bound.clause.names:
            return bound.clause.ports
        return named(bound.clause.names, self.key.ports if self.key.direction == "Ingress" else ports)


class ProfilesOf(NamedTuple):
    """A kind's profiles; None: not constrained in that direction."""

    ingress: Profile | None
    egress: Profile | None


class Profiles:
    """The profiles in use, and which class's answer is out of date in which of them."""

    def __init__(self, peers: Peers, classes: Classes, port_sets: PortSets) -> None:
        self.policies = Policies(peers)
        self.evaluated = 0
        """How many answers were computed: what a change costs."""
        self._peers = peers
        self._classes = classes
        self._port_sets = port_sets
        self._profiles: dict[ProfileKey, Profile] = {}
        self._of_policy: dict[tuple[PolicyName, Direction], dict[Profile, None]] = {}
        self._of_peer: dict[int, dict[Profile, None]] = {}
        self._stale: dict[Profile, frozenset[int] | None] = {}
        """By which peers' classes a profile has to be evaluated; None: by all."""
        self._own_nodes: dict[Profile, int] = {}

    def of(self, kind: Kind, names: Iterable[PolicyName]) -> ProfilesOf:
        """The profiles of a kind of pods that these policies select, each used once more."""
        ordered = sorted(names)
        return ProfilesOf(self._of(kind, ordered, "Ingress"), self._of(kind, ordered, "Egress"))

    def _of(self, kind: Kind, names: Iterable[PolicyName], direction: Direction) -> Profile | None:
        deciding = tuple(name for name in names if self.policies.decides(name, direction))
        if not deciding:
            return None
        return self._hold(
            ProfileKey(direction, deciding, self._asked(kind, deciding) if direction == "Ingress" else ())
        )

    def _asked(self, kind: Kind, policies: Iterable[PolicyName]) -> tuple[ContainerPort, ...]:
        if not kind.ports:
            return ()
        clauses = (clause for name in policies for clause in self.policies.clauses(name, "Ingress"))
        names = [name for clause in clauses for name in clause.names]
        return tuple(port for port in kind.ports if has_name(names, port))

    def _hold(self, key: ProfileKey) -> Profile:
        """The profile, used once more."""
        profile = self._profiles.get(key)
        if profile is None:
            profile = self._profiles[key] = Profile(key)
            for name in key.policies:
                self.policies.hold(name, key.direction)
                self._of_policy.setdefault((name, key.direction), {})[profile] = None
            if profile.isolated and key.direction == "Egress":
                self._own_nodes[profile] = self._peers.hold(OwnNode())
            self._bind(profile)
            self._stale[profile] = None
        profile.users += 1
        return profile

    def release(self, profile: Profile) -> None:
        """Used once less."""
        profile.users -= 1
        if profile.users:
            return
        del self._profiles[profile.key]
        self._stale.pop(profile, None)
        self._see(profile, profile.peers, frozenset())
        for number in profile.view.values():
            self._port_sets.release(number)
        for name in profile.key.policies:
            group = self._of_policy[name, profile.key.direction]
            del group[profile]
            if not group:
                del self._of_policy[name, profile.key.direction]
            self.policies.release(name, profile.key.direction)
        if own_node := self._own_nodes.pop(profile, 0):
            self._peers.release(own_node)

    def _bind(self, profile: Profile) -> None:
        before = profile.peers
        profile.bind(self.policies, self._own_nodes.get(profile, 0))
        self._see(profile, before, profile.peers)

    def _see(self, profile: Profile, before: frozenset[int], now: frozenset[int]) -> None:
        for peer in before - now:
            group = self._of_peer[peer]
            del group[profile]
            if not group:
                del self._of_peer[peer]
        for peer in now - before:
            self._of_peer.setdefault(peer, {})[profile] = None

    def renew(self, name: PolicyName) -> None:
        """A policy's rules changed (not whom it selects, nor in which directions)."""
        for direction in DIRECTIONS:
            renewed = self.policies.renew(name, direction)
            if renewed is None:
                continue
            different, before = renewed
            for profile in self._of_policy.get((name, direction), ()):
                self._bind(profile)
                self._outdate(profile, different)
            self.policies.free(before)

    def _outdate(self, profile: Profile, different: Iterable[Bound]) -> None:
        known = self._stale.get(profile, frozenset())
        for bound in different:
            known = None if known is None or bound.peers is None else known | bound.peers
        self._stale[profile] = known

    def evaluate(self) -> None:
        """Brings the views up to date with rules and classes."""
        wanted: dict[Profile, dict[int, None]] = {}
        for profile, by_peers in self._stale.items():
            peers = profile.peers if by_peers is None else by_peers
            numbers = wanted.setdefault(profile, dict.fromkeys((ANYBODY,) if by_peers is None else ()))
            for peer in sorted(peers):
                numbers.update(self._classes.of_peer.get(peer, {}))
            # A class that no peer of the profile matches any more is to leave its view.
            numbers.update(dict.fromkeys(n for n in profile.view if by_peers is None or n in self._classes.changed))
        for number, peers in self._classes.changed.items():
            for profile in dict.fromkeys(p for peer in sorted(peers) for p in self._of_peer.get(peer, ())):
                wanted.setdefault(profile, {})[number] = None
        self._stale.clear()
        for profile, numbers in wanted.items():
            self._evaluate(profile, numbers)

    def _evaluate(self, profile: Profile, numbers: Iterable[int]) -> None:
        view = dict(profile.view)
        if ANYBODY in numbers:
            self._set(view, ANYBODY, profile.decide(self._classes.signature_of(NOBODY)))
        for number in numbers:
            if number != ANYBODY:
                self._set(view, number, self._answer(profile, number, view.get(ANYBODY, UNLISTED)))
        if view != profile.view:
            profile.view = view

    def _answer(self, profile: Profile, number: int, anybody: int) -> Spans | None:
        """The ports allowed to a class; None: no others than to anybody, or there is no such class."""
        if number not in self._classes.by_number:
            return None
        spans = profile.decide(self._classes.signature_of(number))
        return None if spans == self._port_sets.spans(anybody) else spans

    def _set(self, view: dict[int, int], number: int, spans: Spans | None) -> None:
        self.evaluated += 1
        before = view.pop(number, UNLISTED)
        if spans or (spans is not None and number != ANYBODY):
            view[number] = self._port_sets.hold(spans)
        if before != UNLISTED:
            self._port_sets.release(before)
