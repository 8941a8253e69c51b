"""Kubernetes' own table of the EndpointSlice mirroring controller."""

from collections import Counter
from typing import Any

import pytest

from portway.reconcile import mirroring
from portway.reconcile.change import Create, Delete, Update
from portway.reconcile.resources import ENDPOINT_SLICES
from portway.reconcile.slicing import ports_key
from tests.shared import cases

Doc = dict[str, Any]

CASES = cases("endpointslice_mirroring")
SERVICE: Doc = {"metadata": {"name": "test-ep", "namespace": "test"}, "spec": {"ports": []}}
VERBS = {"create": Create, "update": Update, "delete": Delete}


def endpoint_shape(endpoint: Doc) -> str:
    target = sorted((endpoint.get("targetRef") or {}).items())
    return repr([sorted((k, v) for k, v in endpoint.items() if v and k != "targetRef"), target])


def shape(slice_: Doc) -> Any:
    metadata = slice_["metadata"]
    return (
        slice_["addressType"],
        repr(ports_key(slice_.get("ports"))),
        repr(sorted(map(endpoint_shape, slice_.get("endpoints") or []))),
        repr(sorted((metadata.get("labels") or {}).items())),
        repr(sorted((metadata.get("annotations") or {}).items())),
        repr([(o["kind"], o["name"], o["controller"]) for o in metadata.get("ownerReferences") or []]),
    )


def run(case: Doc, slices: list[Doc]) -> list[Any]:
    return mirroring.reconcile(SERVICE, case["endpoints"], slices, case["maxEndpointsPerSubset"])


def written(case: Doc) -> list[Doc]:
    changes = run(case, case["existingSlices"] or [])
    return [c.document for c in changes if isinstance(c, Create | Update)]


@pytest.mark.parametrize("case", CASES, ids=[case["test"] for case in CASES])
def test_reconcile(case: Doc) -> None:
    changes = run(case, case["existingSlices"] or [])
    assert Counter(map(type, changes)) == Counter(VERBS[action["verb"]] for action in case["actions"])
    expected = [action["object"] for action in case["actions"] if action.get("object")]
    assert Counter(map(shape, written(case))) == Counter(map(shape, expected))


@pytest.mark.parametrize("case", CASES, ids=[case["test"] for case in CASES])
def test_a_second_look_wants_nothing(case: Doc) -> None:
    assert run(case, written(case)) == [] if case["actions"] else True


ENDPOINTS: Doc = {
    "metadata": {"name": "test-ep", "namespace": "test"},
    "subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}],
}
NOT_MIRRORED: list[tuple[str, Doc | None, Doc | None]] = [
    ("no service", None, ENDPOINTS),
    ("no endpoints", SERVICE, None),
    ("the service has a selector", {**SERVICE, "spec": {"selector": {"a": "b"}}}, ENDPOINTS),
    ("an empty selector is one", {**SERVICE, "spec": {"selector": {}}}, ENDPOINTS),
    (
        "asked not to",
        SERVICE,
        {**ENDPOINTS, "metadata": {"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}},
    ),
    (
        "a leader's lock",
        SERVICE,
        {**ENDPOINTS, "metadata": {"annotations": {"control-plane.alpha.kubernetes.io/leader": "{}"}}},
    ),
]


@pytest.mark.parametrize(("service", "endpoints"), [n[1:] for n in NOT_MIRRORED], ids=[n[0] for n in NOT_MIRRORED])
def test_what_is_not_mirrored_loses_its_slices(service: Doc | None, endpoints: Doc | None) -> None:
    [created] = mirroring.reconcile(SERVICE, ENDPOINTS, [])
    assert isinstance(created, Create)
    slice_ = {**created.document, "metadata": {**created.document["metadata"], "name": "s", "uid": "u"}}
    assert mirroring.reconcile(service, endpoints, [slice_]) == [Delete(ENDPOINT_SLICES, "test", "s", "u")]
