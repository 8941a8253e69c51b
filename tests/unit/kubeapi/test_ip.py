"""Kubernetes' own IP and CIDR tables, replayed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.kubeapi import ip
from portway.kubeapi.errors import FieldError
from tests.shared import cases

TABLE = cases("ip_validate")


def of(*tests: str) -> list[Any]:
    return [pytest.param(case, id=f"{case['test']}: {case['name']}") for case in TABLE if case["test"] in tests]


def texts(errors: list[FieldError]) -> list[str]:
    return [str(error) for error in errors]


def expected(errors: list[dict[str, Any]]) -> list[str]:
    return [error["message"] for error in errors]


def path(case: dict[str, Any], column: str) -> str:
    """The table's field paths: `[]` where upstream's test gave none."""
    return next((error["field"] for error in case[column]), "")


@pytest.mark.parametrize("case", of("TestIsValidIP", "TestIsValidCIDR"))
def test_accepted_values(case: dict[str, Any]) -> None:
    is_cidr = case["test"] == "TestIsValidCIDR"
    strict = ip.validate_strict_cidr if is_cidr else ip.validate_strict
    legacy = ip.validate_legacy_cidr if is_cidr else ip.validate_legacy
    value = case["in"]
    column = "IsValidCIDR" if is_cidr else "IsValidIP"
    assert texts(strict(path(case, column), value)) == expected(case[column])
    assert texts(legacy(path(case, "legacy"), value, strict=False)) == expected(case["legacy"])
    assert texts(legacy(path(case, "legacyStrict"), value)) == expected(case["legacyStrict"])
    assert texts(legacy("", value, case["oldBad"])) == expected(case["legacyStrictWithOldBad"])


@pytest.mark.parametrize("case", of("TestGetWarningsForIP", "TestGetWarningsForCIDR"))
def test_warnings(case: dict[str, Any]) -> None:
    warn = ip.cidr_warnings if "CIDR" in case["test"] else ip.warnings
    assert warn(case["fldPath"], case["in"]) == case["warnings"]


@pytest.mark.parametrize("case", of("TestValidateEndpointIP"))
def test_endpoint_addresses(case: dict[str, Any]) -> None:
    assert texts(ip.validate_endpoint(path(case, "errors"), case["in"])) == expected(case["errors"])


@given(st.ip_addresses())
def test_canonical_text_is_accepted_everywhere(address: Any) -> None:
    text = str(ip.parse(str(address)))
    assert ip.validate_strict("f", text) == []
    assert ip.warnings("f", text) == []
    assert ip.canonical(text) == text


@given(st.text(alphabet="0123456789abcdef:./%", max_size=20))
def test_no_text_breaks_the_parsers(text: str) -> None:
    assert (ip.parse(text) is None) == bool(ip.validate_legacy("f", text, strict=False))
    assert (ip.parse_cidr(text) is None) == bool(ip.validate_legacy_cidr("f", text, strict=False))
