"""Kubernetes' own table of the Endpoints controller."""

from typing import Any

import pytest

from portway.reconcile import endpoints
from portway.reconcile.change import Create, Delete, Update
from portway.reconcile.objects import contains_all, labels_of, namespace_of, spec_of
from portway.reconcile.resources import ENDPOINTS
from tests.shared import cases

Doc = dict[str, Any]

CASES = cases("endpoints_controller")
_ANNOTATED = ("endpoints.kubernetes.io/over-capacity",)


def shape(document: Doc) -> Any:
    annotations = document["metadata"].get("annotations") or {}
    return (
        sorted((document["metadata"].get("labels") or {}).items()),
        [(name, annotations[name]) for name in _ANNOTATED if name in annotations],
        "endpoints.kubernetes.io/last-change-trigger-time" in annotations,
        counts(document) if over(document) else sorted(map(subset_shape, document.get("subsets") or [])),
    )


def over(document: Doc) -> bool:
    return counts(document)[0] + counts(document)[1] > 900


def counts(document: Doc) -> tuple[int, int]:
    subsets = document.get("subsets") or []
    return tuple(sum(len(s.get(part) or []) for s in subsets) for part in ("addresses", "notReadyAddresses"))  # type: ignore[return-value]


def subset_shape(subset: Doc) -> str:
    def entry(e: Doc) -> str:
        target = sorted((k, v) for k, v in (e.get("targetRef") or {}).items() if v and k != "resourceVersion")
        return repr([sorted((k, v) for k, v in e.items() if v and k not in ("targetRef",)), target])

    ports = [{**p, "protocol": p.get("protocol") or "TCP"} for p in subset.get("ports") or [] if p.get("port")]
    parts = [subset.get("addresses") or [], subset.get("notReadyAddresses") or [], ports]
    return repr([sorted(map(entry, part)) for part in parts])


def run(case: Doc) -> list[Any]:
    namespace, name = case["key"].split("/")
    services = {s["metadata"]["name"]: s for s in case["services"] if s["metadata"]["namespace"] == namespace}
    existing = {e["metadata"]["name"]: e for e in case["existingEndpoints"] or []}
    service = services.get(name)
    if service and case["requests"] and case["requests"][0].get("body"):
        service["spec"].setdefault("selector", {})  # Go's JSON leaves an empty map out like an absent one
    selector = spec_of(service or {}).get("selector") or {}
    pods = [p for p in case["pods"] if contains_all(labels_of(p), selector) and namespace_of(p) == namespace]
    trigger = "2020-01-01T00:00:00Z" if triggered(case) else ""
    return endpoints.reconcile(service, pods, existing.get(name), trigger)


def triggered(case: Doc) -> bool:
    written = [request["body"] for request in case["requests"] if request.get("body")]
    return any(shape(body)[2] for body in written)


VERBS = {"POST": Create, "create": Create, "PUT": Update, "update": Update, "DELETE": Delete, "delete": Delete}


@pytest.mark.parametrize("case", CASES, ids=[case["test"] for case in CASES])
def test_reconcile(case: Doc) -> None:
    changes = run(case)
    assert [type(change) for change in changes] == [VERBS[request["method"]] for request in case["requests"]]
    for change, request in zip(changes, case["requests"], strict=True):
        if request.get("body"):
            assert shape(change.document) == shape(request["body"])


@pytest.mark.parametrize("case", CASES, ids=[case["test"] for case in CASES])
def test_a_second_look_wants_nothing(case: Doc) -> None:
    written = [change.document for change in run(case) if isinstance(change, Create | Update)]
    assert run({**case, "existingEndpoints": written}) == [] if written else True


def test_what_the_controller_made_goes_with_the_service() -> None:
    made = {
        "metadata": {
            "namespace": "n",
            "name": "web",
            "uid": "u",
            "labels": {endpoints.MANAGED_BY: endpoints.CONTROLLER},
        }
    }
    assert endpoints.reconcile(None, [], made) == [Delete(ENDPOINTS, "n", "web", "u")]
    assert endpoints.reconcile(None, [], {"metadata": {"namespace": "n", "name": "web"}}) == []
    assert endpoints.reconcile(None, [], None) == []
