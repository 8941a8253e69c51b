"""Why a policy decided as it did: the stable codes that traces, logs and tests show."""

from enum import Enum


class Reason(Enum):
    """The value is the code."""

    NOT_A_POD = "NOT_A_POD"
    """That end is no pod with policies of its own: nothing to ask."""
    OTHER_NODE = "OTHER_NODE"
    """That end's pod is on another node, which judges it."""
    OWN_POD = "OWN_POD"
    """The pod talks to itself: not subject to NetworkPolicy."""
    OWN_NODE = "OWN_NODE"
    """The pod's own node (or a pod in its network) talks to it, or is talked to: always allowed by NetworkPolicy."""
    NOT_ISOLATED = "NOT_ISOLATED"
    """No policy selects the pod in this direction."""
    RULE_ALLOWS = "RULE_ALLOWS"
    """A rule of a NetworkPolicy, or an Accept of a ClusterNetworkPolicy, matches."""
    NO_RULE_MATCHES = "NO_RULE_MATCHES"
    """NetworkPolicies isolate the pod and none of their rules matches."""
    RULE_DENIES = "RULE_DENIES"
    """A Deny of a ClusterNetworkPolicy matches."""
    POLICY_UNREADABLE = "POLICY_UNREADABLE"
    """A policy that cannot be read closes the pods that it selects."""
    POD_UNKNOWN = "POD_UNKNOWN"
    """An address of the node's pod CIDRs at which there is no pod, or whose rules are not in yet: closed."""
    SOURCE_SPOOFED = "SOURCE_SPOOFED"
    """A pod sends from an address that is not its own, or somebody else sends from a pod's."""
