"""Yesterday's connections before today's policies."""

from typing import Any

import pytest
from msgspec.structs import replace

from portway.accesslog import PolicyRef, Record
from portway.accesslog.names import PortKey
from portway.accesslog.today import Difference, Now, Today
from portway.model import (
    IpBlock,
    LabelSelector,
    Namespace,
    NetworkPolicy,
    Node,
    Pod,
    PolicyPeer,
    PolicyRule,
    PolicySnapshot,
    Requirement,
)
from portway.policy import judge
from tests.unit.accesslog.builders import NOON, connection, denial, external, pod


def labelled(app: str) -> LabelSelector:
    return LabelSelector((Requirement("app", "in", (app,)),))


NODE_1 = "172.18.0.11/32"
NODES = {f"node-{n}": Node(f"node-{n}", (f"172.18.0.1{n}",)) for n in (1, 2)}
PODS = {
    ("shop", "web-0"): Pod("shop", "web-0", ("10.244.1.3",), "node-1", labels={"app": "web"}),
    ("shop", "guest-0"): Pod("shop", "guest-0", ("10.244.2.9",), "node-2", labels={"app": "guest"}),
}
WEB = PortKey("shop", "web", "http", 80, "TCP")
FROM_API = NetworkPolicy(
    "shop",
    "only-api",
    labelled("web"),
    ingress=(PolicyRule((PolicyPeer(pods=labelled("api")),)),),
)
"""Isolates web; only api may come."""


def differences(*records: Record, policies: tuple[NetworkPolicy, ...] = (), **pods: Any) -> tuple[Difference, ...]:
    return told(*records, policies=policies, **pods).found()


def told(*records: Record, policies: tuple[NetworkPolicy, ...] = (), pods: dict[Any, Pod] = PODS) -> Today:
    snapshot = PolicySnapshot(
        pods, {"shop": Namespace("shop", {})}, {(p.namespace, p.name): p for p in policies}, nodes=NODES
    )
    today = Today(
        Now(
            lambda asked: judge(snapshot, asked),
            {key: one.addresses for key, one in pods.items()},
            {WEB: [(one.addresses[0], 8080) for key, one in pods.items() if key[1].startswith("web")]},
        )
    )
    for record in records:
        today.add(record)
    return today


GUEST = connection(1.0, client=pod("guest-0", "10.244.2.9", 41000, "node-2"), entry="clusterIP")


def test_what_was_let_in_and_would_not_be() -> None:
    (row,) = differences(GUEST, replace(GUEST, ts_end=NOON + 9), policies=(FROM_API,))
    assert (row.client.name, row.port, row.was, row.connections) == ("shop/guest-0", WEB, "let in", 2)
    assert row.reason == "NO_RULE_MATCHES" and row.last == NOON + 9
    assert row.policy == PolicyRef("NetworkPolicy", "shop", "only-api", -1, "Ingress")


def test_what_was_denied_and_would_be_let_in() -> None:
    (row,) = differences(denial())
    assert (row.client.name, row.was, row.policy) == ("shop/guest-0", "denied", None)


def test_what_is_as_it_was_is_not_told() -> None:
    assert differences(GUEST) == differences(denial(), policies=(FROM_API,)) == ()


@pytest.mark.parametrize(
    ("backend_node", "denied"),
    [
        ("node-1", True),  # the node that was dialled has the pod: its policies see the client
        ("node-2", False),  # it hid the client behind its own address, which may come
    ],
)
def test_a_client_is_judged_as_the_backends_node_sees_it(backend_node: str, denied: bool) -> None:
    web = replace(PODS["shop", "web-0"], node_name=backend_node)
    nodes = NetworkPolicy("shop", "x", labelled("web"), ingress=(PolicyRule((PolicyPeer(block=IpBlock(NODE_1)),)),))
    snapshot = PolicySnapshot({("shop", "web-0"): web}, {"shop": Namespace("shop", {})}, {("shop", "x"): nodes})
    today = Today(Now(lambda asked: judge(snapshot, asked), {("shop", "web-0"): web.addresses}, {}))
    today.add(connection(snat=True, snat_ip="172.18.0.11", backend=pod(node=backend_node)))
    assert bool(today.found()) == denied


def test_a_backend_that_is_gone_is_judged_as_its_service_is_now() -> None:
    new = {("shop", "web-7"): replace(PODS["shop", "web-0"], name="web-7", addresses=("10.244.1.9",))}
    (row,) = differences(connection(client=external()), policies=(FROM_API,), pods=new)
    assert row.client.name == "203.0.113.9"


def test_who_is_gone_is_counted_and_not_judged() -> None:
    gone = told(GUEST, connection(client=external()), policies=(FROM_API,), pods={})
    assert (gone.found(), gone.gone) == ((), 2)
