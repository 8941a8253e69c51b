"""Endpoints and EndpointSlices: Kubernetes' validation tables replayed, defaulting, warnings."""

import pytest

from portway.kubeapi import endpoints, endpointslice, metadata
from portway.kubeapi.errors import Doc
from tests.unit.kubeapi.replay import assert_errors, gates_of, table


@pytest.mark.parametrize("case", table("endpoints_validate"))
def test_endpoints(case: Doc) -> None:
    document, old = case["object"], case.get("old")
    found = metadata.validate(document, True, old=old)
    assert_errors(found + endpoints.validate(document, old, gates_of(case)), case)


@pytest.mark.parametrize("case", table("endpointslice_validate"))
def test_endpoint_slices(case: Doc) -> None:
    document, old = case["object"], case.get("old")
    found = metadata.validate(document, True)  # upstream's function checks metadata as on create, always
    assert_errors(found + endpointslice.validate(document, old, gates_of(case)), case)


def test_defaults() -> None:
    document: Doc = {"subsets": [{"ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}]}]}
    endpoints.default(document)
    assert document == {"subsets": [{"ports": [{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}]}
    document = {"ports": [{"port": 80}, {"name": "dns", "protocol": "UDP"}]}
    endpointslice.default(document)
    assert document == {"ports": [{"port": 80, "name": "", "protocol": "TCP"}, {"name": "dns", "protocol": "UDP"}]}


def test_slices_lose_deprecated_topology_only_when_their_endpoints_change() -> None:
    old = {"endpoints": [{"addresses": ["10.0.0.1"], "deprecatedTopology": {"a": "b"}}]}
    same: Doc = {"endpoints": [{"addresses": ["10.0.0.1"], "deprecatedTopology": {"a": "b"}}]}
    endpointslice.prepare_update(same, old)
    assert same == old
    changed: Doc = {"endpoints": [{"addresses": ["10.0.0.2"], "deprecatedTopology": {"a": "b"}}]}
    endpointslice.prepare_update(changed, old)
    assert changed == {"endpoints": [{"addresses": ["10.0.0.2"]}]}


def test_warnings_about_spelling_spare_the_controllers() -> None:
    subset = {"addresses": [{"ip": "fd00::0A"}], "notReadyAddresses": [{"ip": "10.0.0.01"}]}
    assert endpoints.warnings({"subsets": [subset]}, None) == [
        'subsets[0].addresses[0].ip: IPv6 address "fd00::0A" should be in RFC 5952 canonical format ("fd00::a")',
        'subsets[0].notReadyAddresses[0].ip: non-standard IP address "10.0.0.01" is invalid: use "10.0.0.1"',
    ]
    labels = {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}
    assert endpoints.warnings({"metadata": {"labels": labels}, "subsets": [subset]}, None) == []
    fqdn: Doc = {"addressType": "FQDN", "endpoints": [{"addresses": ["db.example.com"]}]}
    assert endpointslice.warnings(fqdn, None) == ["spec.addressType: FQDN endpoints are deprecated"]
    assert endpointslice.warnings(fqdn, fqdn) == []
