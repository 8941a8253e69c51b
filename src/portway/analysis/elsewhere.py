"""Codes that no trace ends with: those of policies' decisions, of logs, of suppressions, of audits and diffs."""

from collections.abc import Mapping

from portway.analysis.code import Code

_DECISIONS = "portway trace … -o json, under judged"
_LOG = "portway logs -o json"
_ALLOWED: Mapping[str, tuple[str, str]] = {
    "NOT_A_POD": ("that end is no pod with policies of its own: there is nothing to ask", ""),
    "OTHER_NODE": ("that end's pod is on another node, which judges it", ""),
    "OWN_POD": ("the pod talks to itself, which NetworkPolicies never stop", "NetworkPolicy: not for a pod and itself"),
    "OWN_NODE": (
        "the pod talks to its own node, or the node to it",
        "NetworkPolicy: never closes the way to the own node",
    ),
    "NOT_ISOLATED": ("no policy selects the pod in this direction", "NetworkPolicy: a pod that none selects is open"),
    "RULE_ALLOWS": ("a rule of a NetworkPolicy, or an Accept of a ClusterNetworkPolicy, matches", ""),
}
_AUDIT, _DIFF = "portway audit", "portway diff A B"

CODES: Mapping[str, Code] = {
    **{code: Code("decision", meaning, _DECISIONS, "", rule) for code, (meaning, rule) in _ALLOWED.items()},
    "NOT_A_FRONTEND": Code(
        "reason",
        "no Service claims this address and port: the packet goes where the node's routes lead",
        "portway ports -A",
    ),
    "POD_UNKNOWN": Code(
        "reason",
        "the address is in this node's pod CIDRs and no pod has it, or its rules are not in yet: the packet is dropped",
        f"{_LOG}; kubectl get pods -A -o wide",
        "wait until the pod runs; an address that nobody has stays closed",
        "Portway fails closed",
    ),
    "SOURCE_SPOOFED": Code(
        "reason",
        "a pod sends from an address that is not its own, or somebody else sends from a pod's: the packet is dropped",
        _LOG,
        "send from the pod's own address; look who else uses it",
        "a packet whose source does not lead back to where it came from",
    ),
    "PORT_NOT_LISTENING": Code(
        "reason",
        "the packet reached the pod, and the pod refused it: nothing listens on the targetPort there",
        "kubectl exec POD -- ss -ltnu; kubectl describe pod",
        "a targetPort at which the container listens, on all addresses and not only on 127.0.0.1",
        "containerPort only informs; what listens decides",
    ),
    "BAD_REQUEST": Code(
        "reason",
        "what came to the door was no HTTP request",
        "portway logs",
        "speak HTTP, or TLS where the door ends it",
        "",
    ),
    "BACKEND_TLS_FAILED": Code(
        "reason",
        "the door answers 502 or 503: no pod behind the route has a certificate that its BackendTLSPolicy takes, or "
        "speaks TLS at all",
        "kubectl describe backendtlspolicy; the log of the door's pod says why",
        "the authority that signed the pods' certificates in the policy's ConfigMap, and a name that they have",
        "BackendTLSPolicy.spec.validation",
    ),
    "BACKEND_UNREACHABLE": Code(
        "reason",
        "the door closed a connection of a TLSRoute: no pod behind it let the door connect, and some were asked",
        "portway logs -o json; kubectl exec POD -- ss -ltn",
        "a targetPort at which the pods listen; policies that let the door's pod in",
    ),
    "PW-S01": Code(
        "finding",
        "a suppression without a reason, or with a date that is none: it suppresses nothing",
        "portway lint",
        "portway:ignore CODE until=YYYY-MM-DD REASON",
    ),
    "PW-S02": Code(
        "finding",
        "a suppression that has ended: it suppresses nothing any more",
        "portway lint",
        "mend what it hid, or give it a later date with the reason",
    ),
    "unrestricted": Code(
        "mark",
        "outside clients get through, and no policy or source range limits who",
        _AUDIT,
        "loadBalancerSourceRanges, a NetworkPolicy, or type ClusterIP",
    ),
    "no-pods": Code("mark", "an exposed port behind which there is no ready pod", _AUDIT, "a selector that pods match"),
    "single-pod": Code("mark", "one pod carries all of it: a restart is an outage", _AUDIT, "more replicas"),
    "single-node": Code(
        "mark",
        "all its pods are on one node: its loss is an outage",
        _AUDIT,
        "topologySpreadConstraints or podAntiAffinity",
    ),
    "exposure-gained": Code(
        "change", "outside clients get in where they did not", _DIFF, "--fail-on exposure stops it"
    ),
    "exposure-lost": Code("change", "outside clients got in and no longer do", _DIFF),
    "reach-gained": Code("change", "clients inside may connect that could not", _DIFF, "--fail-on reach stops it"),
    "reach-lost": Code("change", "clients inside could connect and no longer may", _DIFF),
    "moved": Code("change", "a port or its target has another number: who dials the old one gets nothing", _DIFF),
    "added": Code("change", "a Service port that was not there", _DIFF),
    "removed": Code("change", "a Service port that is no longer there", _DIFF),
    "rollout": Code(
        "change",
        "it breaks while old pods meet the new Service, or new pods the old one",
        _DIFF,
        "both versions must define the port that the Service names; --fail-on breakage stops it",
    ),
}
"""By code."""
