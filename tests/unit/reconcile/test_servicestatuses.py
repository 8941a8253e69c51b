"""Which ServiceL2Status and ServiceBGPStatus objects a node writes and deletes."""

from typing import Any

import pytest

from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Resource
from portway.model.loadbalancer import ServiceKey
from portway.reconcile.change import Change, Create, Delete, Update
from portway.reconcile.servicestatuses import BGP, L2, Teller, bgp, layer2, reconcile

ME, OTHER, THIRD = Teller("n1", "u1"), Teller("n2", "u2"), Teller("n3", "u3")
WEB: ServiceKey = ("shop", "web")


def made(resource: Resource, me: Teller, wanted: dict[ServiceKey, Doc]) -> list[Doc]:
    """What a node would have stored, statuses and all."""
    found = []
    for change in reconcile(resource, me, wanted, []):
        assert isinstance(change, Create)
        metadata = {**change.document["metadata"], "uid": f"of {me.name}", "resourceVersion": "1"}
        found.append({**change.document, "metadata": metadata})
    return found


def said(changes: list[Change]) -> list[tuple[str, str]]:
    """What is done, and to whose."""
    words = []
    for change in changes:
        if isinstance(change, Delete):
            words.append(("delete", change.uid))
        else:
            assert isinstance(change, Create | Update)
            words.append((type(change).__name__.lower(), change.document["metadata"]["labels"]["metallb.io/node"]))
    return words


def test_what_is_written_is_metallbs() -> None:
    (document,) = made(L2, ME, layer2(ME, {WEB: {"eth1", "eth0"}}))
    assert document["kind"] == "ServiceL2Status" and document["metadata"]["name"].startswith("l2-")
    assert document["metadata"]["labels"] == {
        "metallb.io/node": "n1", "metallb.io/service-name": "web", "metallb.io/service-namespace": "shop",
    }  # fmt: skip
    assert document["status"] == {
        "node": "n1", "serviceName": "web", "serviceNamespace": "shop",
        "interfaces": [{"name": "eth0"}, {"name": "eth1"}],
    }  # fmt: skip
    assert document["metadata"]["ownerReferences"] == [{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "u1"}]
    (routed,) = made(BGP, ME, bgp(ME, {WEB: {"b", "a"}}))
    assert routed["kind"] == "ServiceBGPStatus" and routed["metadata"]["name"].startswith("bgp-")
    assert routed["status"]["peers"] == ["a", "b"]


HERE = layer2(ME, {WEB: {"eth0"}})
MINE, THEIRS = made(L2, ME, HERE), made(L2, OTHER, layer2(OTHER, {WEB: {"eth0"}}))
CASES: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "nothing stored": ({"stored": []}, [("create", "n1")]),
    "all as it should be": ({"stored": MINE}, []),
    "the status is missing yet": ({"stored": [{**MINE[0], "status": {}}]}, [("update", "n1")]),
    "the interfaces changed": ({"stored": MINE, "wanted": layer2(ME, {WEB: {"eth1"}})}, [("update", "n1")]),
    "not announced any more": ({"stored": MINE, "wanted": {}}, [("delete", "of n1")]),
    "a dead node's goes": ({"stored": [*MINE, *THEIRS]}, [("delete", "of n2")]),
    "who shares the Service's addresses keeps it": ({"stored": [*MINE, *THEIRS], "others": {WEB: {"n2"}}}, []),
    "of a Service that is not ours, others' stay": ({"stored": THEIRS, "wanted": {}}, []),
    "one that goes already": (
        {"stored": [{**MINE[0], "metadata": {**MINE[0]["metadata"], "deletionTimestamp": "now"}}]}, [],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), CASES.values(), ids=CASES.keys())
def test_layer_2(given: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    case = {"wanted": HERE, "others": {}} | given
    assert said(reconcile(L2, ME, case["wanted"], case["stored"], case["others"])) == expected


def test_a_second_one_of_this_node_goes() -> None:
    """MetalLB's own speaker leaves generated names."""
    foreign = {**MINE[0], "metadata": {**MINE[0]["metadata"], "name": "l2-abcde", "uid": "of a speaker"}}
    assert said(reconcile(L2, ME, HERE, [*MINE, foreign], {})) == [("delete", "of a speaker")]


def test_by_bgp_each_node_sees_to_its_own() -> None:
    theirs = made(BGP, OTHER, bgp(OTHER, {WEB: {"a"}})) + made(BGP, THIRD, bgp(THIRD, {WEB: {"a"}}))
    assert said(reconcile(BGP, ME, bgp(ME, {WEB: {"a"}}), theirs)) == [("create", "n1")]
