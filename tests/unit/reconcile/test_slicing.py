"""Slices under any history of a Service's pods: each endpoint once, none too full, no write that is not needed."""

from collections import Counter
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from portway.reconcile import endpointslices
from portway.reconcile.change import Create, Delete, Update
from portway.reconcile.objects import with_metadata

Doc = dict[str, Any]
MOST = 3
SERVICE: Doc = {
    "metadata": {"namespace": "n", "name": "web", "uid": "s"},
    "spec": {
        "selector": {"app": "web"},
        "clusterIP": "10.96.0.1",
        "ipFamilies": ["IPv4"],
        "ports": [{"port": 80, "targetPort": "http", "protocol": "TCP"}],
    },
}


def pod(number: int, port: int, ready: bool) -> Doc:
    ports = [{"name": "http", "containerPort": port, "protocol": "TCP"}] if port else []
    return {
        "metadata": {"namespace": "n", "name": f"web-{number}", "uid": str(number)},
        "spec": {"containers": [{"ports": ports}], "nodeName": "node-1"},
        "status": {"podIP": f"10.0.0.{number}", "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


PODS = st.dictionaries(st.integers(1, 12), st.tuples(st.sampled_from([0, 8080, 9090]), st.booleans()))


@settings(max_examples=200)
@given(st.lists(PODS, min_size=1, max_size=6))
@example([{}, {1: (0, False), 2: (0, False), 3: (0, False)}, {}])
def test_slices_follow_pods(history: list[dict[int, tuple[int, bool]]]) -> None:
    slices: dict[str, Doc] = {}
    nodes = {"node-1": {"metadata": {"name": "node-1"}}}
    serial = 0
    for pods in history:
        documents = [pod(number, *rest) for number, rest in sorted(pods.items())]
        before = {name: held(slice_) for name, slice_ in slices.items()}
        changes = endpointslices.reconcile(SERVICE, documents, list(slices.values()), nodes, "", MOST)
        touched: list[str] = []
        for change in changes:
            if isinstance(change, Create):
                serial += 1
                slices[f"web-{serial}"] = with_metadata(change.document, name=f"web-{serial}")
            elif isinstance(change, Update):
                touched.append(change.document["metadata"]["name"])
                slices[touched[-1]] = change.document
            elif isinstance(change, Delete):
                touched.append(change.name)
                del slices[change.name]
        assert len(touched) == len(set(touched)), "one write per slice"
        assert all(name not in slices or held(slices[name]) != before[name] for name in touched), "no idle write"
        found = Counter(entry for slice_ in slices.values() for entry in held(slice_))
        expected = Counter((f"10.0.0.{number}", port, ready) for number, (port, ready) in pods.items())
        assert found == expected
        assert all(len(slice_["endpoints"]) <= MOST for slice_ in slices.values())
        assert slices, "a Service without endpoints has its placeholder"
        assert endpointslices.reconcile(SERVICE, documents, list(slices.values()), nodes, "", MOST) == []


def held(slice_: Doc) -> list[tuple[str, int, bool]]:
    """(address, port or 0, ready) of each endpoint."""
    port = slice_["ports"][0]["port"] if slice_["ports"] else 0
    return [(e["addresses"][0], port, e["conditions"]["ready"]) for e in slice_["endpoints"]]
