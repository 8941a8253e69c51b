"""Validation of a pod's dnsPolicy and dnsConfig.

Source: k8s.io/kubernetes pkg/apis/core/validation (validateDNSPolicy, validatePodDNSConfig).
"""

from portway.kubeapi import fault, ip, names
from portway.kubeapi.errors import Doc, FieldError

_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_MOST_SERVERS, _MOST_SEARCHES, _MOST_SEARCH_CHARACTERS = 3, 32, 2048


def validate_dns(spec: Doc, path: str) -> list[FieldError]:
    """The policy, and the configuration that policy None demands."""
    policy, config, here = spec.get("dnsPolicy"), spec.get("dnsConfig"), f"{path}.dnsConfig"
    if not policy:
        return [fault.required(f"{path}.dnsPolicy")]
    if policy not in _POLICIES:
        return [fault.not_supported(f"{path}.dnsPolicy", policy, _POLICIES)]
    if config is None:
        complaint = "must provide `dnsConfig` when `dnsPolicy` is None"
        return [fault.required(here, complaint)] if policy == "None" else []
    if policy == "None" and not config.get("nameservers"):
        complaint = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        return [fault.required(f"{here}.nameservers", complaint)]
    return _config(config, here)


def _config(config: Doc, path: str) -> list[FieldError]:
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    found: list[FieldError] = []
    if len(servers) > _MOST_SERVERS:
        complaint = f"must not have more than {_MOST_SERVERS} nameservers"
        found.append(fault.invalid(f"{path}.nameservers", servers, complaint))
    for index, server in enumerate(servers):
        found += ip.validate_legacy(f"{path}.nameservers[{index}]", server)
    found += _searches(searches, f"{path}.searches")
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            found.append(fault.required(f"{path}.options[{index}]", "must not be empty"))
    return found


def _searches(searches: list[str], path: str) -> list[FieldError]:
    found = []
    if len(searches) > _MOST_SEARCHES:
        found.append(fault.invalid(path, searches, f"must not have more than {_MOST_SEARCHES} search paths"))
    if len(" ".join(searches)) > _MOST_SEARCH_CHARACTERS:
        limit = f"{_MOST_SEARCH_CHARACTERS} characters (including spaces)"
        found.append(fault.invalid(path, searches, f"must not have more than {limit} in the search list"))
    for index, search in enumerate(searches):
        domain = search.removesuffix(".")
        messages = [] if search == "." else names.is_dns1123_subdomain_with_underscore(domain)
        found += fault.invalid_each(f"{path}[{index}]", domain, messages)
    return found
