"""What the replays of Kubernetes' tables share."""

import copy
from collections.abc import Sequence
from typing import Any

import pytest

from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.gates import Gates
from tests.shared import cases


def table(name: str) -> list[Any]:
    """The table's cases as pytest parameters, named by their line and name."""
    return [pytest.param(case, id=f"{i}: {case.get('name', '')}") for i, case in enumerate(cases(name), 1)]


def gates_of(case: Doc) -> Gates:
    """The feature gates during the case."""
    given = case.get("gates") or {}
    return Gates(
        relaxed_service_names=given.get("RelaxedServiceNameValidation", True),
        strict_ips=given.get("StrictIPCIDRValidation", True),
        prefer_same=given.get("PreferSameTrafficDistribution", True),
    )


def assert_errors(got: Sequence[FieldError], case: Doc, column: str = "errors") -> None:
    """Reason, field, value and detail of every error, in upstream's order."""
    assert [(error.reason, str(error)) for error in got] == [(e["type"], e["message"]) for e in case[column]]


def bare(document: Doc) -> Doc:
    """Without what differs from run to run, and without empty fields."""
    document = copy.deepcopy(document)
    for field in ("uid", "resourceVersion", "creationTimestamp"):
        document.get("metadata", {}).pop(field, None)
    return document
