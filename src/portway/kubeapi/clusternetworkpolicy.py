"""The life of a ClusterNetworkPolicy in the API: hooks of its Kind.

Source: the CustomResourceDefinition of policy.networking.k8s.io/v1alpha2 (sigs.k8s.io/network-policy-api, experimental
channel): its schema's limits and the meaning of its rules. Selectors are checked too, which the definition leaves to
whoever enforces it.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from portway.kubeapi import fault, ip
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.metadata import validate_label_selector

_TIERS = ("Admin", "Baseline")
_ACTIONS = ("Accept", "Deny", "Pass")
_PRIORITIES = (0, 1000)
_PORTS = (1, 65535)
_MOST_ITEMS = 25
_LONGEST_NAME = 100
_SELECTED = ("namespaces", "pods")
_OUTWARD = (*_SELECTED, "networks", "nodes", "domainNames")
_TRANSPORTS = ("tcp", "udp", "sctp")
_WITHOUT_PORT_NAMES = ("networks", "nodes", "domainNames")

_LABEL = "[A-Za-z0-9](?:[-A-Za-z0-9_]*[A-Za-z0-9])?"
_is_domain_name = re.compile(rf"(?:\*\.)?(?:{_LABEL}\.)+{_LABEL}\.?").fullmatch

Found = Iterator[FieldError]


def prepare_create(policy: Doc) -> None:
    """Kind hook: a new policy has no status."""
    policy.pop("status", None)


def prepare_update(policy: Doc, old: Doc) -> None:
    """Kind hook: keeps the old status."""
    policy.pop("status", None)
    if "status" in old:
        policy["status"] = old["status"]


def validate(policy: Doc, old: Doc | None) -> list[FieldError]:
    """Kind hook."""
    return list(_spec(policy.get("spec")))


def _spec(spec: Doc | None) -> Found:
    if spec is None:
        yield fault.required("spec")
        return
    yield from _one_of("spec.tier", spec.get("tier"), _TIERS)
    yield from _number("spec.priority", spec.get("priority"), _PRIORITIES)
    if spec.get("subject") is None:
        yield fault.required("spec.subject")
    else:
        yield from _peer("spec.subject", spec["subject"], _SELECTED)
    yield from _items("spec.ingress", spec.get("ingress"), _ingress_rule)
    yield from _items("spec.egress", spec.get("egress"), _egress_rule)


def _one_of(field: str, value: str | None, known: Sequence[str]) -> Found:
    if value is None:
        yield fault.required(field)
    elif value not in known:
        yield fault.not_supported(field, value, known)


def _number(field: str, value: int | None, limits: tuple[int, int]) -> Found:
    lowest, highest = limits
    if value is None:
        yield fault.required(field)
    elif not lowest <= value <= highest:
        yield fault.invalid(field, value, f"must be between {lowest} and {highest}, inclusive")


def _items(field: str, items: Sequence[Any] | None, check: Callable[[str, Any], Found], *, least: int = 0) -> Found:
    """A list within its limits, whose items each pass `check`."""
    if items is None:
        if least:
            yield fault.required(field)
        return
    if len(items) > _MOST_ITEMS:
        yield fault.too_many(field, len(items), _MOST_ITEMS)
    if len(items) < least:
        yield fault.invalid(field, len(items), f"must have at least {least} item")
    for index, item in enumerate(items):
        yield from check(f"{field}[{index}]", item)


def _form(field: str, value: Doc, forms: Collection[str]) -> tuple[str, list[FieldError]]:
    """Which of the forms it has; exactly one is to be given."""
    given = [name for name in forms if value.get(name) is not None]
    if len(given) == 1:
        return given[0], []
    return "", [fault.invalid(field, value, f"must have exactly one of {', '.join(forms)}")]


def _ingress_rule(field: str, rule: Doc) -> Found:
    yield from _rule(field, rule, "from", _SELECTED)


def _egress_rule(field: str, rule: Doc) -> Found:
    yield from _rule(field, rule, "to", _OUTWARD)
    yield from _accepts_names(field, rule)
    yield from _names_are_of_pods(field, rule)


def _rule(field: str, rule: Doc, peers: str, forms: Collection[str]) -> Found:
    yield from _one_of(f"{field}.action", rule.get("action"), _ACTIONS)
    if len(rule.get("name") or "") > _LONGEST_NAME:
        yield fault.too_long(f"{field}.name", _LONGEST_NAME)
    yield from _items(f"{field}.{peers}", rule.get(peers), lambda at, peer: _peer(at, peer, forms), least=1)
    if rule.get("protocols") is not None:
        yield from _items(f"{field}.protocols", rule["protocols"], _protocol, least=1)


def _accepts_names(field: str, rule: Doc) -> Found:
    if rule.get("action") not in (None, "Accept"):
        for index, peer in enumerate(rule.get("to") or ()):
            if peer.get("domainNames") is not None:
                yield fault.forbidden(f"{field}.to[{index}].domainNames", "only rules that Accept may have them")


def _names_are_of_pods(field: str, rule: Doc) -> Found:
    """Only pods name their ports."""
    named = any(protocol.get("destinationNamedPort") is not None for protocol in rule.get("protocols") or ())
    others = [name for name in _WITHOUT_PORT_NAMES for peer in rule.get("to") or () if peer.get(name) is not None]
    if named and others:
        detail = f"destinationNamedPort cannot be used with {others[0]}, which have no named ports"
        yield fault.invalid(field, rule, detail)


def _peer(field: str, peer: Doc, forms: Collection[str]) -> Found:
    """Also a subject."""
    form, errors = _form(field, peer, forms)
    yield from errors
    if form:
        yield from _PEERS[form](f"{field}.{form}", peer[form])


def _selector(field: str, selector: Doc) -> Found:
    yield from validate_label_selector(field, selector)


def _pods(field: str, pods: Doc) -> Found:
    yield from _selector(f"{field}.namespaceSelector", pods.get("namespaceSelector") or {})
    if pods.get("podSelector") is None:
        yield fault.required(f"{field}.podSelector")
    else:
        yield from _selector(f"{field}.podSelector", pods["podSelector"])


def _networks(field: str, networks: list[str]) -> Found:
    yield from _items(field, networks, _cidr, least=1)
    yield from _unique(field, networks)


def _cidr(field: str, text: str) -> Found:
    """Host bits may be set; leading zeros and IPv4-mapped addresses may not be."""
    parsed = ip.parse_cidr(text)
    if parsed is None:
        yield fault.invalid(field, text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
    elif ip.parse_exactly(text.partition("/")[0]) is None or (parsed.bits == 128) != (":" in parsed.address):
        yield fault.invalid(field, text, "must have no leading zeros and not be an IPv4-mapped IPv6 address")


def _domain_names(field: str, names: list[str]) -> Found:
    yield from _items(field, names, _domain_name, least=1)
    yield from _unique(field, names)


def _domain_name(field: str, text: str) -> Found:
    if not _is_domain_name(text):
        yield fault.invalid(field, text, "must be a domain name such as example.org, or *.example.org for all below it")


def _unique(field: str, items: list[str]) -> Found:
    for index, item in enumerate(items):
        if item in items[:index]:
            yield fault.duplicate(f"{field}[{index}]", item)


_PEERS: dict[str, Callable[[str, Any], Found]] = {
    "namespaces": _selector,
    "pods": _pods,
    "networks": _networks,
    "nodes": _selector,
    "domainNames": _domain_names,
}


def _protocol(field: str, protocol: Doc) -> Found:
    form, errors = _form(field, protocol, (*_TRANSPORTS, "destinationNamedPort"))
    yield from errors
    if form in _TRANSPORTS:
        if protocol[form].get("destinationPort") is None:
            yield fault.required(f"{field}.{form}.destinationPort")
        else:
            yield from _destination_port(f"{field}.{form}.destinationPort", protocol[form]["destinationPort"])


def _destination_port(field: str, port: Doc) -> Found:
    form, errors = _form(field, port, ("number", "range"))
    yield from errors
    if form == "number":
        yield from _number(f"{field}.number", port["number"], _PORTS)
    elif form == "range":
        yield from _range(f"{field}.range", port["range"])


def _range(field: str, ports: Doc) -> Found:
    start, end = ports.get("start"), ports.get("end")
    yield from _number(f"{field}.start", start, _PORTS)
    yield from _number(f"{field}.end", end, _PORTS)
    if start is not None and end is not None and start >= end:
        yield fault.invalid(field, ports, "start must be less than end")
