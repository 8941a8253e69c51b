"""Which of many pods may connect to one: what `judge` says of each of them, by the policies of both ends, at once.

Each rule is asked once whom of the clients it means, and once whether it means the server; egress rules are found by
the labels that they ask for of a server. A client more costs a bit more.
"""

from collections.abc import Iterable, Iterator, Sequence

from portway.model import (
    ClusterNetworkPolicy,
    ClusterPeer,
    ClusterRule,
    Connection,
    Direction,
    IpBlock,
    NetworkPolicy,
    Pod,
    PolicyPeer,
    PolicyPort,
    PolicyRule,
    PolicySnapshot,
    Tier,
)
from portway.policy.crowd import Crowd
from portway.policy.deciders import Deciders, Entry, entries, places
from portway.policy.ends import Ends
from portway.policy.judge import is_unknown
from portway.policy.rules import cluster_ports_match, cluster_rule_matches, cluster_selects, peer_matches, ports_match

_Opening = tuple[str, PolicyPeer | None, tuple[PolicyPort, ...]]
"""An egress rule's peer (None: everybody) with the rule's ports; the namespace that it means, where it names none."""


class _Ballot:
    """Who is let in, and of whom nothing has been said yet."""

    def __init__(self, everybody: int) -> None:
        self.open = everybody
        self.allowed = 0

    def say(self, who: int, allowed: bool) -> None:
        """Decides for these, where nothing was decided before."""
        if allowed:
            self.allowed |= who & self.open
        self.open &= ~who

    def tier(self, rules: Iterable[tuple[str, int]]) -> None:
        """The first rule that means somebody decides; Pass leaves them to what comes next."""
        passed = 0
        for action, who in rules:
            if action == "Pass":
                passed |= who & self.open
            else:
                self.say(who & ~passed, action == "Accept")


class Admission:
    """The clients and the policies of a cluster, indexed once for many servers."""

    def __init__(self, snapshot: PolicySnapshot, clients: Sequence[Pod], deciders: Deciders) -> None:
        """`clients`: pods with policies (`Pod.has_policies`); `deciders`: of the same policies."""
        self._snapshot = snapshot
        self._deciders = deciders
        self._crowd = Crowd(snapshot, clients)
        by_priority = sorted(snapshot.cluster_policies.values(), key=lambda policy: (policy.priority, policy.name))
        self._tiers: dict[Tier, list[ClusterNetworkPolicy]] = {
            tier: [policy for policy in by_priority if policy.tier == tier] for tier in ("Admin", "Baseline")
        }
        self._isolated = 0
        """Those whose egress some NetworkPolicy isolates."""
        self._openings: dict[Entry, dict[_Opening, int]] = {}
        for policy in snapshot.policies.values():
            if "Egress" in policy.directions:
                self._open(policy)

    def _open(self, policy: NetworkPolicy) -> None:
        subjects = self._crowd.selected(policy.namespace, policy.pods)
        self._isolated |= subjects
        for rule in () if policy.fault or not subjects else policy.egress:
            for peer in rule.peers or (None,):
                here = policy.namespace if peer and peer.block is None and peer.namespaces is None else ""
                for entry in _entries(here, peer):
                    group = self._openings.setdefault(entry, {})
                    group[here, peer, rule.ports] = group.get((here, peer, rule.ports), 0) | subjects

    def allowed(self, server: Pod, protocol: str, port: int) -> int:
        """Who may connect to a port of a pod's first address: bit n stands for the n-th client."""
        address = server.addresses[0]
        ends = Ends(Connection("", address, protocol, port), None, server if server.has_policies else None)
        return self._crowd.of_family(address) & self._ingress(ends) & self._egress(ends)

    def _ingress(self, ends: Ends) -> int:
        server = ends.destination
        if server is None:
            return self._crowd.everybody
        ballot = _Ballot(self._crowd.everybody)
        node = self._snapshot.nodes.get(server.node_name)
        ballot.say(self._crowd.at(node.addresses if node else ()), True)
        ballot.tier(self._cluster_rules("Admin", "Ingress", ends))
        closing = [policy for policy in self._deciders.of(server) if "Ingress" in policy.directions]
        if closing:
            ballot.say(self._crowd.itself(server), True)
            for policy in closing:
                for rule in () if policy.fault else policy.ingress:
                    ballot.say(self._meant(policy, rule, ends), True)
            return ballot.allowed
        ballot.tier(self._cluster_rules("Baseline", "Ingress", ends))
        return ballot.allowed | ballot.open

    def _egress(self, ends: Ends) -> int:
        ballot = _Ballot(self._crowd.everybody)
        ballot.tier(self._cluster_rules("Admin", "Egress", ends))
        if self._isolated:
            own = self._crowd.itself(ends.destination) if ends.destination else 0
            exempt = own | self._crowd.on_node_of(ends.connection.destination)
            ballot.say((self._opened(ends) | exempt) & self._isolated, True)
            ballot.say(self._isolated, False)
        ballot.tier(self._cluster_rules("Baseline", "Egress", ends))
        return ballot.allowed | ballot.open

    def _meant(self, policy: NetworkPolicy, rule: PolicyRule, ends: Ends) -> int:
        """The clients that an ingress rule lets in."""
        if not ports_match(rule.ports, ends):
            return 0
        found = 0 if rule.peers else self._crowd.everybody
        for peer in rule.peers:
            found |= self._peer(policy.namespace, peer)
        return found

    def _peer(self, namespace: str, peer: PolicyPeer) -> int:
        if peer.block is not None:
            return self._crowd.inside(peer.block)
        return self._crowd.selected(namespace if peer.namespaces is None else peer.namespaces, peer.pods)

    def _opened(self, ends: Ends) -> int:
        """The clients that some egress rule lets go there."""
        address, server, found = ends.connection.destination, ends.destination, 0
        spots = [("",)] if server is None else [*places(server.namespace, server), *places("", server)]
        for spot in spots:
            for (here, peer, ports), who in self._openings.get(spot, {}).items():
                meant = peer is None or peer_matches(self._snapshot, here, peer, address, server)
                if meant and ports_match(ports, ends):
                    found |= who
        return found

    def _cluster_rules(self, tier: Tier, direction: Direction, ends: Ends) -> Iterator[tuple[str, int]]:
        """A tier's rules in their order, each with the clients for whom it matches."""
        for policy in self._tiers[tier]:
            subjects = self._subjects(policy, direction, ends)
            if not subjects:
                continue
            if policy.fault:
                yield "Deny", subjects
            for rule in () if policy.fault else policy.rules(direction):
                if not is_unknown(rule):
                    yield rule.action, subjects & self._matching(rule, direction, ends)
                elif rule.action != "Accept":
                    yield "Deny", subjects

    def _subjects(self, policy: ClusterNetworkPolicy, direction: Direction, ends: Ends) -> int:
        """The clients for whose connections it is asked."""
        if direction == "Egress":
            return self._selected(policy.subject)
        return self._crowd.everybody if cluster_selects(self._snapshot, policy.subject, ends.destination) else 0

    def _matching(self, rule: ClusterRule, direction: Direction, ends: Ends) -> int:
        if direction == "Egress":
            return self._crowd.everybody if cluster_rule_matches(self._snapshot, rule, direction, ends) else 0
        found = 0
        for peer in rule.peers if cluster_ports_match(rule.ports, ends) else ():
            found |= self._cluster_peer(peer)
        return found

    def _cluster_peer(self, peer: ClusterPeer) -> int:
        found = 0
        for cidr in peer.networks:
            found |= self._crowd.inside(IpBlock(cidr))
        if peer.networks:
            return found
        if peer.nodes is not None:
            labels = self._snapshot.node_labels
            nodes = [node for name, node in self._snapshot.nodes.items() if peer.nodes.matches(labels.get(name))]
            return self._crowd.at(address for node in nodes for address in node.addresses)
        return self._selected(peer)

    def _selected(self, peer: ClusterPeer) -> int:
        """By selectors; what is given by nothing means nobody."""
        if peer.namespaces is None and peer.pods is None:
            return 0
        return self._crowd.selected(peer.namespaces, peer.pods)


def _entries(here: str, peer: PolicyPeer | None) -> list[Entry]:
    """Where an egress rule's peer is found by the servers that it may mean."""
    if peer is None or peer.block is not None or peer.pods is None:
        return [(here,)]
    return entries(here, peer.pods)
