"""What the policies say of one connection, read off them plainly: the reference that compiled tables are held against.

For each end that is a pod: the Admin tier of ClusterNetworkPolicies (lower priority first, the first rule that matches
decides), then the NetworkPolicies, then the Baseline tier, then: allowed. A tier's Pass goes to the next.
NetworkPolicies decide for a pod only in the directions in which one of them isolates it.

Where Kubernetes leaves a choice:
- A pod may talk to itself through a Service and to its own node, whatever NetworkPolicies say; ClusterNetworkPolicies
  are asked. Its own node always may talk to it (kubelet's probes).
- A protocol without ports passes an isolated pod only by rules without ports.
- An ipBlock matches pods' addresses too. Pods in their node's network are that node.
- Of several pods that claim an address, those that finished or use the node's network do not count.
- A ClusterNetworkPolicy whose subject cannot be read selects nobody; equal priorities go by name.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from portway.model import (
    ClusterNetworkPolicy,
    ClusterPeer,
    ClusterRule,
    Connection,
    Direction,
    Judgement,
    NetworkPolicy,
    Pod,
    PolicyDecision,
    PolicySnapshot,
    Tier,
)
from portway.policy.ends import Ends, ends_of, own_node
from portway.policy.reason import Reason
from portway.policy.rules import cluster_rule_matches, cluster_selects, other_end, rule_matches

_DENY_ALL = ClusterRule("Deny", (ClusterPeer(unknown=True),))


def judge(snapshot: PolicySnapshot, connection: Connection, node: str = "") -> Judgement:
    """Whether the connection may be, by both ends' policies.

    Replies of what is allowed are allowed and not asked about. With `node`, only ends on that node are judged, as its
    own rules do; the other end passes as OTHER_NODE.
    """
    ends = ends_of(snapshot, connection)
    return Judgement(
        egress=_end(snapshot, "Egress", ends.source, ends, node),
        ingress=_end(snapshot, "Ingress", ends.destination, ends, node),
    )


def _end(snapshot: PolicySnapshot, direction: Direction, pod: Pod | None, ends: Ends, node: str) -> PolicyDecision:
    if pod is None:
        return PolicyDecision(True, Reason.NOT_A_POD.value, direction)
    if node and pod.node_name != node:
        decision = PolicyDecision(True, Reason.OTHER_NODE.value, direction)
    else:
        decision = _Case(snapshot, direction, pod, ends).decide()
    return replace(decision, pod=f"{pod.namespace}/{pod.name}")


class _Case(Struct, frozen=True):
    """One pod in one direction."""

    snapshot: PolicySnapshot
    direction: Direction
    pod: Pod
    ends: Ends

    def decide(self) -> PolicyDecision:
        own = self._own_node()
        if own and self.direction == "Ingress":
            return self._says(True, Reason.OWN_NODE)
        return (
            self._tier("Admin")
            or self._network_policies(own)
            or self._tier("Baseline")
            or self._says(True, self._exempt(own) or Reason.NOT_ISOLATED)
        )

    def _says(self, allowed: bool, reason: Reason) -> PolicyDecision:
        return PolicyDecision(allowed, reason.value, self.direction)

    def _own_node(self) -> bool:
        address, _ = other_end(self.direction, self.ends)
        return own_node(self.snapshot, self.pod, address)

    def _exempt(self, own_node: bool) -> Reason | None:
        """Why NetworkPolicies do not stop this, if so."""
        if self.ends.same_pod:
            return Reason.OWN_POD
        return Reason.OWN_NODE if own_node else None

    def _network_policies(self, own_node: bool) -> PolicyDecision | None:
        """None: no policy isolates the pod in this direction."""
        isolating = [policy for policy in _by_name(self.snapshot.policies.values()) if self._isolates(policy)]
        if not isolating:
            return None
        if exempt := self._exempt(own_node):
            return self._says(True, exempt)
        for policy in isolating:
            for index, rule in enumerate(policy.rules(self.direction)):
                if not policy.fault and rule_matches(self.snapshot, policy, rule, self.direction, self.ends):
                    return self._by(True, Reason.RULE_ALLOWS, [policy], index)
        if unreadable := [policy for policy in isolating if policy.fault]:
            return self._by(False, Reason.POLICY_UNREADABLE, unreadable)
        return self._by(False, Reason.NO_RULE_MATCHES, isolating)

    def _isolates(self, policy: NetworkPolicy) -> bool:
        return (
            policy.namespace == self.pod.namespace
            and self.direction in policy.directions
            and policy.pods.matches(self.pod.labels)
        )

    def _by(self, allowed: bool, reason: Reason, policies: list[NetworkPolicy], rule: int = -1) -> PolicyDecision:
        names = tuple(f"{policy.namespace}/{policy.name}" for policy in policies)
        return replace(self._says(allowed, reason), kind="NetworkPolicy", policies=names, rule=rule)

    def _tier(self, tier: Tier) -> PolicyDecision | None:
        """None: no rule of the tier matches, or the first that does passes."""
        for policy, index, rule in self._rules_of(tier):
            if is_unknown(rule):
                if rule.action != "Accept":
                    return self._by_cluster(policy, False, Reason.POLICY_UNREADABLE, index)
            elif cluster_rule_matches(self.snapshot, rule, self.direction, self.ends):
                return self._action(policy, rule, index)
        return None

    def _rules_of(self, tier: Tier) -> Iterator[tuple[ClusterNetworkPolicy, int, ClusterRule]]:
        """The tier's rules for this pod, in their order; a policy that cannot be read has one, which denies."""
        policies = [policy for policy in self.snapshot.cluster_policies.values() if policy.tier == tier]
        for policy in sorted(policies, key=lambda policy: (policy.priority, policy.name)):
            if not cluster_selects(self.snapshot, policy.subject, self.pod):
                continue
            if policy.fault:
                yield policy, -1, _DENY_ALL
            else:
                yield from ((policy, index, rule) for index, rule in enumerate(policy.rules(self.direction)))

    def _action(self, policy: ClusterNetworkPolicy, rule: ClusterRule, index: int) -> PolicyDecision | None:
        if rule.action == "Pass":
            return None
        allowed = rule.action == "Accept"
        return self._by_cluster(policy, allowed, Reason.RULE_ALLOWS if allowed else Reason.RULE_DENIES, index)

    def _by_cluster(
        self, policy: ClusterNetworkPolicy, allowed: bool, reason: Reason, rule: int = -1
    ) -> PolicyDecision:
        return replace(self._says(allowed, reason), kind="ClusterNetworkPolicy", policies=(policy.name,), rule=rule)


def is_unknown(rule: ClusterRule) -> bool:
    """Fails closed: as Accept it matches nothing, as Deny or Pass it denies everything."""
    return any(peer.unknown for peer in rule.peers)


def _by_name(policies: Iterable[NetworkPolicy]) -> list[NetworkPolicy]:
    return sorted(policies, key=lambda policy: (policy.namespace, policy.name))
