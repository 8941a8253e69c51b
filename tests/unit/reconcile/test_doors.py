"""A door's objects: made, brought to what is wanted, left alone, taken away."""

import pytest

from portway.kubeapi.decode import endpoint_slice
from portway.kubeapi.errors import Doc
from portway.kubeapi.names import is_dns1035_label
from portway.model import EndpointPort, Share
from portway.reconcile import doors
from portway.reconcile.change import Change, Create, Delete, Update
from portway.reconcile.doors import Door, DoorPort, Existing, Program
from portway.reconcile.objects import annotations_of, labels_of, name_of, spec_of, with_metadata

HTTP, DB = DoorPort(80), DoorPort(5432, "TCP", forwarded=True)
RUN = Program(("portway", "gateway"), (("PYTHONPATH", "/src"),))


def door(*ports: DoorPort, **fields: object) -> Door:
    return Door("gateway/shop/door", "shop", "door-portway", ports or (HTTP,), **fields)  # type: ignore[arg-type]


def made(of: Door, slices: list[Doc] | None = None) -> Existing:
    """What the API server has after the first time."""
    documents = [c.document for c in doors.reconcile(of, Existing(), RUN, slices or []) if isinstance(c, Create)]
    by_kind = {document["kind"]: with_metadata(document, uid="u") for document in documents}
    given = {"clusterIP": "10.96.0.9", "healthCheckNodePort": 0}
    service = by_kind["Service"]
    service["spec"] = {**service["spec"], **given}
    return Existing(by_kind.get("Deployment"), service, [d for d in documents if d["kind"] == "EndpointSlice"])


def kinds(changes: list[Change]) -> list[tuple[str, str]]:
    return [(type(c).__name__, c.resource.plural) for c in changes if isinstance(c, Create | Update | Delete)]


def test_nothing_is_written_twice() -> None:
    assert doors.reconcile(door(), made(door()), RUN, []) == []


def test_another_port_changes_the_service_alone_which_keeps_its_address() -> None:
    changes = doors.reconcile(door(HTTP, DoorPort(81)), made(door()), RUN, [])
    (change,) = changes
    assert isinstance(change, Update)
    assert [p["port"] for p in spec_of(change.document)["ports"]] == [80, 81]
    assert spec_of(change.document)["clusterIP"] == "10.96.0.9"


def test_a_door_of_layer_4_alone_needs_no_engine() -> None:
    assert kinds(doors.reconcile(door(DB), Existing(), RUN, [])) == [("Create", "services")]
    changes = doors.reconcile(door(DB), made(door(HTTP, DB)), RUN, [])
    assert kinds(changes) == [("Update", "services"), ("Delete", "deployments")]
    assert "selector" not in spec_of(changes[0].document)  # type: ignore[union-attr]


def test_what_people_add_stays() -> None:
    existing = made(door())
    service = with_metadata(existing.service or {}, annotations={**annotations_of(existing.service or {}), "my": "own"})
    (change,) = doors.reconcile(door(HTTP, DoorPort(81)), Existing(existing.deployment, service), RUN, [])
    assert isinstance(change, Update)
    assert annotations_of(change.document)["my"] == "own"


def test_infrastructure_and_addresses_are_handed_on() -> None:
    asked = door(labels={"a": "1"}, annotations={"b": "2"}, addresses=("10.0.0.1", "fd00::1"))
    service, deployment = (c.document for c in doors.reconcile(asked, Existing(), RUN, []) if isinstance(c, Create))
    assert annotations_of(service)["metallb.io/loadBalancerIPs"] == "10.0.0.1,fd00::1"
    for document in (service, deployment, spec_of(deployment)["template"]):
        assert labels_of(document)["a"] == "1"
        assert annotations_of(document)["b"] == "2"


def test_slices_come_and_go_with_their_sources() -> None:
    source: Doc = {
        "metadata": {"namespace": "far", "name": "db-1"},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.244.0.5"], "nodeName": "node-1", "hints": {"forZones": []}}],
    }
    slice_ = doors.forwards(door(DB), DB, Share("shop/db:80", 9), source, {"name": "pg", "port": 5433})
    assert endpoint_slice(slice_).share == Share(labels_of(slice_)["portway.dev/backend"], 9)
    assert slice_["endpoints"] == [{"addresses": ["10.244.0.5"], "nodeName": "node-1"}]
    assert slice_["ports"] == [{"name": "tcp-5432", "port": 5433, "protocol": "TCP"}]
    existing = made(door(DB), [slice_])
    assert doors.reconcile(door(DB), existing, RUN, [slice_]) == []
    lighter = doors.forwards(door(DB), DB, Share("shop/db:80", 1), source, {"name": "pg", "port": 5433})
    assert kinds(doors.reconcile(door(DB), existing, RUN, [lighter])) == [("Update", "endpointslices")]
    changed = slice_ | {"endpoints": []}
    assert kinds(doors.reconcile(door(DB), existing, RUN, [changed])) == [("Update", "endpointslices")]
    assert kinds(doors.reconcile(door(DB), existing, RUN, [])) == [("Delete", "endpointslices")]


def test_a_backend_without_slices_has_one_that_says_its_share() -> None:
    nowhere = doors.leads_nowhere(door(DB), DB, Share("", 8))
    assert (endpoint_slice(nowhere).endpoints, endpoint_slice(nowhere).ports) == (
        (),
        (EndpointPort("tcp-5432", "TCP", 5432),),
    )
    assert name_of(nowhere) != name_of(doors.leads_nowhere(door(DB), DB, Share("shop/db:80", 8)))
    theirs = with_metadata(nowhere, labels={**labels_of(nowhere), "endpointslice.kubernetes.io/managed-by": "me"})
    assert endpoint_slice(nowhere).share
    assert endpoint_slice(theirs).share is None


def test_what_is_not_ours_is_neither_changed_nor_deleted() -> None:
    theirs = Existing({"metadata": {"name": "door-portway"}}, {"metadata": {"name": "door-portway"}})
    assert doors.reconcile(door(), theirs, RUN, []) == []
    assert doors.remove(theirs) == []


def test_what_is_going_is_waited_for() -> None:
    existing = made(door())
    gone = [with_metadata(d or {}, deletionTimestamp="x") for d in (existing.deployment, existing.service)]
    going = Existing(gone[0], gone[1])
    assert doors.reconcile(door(HTTP, DoorPort(81)), going, RUN, []) == []
    assert doors.remove(going) == []


@pytest.mark.parametrize(
    "gateway",
    ["web", "a" * 63, "a" * 253, "with.dots", "9-starts", f"{'a' * 44}-{'b' * 40}", f"{'.'.join(['a'] * 100)}"],
)
def test_names_are_labels_and_differ(gateway: str) -> None:
    assert is_dns1035_label(doors.object_name(gateway)) == []
    assert doors.object_name(gateway) != doors.object_name(gateway[:-1] + "x")


def test_names_of_plain_gateways_are_plain() -> None:
    assert doors.object_name("web") == "web-portway"
    assert name_of(made(door()).service or {}) == "door-portway"
