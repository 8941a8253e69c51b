"""Kubernetes' own name tables, replayed."""

from typing import Any

import pytest

from portway.kubeapi import names
from portway.kubeapi.names import NameRule
from tests.shared import cases

RULES: dict[str, Any] = {
    "IsDNS1123Label": names.is_dns1123_label,
    "IsDNS1123Subdomain": names.is_dns1123_subdomain,
    "IsDNS1123SubdomainWithUnderscore": names.is_dns1123_subdomain_with_underscore,
    "IsDNS1035Label": names.is_dns1035_label,
    "IsWildcardDNS1123Subdomain": names.is_wildcard_dns1123_subdomain,
    "IsValidPortNum": names.is_valid_port_num,
    "IsValidPortName": names.is_valid_port_name,
    "IsValidGroupID": names.is_valid_group_id,
    "IsValidUserID": names.is_valid_user_id,
    "IsQualifiedName": names.is_qualified_name,
    "IsValidLabelValue": names.is_valid_label_value,
    "IsHTTPHeaderName": names.is_http_header_name,
    "IsValidPercent": names.is_valid_percent,
    "IsConfigMapKey": names.is_config_map_key,
    "IsFullyQualifiedName": names.is_fully_qualified_name,
    "IsFullyQualifiedDomainName": names.is_fully_qualified_domain_name,
    "IsDomainPrefixedPath": names.is_domain_prefixed_path,
    "IsRelaxedEnvVarName": names.is_relaxed_env_var_name,
}
TABLE = cases("name_validate")


def test_every_rule_of_the_table_is_known() -> None:
    assert {case["func"] for case in TABLE} <= RULES.keys()


@pytest.mark.parametrize("func", sorted({case["func"] for case in TABLE}))
def test_replay(func: str) -> None:
    wrong = {
        case["in"]: (got, case["messages"])
        for case in TABLE
        if case["func"] == func and (got := RULES[func](case["in"])) != case["messages"]
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("prefix", "accepted"), [("web-", True), ("web--", True), ("-", False), ("Web-", False), ("web", True)]
)
def test_generate_name_masks_its_trailing_hyphen(prefix: str, accepted: bool) -> None:
    rule: NameRule = names.masked(names.is_dns1123_label)
    assert (rule(prefix) == []) is accepted


def test_lengths_count_bytes_and_patterns_match_wholly() -> None:
    assert names.is_valid_label_value("a" * 63) == []
    assert "must be no more than 63 bytes" in names.is_valid_label_value("é" * 32)
    assert names.is_dns1123_label("web\n") != []
