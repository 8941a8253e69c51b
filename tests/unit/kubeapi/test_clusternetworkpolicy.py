"""ClusterNetworkPolicy in the API: what its definition takes and refuses, field by field."""

from typing import Any

import pytest

from portway.kubeapi import decode_policy
from portway.kubeapi.catalogue import by_name
from portway.kubeapi.errors import Doc

KIND = by_name("cnp")
assert KIND
VALIDATE, PREPARE_CREATE, PREPARE_UPDATE = KIND.validate, KIND.prepare_create, KIND.prepare_update
PODS: Doc = {"namespaces": {}}


def policy(**spec: Any) -> Doc:
    whole = {"tier": "Admin", "priority": 10, "subject": {"namespaces": {}}} | spec
    return {"metadata": {"name": "p"}, "spec": whole}


def errors(document: Doc) -> list[str]:
    return [str(error) for error in VALIDATE(document, None)]


def egress(*peers: Doc, action: str = "Accept", **rule: Any) -> Doc:
    return policy(egress=[{"action": action, "to": list(peers) or [PODS]} | rule])


def tcp(**port: Any) -> list[Doc]:
    return [{"tcp": {"destinationPort": port}}]


VALID: list[Doc] = [
    policy(),
    policy(tier="Baseline", priority=0),
    policy(priority=1000, subject={"pods": {"podSelector": {}}}),
    policy(subject={"pods": {"podSelector": {"matchLabels": {"a": "b"}}, "namespaceSelector": {}}}),
    policy(ingress=[{"action": "Pass", "name": "x" * 100, "from": [PODS, {"pods": {"podSelector": {}}}]}]),
    egress({"networks": ["10.0.0.0/8", "10.0.0.1/8", "::/0"]}, action="Deny"),
    egress({"nodes": {}}, {"domainNames": ["example.org", "*.a-b.example.org."]}),
    egress(protocols=tcp(number=65535)),
    egress(protocols=tcp(range={"start": 1, "end": 65535})),
    egress(protocols=[{"udp": {"destinationPort": {"number": 53}}}, {"sctp": {"destinationPort": {"number": 7}}}]),
    egress(protocols=[{"destinationNamedPort": "web"}], action="Deny"),
]

RULE, TO, PROTOCOL = "spec.egress[0]", "spec.egress[0].to", "spec.egress[0].protocols"
INVALID: list[tuple[Doc, str]] = [
    ({"metadata": {"name": "p"}}, "spec: Required value"),
    (policy(tier=None), "spec.tier: Required value"),
    (policy(tier="Middle"), 'spec.tier: Unsupported value: "Middle": supported values: "Admin", "Baseline"'),
    (policy(priority=None), "spec.priority: Required value"),
    (policy(priority=1001), "spec.priority: Invalid value: 1001: must be between 0 and 1000, inclusive"),
    (policy(priority=-1), "spec.priority: Invalid value: -1: must be between 0 and 1000, inclusive"),
    (policy(subject=None), "spec.subject: Required value"),
    (policy(subject={}), "spec.subject: Invalid value: {}: must have exactly one of namespaces, pods"),
    (policy(subject=PODS | {"pods": {"podSelector": {}}}), "must have exactly one of namespaces, pods"),
    (policy(subject={"pods": {}}), "spec.subject.pods.podSelector: Required value"),
    (policy(subject={"namespaces": {"matchLabels": {"-": "a"}}}), "spec.subject.namespaces.matchLabels: Invalid value"),
    (
        policy(ingress=[{"action": "Deny", "from": [PODS]}] * 26),
        "spec.ingress: Too many: 26: must have at most 25 items",
    ),
    (policy(ingress=[{"action": "Deny"}]), "spec.ingress[0].from: Required value"),
    (policy(ingress=[{"action": "Deny", "from": []}]), "spec.ingress[0].from: Invalid value: 0: must have at least 1"),
    (
        policy(ingress=[{"action": "Deny", "from": [{}]}]),
        "spec.ingress[0].from[0]: Invalid value: {}: must have exactly",
    ),
    (policy(ingress=[{"action": "Deny", "from": [{"networks": ["::/0"]}]}]), "spec.ingress[0].from[0]: Invalid value"),
    (policy(ingress=[{"from": [PODS]}]), "spec.ingress[0].action: Required value"),
    (egress(action="Log"), f'{RULE}.action: Unsupported value: "Log"'),
    (egress(name="x" * 101), f"{RULE}.name: Too long: may not be more than 100 bytes"),
    (egress(*[PODS] * 26), f"{TO}: Too many: 26: must have at most 25 items"),
    (egress({"networks": []}), f"{TO}[0].networks: Invalid value: 0: must have at least 1 item"),
    (egress({"networks": ["10.0.0.0"]}), f'{TO}[0].networks[0]: Invalid value: "10.0.0.0": must be a valid CIDR'),
    (egress({"networks": ["010.0.0.0/8"]}), "must have no leading zeros"),
    (egress({"networks": ["::ffff:10.0.0.0/104"]}), "not be an IPv4-mapped IPv6 address"),
    (egress({"networks": ["::/0", "::/0"]}), f'{TO}[0].networks[1]: Duplicate value: "::/0"'),
    (egress({"networks": [f"10.{n}.0.0/16" for n in range(26)]}), f"{TO}[0].networks: Too many: 26"),
    (egress({"domainNames": ["example"]}), f'{TO}[0].domainNames[0]: Invalid value: "example": must be a domain name'),
    (egress({"domainNames": ["a.*.org"]}), "must be a domain name"),
    (egress({"domainNames": ["a.org"]}, action="Deny"), f"{TO}[0].domainNames: Forbidden: only rules that Accept"),
    (egress(protocols=[]), f"{PROTOCOL}: Invalid value: 0: must have at least 1 item"),
    (
        egress(protocols=[{}]),
        f"{PROTOCOL}[0]: Invalid value: {{}}: must have exactly one of tcp, udp, sctp, destination",
    ),
    (egress(protocols=[{"tcp": {}}]), f"{PROTOCOL}[0].tcp.destinationPort: Required value"),
    (
        egress(protocols=tcp()),
        f"{PROTOCOL}[0].tcp.destinationPort: Invalid value: {{}}: must have exactly one of number",
    ),
    (
        egress(protocols=tcp(number=0)),
        "destinationPort.number: Invalid value: 0: must be between 1 and 65535, inclusive",
    ),
    (egress(protocols=tcp(range={"start": 1})), "destinationPort.range.end: Required value"),
    (egress(protocols=tcp(range={"start": 9, "end": 9})), "start must be less than end"),
    (
        egress({"networks": ["::/0"]}, protocols=[{"destinationNamedPort": "web"}]),
        "destinationNamedPort cannot be used with networks, which have no named ports",
    ),
]


@pytest.mark.parametrize("document", VALID, ids=str)
def test_what_is_taken_is_read_without_a_fault(document: Doc) -> None:
    assert errors(document) == []
    value = decode_policy.cluster_network_policy(document)
    assert not value.fault
    assert not any(peer.unknown for rule in (*value.ingress, *value.egress) for peer in rule.peers)


@pytest.mark.parametrize(("document", "message"), INVALID)
def test_what_is_refused(document: Doc, message: str) -> None:
    """One message says it, and it is the only one."""
    found = errors(document)
    assert [error for error in found if message in error] == found, found
    assert found


def test_status_has_a_way_of_its_own() -> None:
    document = policy() | {"status": {"conditions": []}}
    PREPARE_CREATE(document)
    assert "status" not in document
    changed = policy(priority=2) | {"status": {"conditions": [{}]}}
    PREPARE_UPDATE(changed, policy() | {"status": {"conditions": []}})
    assert changed["status"] == {"conditions": []}
