"""Which nodes a pod may have, in kube-scheduler's words, and which it gets."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.reconcile import scheduler
from portway.reconcile.change import Bind, Event, Update
from portway.reconcile.scheduler import Load, refusal, schedule

Doc = dict[str, Any]


def node(name: str = "node-1", labels: dict[str, str] | None = None, **spec: Any) -> Doc:
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": spec}


def pod(name: str = "a", owner: str = "rs", **spec: Any) -> Doc:
    references = [{"uid": owner, "controller": True}]
    return {"metadata": {"namespace": "n", "name": name, "uid": name, "ownerReferences": references}, "spec": spec}


def affinity(*terms: Doc) -> Doc:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": required}}


def term(key: str, operator: str, *values: str) -> Doc:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


AFFINITY = "node(s) didn't match Pod's node affinity/selector"
TAINT = {"key": "k", "value": "v", "effect": "NoSchedule"}
UNTOLERATED = "node(s) had untolerated taint {k: v}"
CORDONED = "node(s) were unschedulable"
PORTS = "node(s) didn't have free ports for the requested pod ports"
LABELS = {"disk": "ssd", "cores": "8", "kubernetes.io/arch": "amd64"}

TABLE: list[tuple[str, Doc, Doc, str]] = [
    ("anything", {}, node(), ""),
    ("cordoned", {}, node(unschedulable=True), CORDONED),
    (
        "cordoned but tolerated",
        {"tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]},
        node(unschedulable=True),
        "",
    ),
    ("tainted", {}, node(taints=[TAINT]), UNTOLERATED),
    (
        "tainted, no value",
        {},
        node(taints=[{"key": "k", "effect": "NoExecute"}]),
        "node(s) had untolerated taint {k: }",
    ),
    ("a preference is no refusal", {}, node(taints=[{**TAINT, "effect": "PreferNoSchedule"}]), ""),
    ("tolerated", {"tolerations": [{"key": "k", "value": "v", "effect": "NoSchedule"}]}, node(taints=[TAINT]), ""),
    ("tolerates another value", {"tolerations": [{"key": "k", "value": "w"}]}, node(taints=[TAINT]), UNTOLERATED),
    (
        "tolerates another effect",
        {"tolerations": [{"key": "k", "value": "v", "effect": "NoExecute"}]},
        node(taints=[TAINT]),
        UNTOLERATED,
    ),
    ("tolerates the key", {"tolerations": [{"key": "k", "operator": "Exists"}]}, node(taints=[TAINT]), ""),
    ("tolerates everything", {"tolerations": [{"operator": "Exists"}]}, node(taints=[TAINT]), ""),
    ("selector", {"nodeSelector": {"disk": "ssd"}}, node(labels=LABELS), ""),
    ("selector misses", {"nodeSelector": {"disk": "hdd"}}, node(labels=LABELS), AFFINITY),
    ("os", {"nodeSelector": {"kubernetes.io/os": "linux"}}, node(), ""),
    ("old os", {"nodeSelector": {"beta.kubernetes.io/os": "linux"}}, node(), ""),
    ("other os", {"nodeSelector": {"kubernetes.io/os": "windows"}}, node(), AFFINITY),
    ("old arch", {"nodeSelector": {"beta.kubernetes.io/arch": "amd64"}}, node(labels=LABELS), ""),
    ("hostname", {"nodeSelector": {"kubernetes.io/hostname": "node-1"}}, node(), ""),
    ("other hostname", {"nodeSelector": {"kubernetes.io/hostname": "node-2"}}, node(), AFFINITY),
    ("In", affinity(term("disk", "In", "hdd", "ssd")), node(labels=LABELS), ""),
    ("In without the label", affinity(term("disk", "In", "ssd")), node(), AFFINITY),
    ("NotIn", affinity(term("disk", "NotIn", "ssd")), node(labels=LABELS), AFFINITY),
    ("NotIn without the label", affinity(term("disk", "NotIn", "ssd")), node(), ""),
    ("Exists", affinity(term("disk", "Exists")), node(labels=LABELS), ""),
    ("DoesNotExist", affinity(term("disk", "DoesNotExist")), node(labels=LABELS), AFFINITY),
    ("Gt", affinity(term("cores", "Gt", "4")), node(labels=LABELS), ""),
    ("Gt equal", affinity(term("cores", "Gt", "8")), node(labels=LABELS), AFFINITY),
    ("Lt", affinity(term("cores", "Lt", "9")), node(labels=LABELS), ""),
    ("Lt of no number", affinity(term("disk", "Lt", "9")), node(labels=LABELS), AFFINITY),
    ("one term of two", affinity(term("disk", "In", "hdd"), term("cores", "Exists")), node(labels=LABELS), ""),
    ("an empty term", affinity({}), node(), AFFINITY),
    (
        "field",
        affinity({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]}),
        node(),
        "",
    ),
    ("host port", {"containers": [{"ports": [{"hostPort": 80}]}]}, node(), PORTS),
    ("host port of another protocol", {"containers": [{"ports": [{"hostPort": 80, "protocol": "UDP"}]}]}, node(), ""),
    (
        "host port on one of two addresses",
        {"containers": [{"ports": [{"hostPort": 81, "hostIP": "10.0.0.2"}]}]},
        node(),
        "",
    ),
]

BUSY = Load()
BUSY.add({"spec": {"containers": [{"ports": [{"hostPort": 80}, {"hostPort": 81, "hostIP": "10.0.0.1"}]}]}}, "node-1")


@pytest.mark.parametrize(("spec", "place", "reason"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_refusals(spec: Doc, place: Doc, reason: str) -> None:
    assert refusal(pod(**spec), place, BUSY) == reason


def test_no_node_fits_and_why() -> None:
    nodes = [node("a", unschedulable=True), node("b", taints=[TAINT]), node("c", taints=[TAINT])]
    update, event = schedule(pod(), nodes, Load(), 0.0)
    message = (
        "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) had untolerated taint {k: v}. "
        "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    )
    assert isinstance(update, Update) and isinstance(event, Event)
    [condition] = update.document["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("PodScheduled", "False", "Unschedulable")
    assert condition["message"] == event.message == message
    assert (event.type, event.reason) == ("Warning", "FailedScheduling")
    assert schedule(update.document, nodes, Load(), 9.0) == [], "the same news is told once"


def test_no_nodes_at_all() -> None:
    event = schedule(pod(), [], Load(), 0.0)[1]
    assert isinstance(event, Event) and event.message == "no nodes available to schedule pods"


def test_a_binding_and_its_event() -> None:
    bind, event = schedule(pod("web-1"), [node()], Load(), 0.0)
    assert bind == Bind("n", "web-1", "node-1")
    assert isinstance(event, Event) and event.message == "Successfully assigned n/web-1 to node-1"


def test_node_10_comes_after_node_2() -> None:
    nodes = [node("node-10"), node("node-2")]
    assert schedule(pod(), nodes, Load(), 0.0)[0] == Bind("n", "a", "node-2")


@pytest.mark.parametrize(
    ("term", "best"),
    [
        ({"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"door": "x"}}}, "node-2"),
        ({"topologyKey": "zone", "labelSelector": {"matchLabels": {"door": "x"}}}, "node-3"),
        ({"topologyKey": "nowhere", "labelSelector": {"matchLabels": {"door": "x"}}}, "node-1"),
        ({"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"door": "y"}}}, "node-1"),
        ({"topologyKey": "kubernetes.io/hostname", "labelSelector": {}, "namespaces": ["m"]}, "node-1"),
        ({"topologyKey": "kubernetes.io/hostname"}, "node-1"),
    ],
)
def test_preferred_pod_affinity_goes_before_spreading(term: Doc, best: str) -> None:
    """A pod with label door=x is on node-2; node-2 and node-3 are of one zone."""
    nodes = [node("node-1", {"zone": "a"}), node("node-2", {"zone": "b"}), node("node-3", {"zone": "b"})]
    there = pod("old", nodeName="node-2")
    there["metadata"]["labels"] = {"door": "x", "more": "1"}
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 5, "podAffinityTerm": term}]}
    new = pod("new", affinity={"podAffinity": preferred})
    load = Load.of([there])
    assert schedule(new, nodes, load, 0.0)[0] == Bind("n", "new", best)
    load.add(there, "node-2", -1)
    load.add(new, best, -1)
    assert schedule(new, nodes, load, 0.0)[0] == Bind("n", "new", "node-1"), "who is gone draws nobody"


@given(st.lists(st.sampled_from(["red", "green", "blue"]), max_size=40), st.integers(1, 6))
def test_each_owner_is_spread_evenly(owners: list[str], count: int) -> None:
    nodes, load = [node(f"node-{n}") for n in range(count)], Load()
    placed: Counter[tuple[str, str]] = Counter()
    for number, owner in enumerate(owners):
        bind = schedule(pod(str(number), owner), nodes, load, 0.0)[0]
        assert isinstance(bind, Bind)
        placed[owner, bind.node] += 1
    for owner in set(owners):
        sizes = [placed[owner, f"node-{n}"] for n in range(count)]
        assert max(sizes) - min(sizes) <= 1


AWAITS: list[tuple[str, Doc, bool]] = [
    ("new", pod(), True),
    ("placed", pod(nodeName="node-1"), False),
    ("another scheduler's", pod(schedulerName="mine"), False),
    ("ours by name", pod(schedulerName="default-scheduler"), True),
    ("gated", pod(schedulingGates=[{"name": "g"}]), False),
    ("ended", {**pod(), "status": {"phase": "Failed"}}, False),
    ("going", {**pod(), "metadata": {"deletionTimestamp": "x"}}, False),
]


@pytest.mark.parametrize(("document", "expected"), [row[1:] for row in AWAITS], ids=[row[0] for row in AWAITS])
def test_awaits_node(document: Doc, expected: bool) -> None:
    assert scheduler.awaits_node(document) == expected
