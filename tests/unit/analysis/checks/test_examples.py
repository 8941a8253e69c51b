"""Every check's own examples, and what all checks have in common."""

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portway.analysis.bundle import Bundle, Item
from portway.analysis.check import Check, Settings
from portway.analysis.checks import built_in
from portway.analysis.imagined import imagine
from portway.analysis.lint import lint
from portway.testing.checks import bundle_of, hold_to_examples

CHECKS = built_in()
_ids = [check.code for check in CHECKS]


@pytest.mark.parametrize("check", CHECKS, ids=_ids)
def test_a_check_keeps_what_its_page_says(check: Check) -> None:
    hold_to_examples(check)


@pytest.mark.parametrize("check", CHECKS, ids=_ids)
def test_a_check_is_told_whole(check: Check) -> None:
    assert re.fullmatch(r"PW-[A-Z]\d{2}", check.code)
    assert check.cause and check.mend and check.title[0].islower() and not check.title.endswith(".")


@pytest.mark.parametrize("check", CHECKS, ids=_ids)
def test_a_check_changes_no_document(check: Check) -> None:
    bundle = bundle_of(check.fails)
    before = json.dumps([item.value for item in bundle.items])
    lint(bundle, [check], Settings())
    imagine(bundle)
    assert json.dumps([item.value for item in bundle.items]) == before


def test_codes_are_unique() -> None:
    assert len(set(_ids)) == len(_ids)


_KINDS = [
    *("Service", "Deployment", "Pod", "Ingress", "NetworkPolicy", "EndpointSlice", "HTTPRoute", "CronJob"),
    *("StatefulSet", "HorizontalPodAutoscaler", "PodDisruptionBudget", "ServiceMonitor", "ReferenceGrant", "ConfigMap"),
    *("ValidatingWebhookConfiguration", "APIService", "Gateway", "IngressClass", "Endpoints"),
    *("IPAddressPool", "L2Advertisement", "BGPAdvertisement", "DaemonSet", "KubeProxyConfiguration"),
]
_FIELDS = [
    "spec",
    "ports",
    "port",
    "targetPort",
    "selector",
    "template",
    "metadata",
    "labels",
    "rules",
    "http",
    "paths",
]
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 70000) | st.sampled_from(["http", "", "80", "TCP", "None"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_FIELDS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(_KINDS), st.dictionaries(st.sampled_from(_FIELDS), _VALUES)), max_size=4))
def test_no_check_stumbles_over_fields_of_another_shape(objects: list[tuple[str, dict[str, object]]]) -> None:
    items = [Item({"apiVersion": "v1", **fields, "kind": kind, "metadata": {"name": "a"}}) for kind, fields in objects]
    assert lint(Bundle(items), CHECKS, Settings()).problems == ()
