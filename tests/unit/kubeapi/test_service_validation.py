"""Kubernetes' validation tables for Services, replayed: reasons, paths, values, details and their order."""

import pytest

from portway.kubeapi import metadata, names, service
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.service.validation import validate, validate_external_traffic, validate_load_balancer_status
from tests.unit.kubeapi.replay import assert_errors, gates_of, table


def whole(case: Doc, document: Doc, old: Doc | None = None) -> list[FieldError]:
    """Metadata and the rest, as the API server puts them together."""
    gates = gates_of(case)
    rule = service.name_rule if gates.relaxed_service_names else names.is_dns1035_label
    return metadata.validate(document, True, rule, old) + validate(document, old, gates)


@pytest.mark.parametrize("case", table("service_validate_create"))
def test_create(case: Doc) -> None:
    assert_errors(whole(case, case["service"]), case)


@pytest.mark.parametrize("case", table("service_validate_update"))
def test_update(case: Doc) -> None:
    assert_errors(whole(case, case["new"], case["old"]), case)


@pytest.mark.parametrize("case", table("service_validate_etp"))
def test_external_traffic(case: Doc) -> None:
    assert_errors(validate_external_traffic(case["service"]["spec"]), case)
    assert_errors(whole(case, case["service"]), case, "fullCreateErrors")


@pytest.mark.parametrize("case", table("service_validate_lbstatus"))
def test_load_balancer_status(case: Doc) -> None:
    got = validate_load_balancer_status(
        case["new"], case["old"] or {}, case["spec"], field=case["fldPath"], gates=gates_of(case)
    )
    assert_errors(got, case)
