"""The life of a NetworkPolicy in the API: hooks of its Kind.

Source: pkg/apis/networking/v1/defaults.go, pkg/apis/networking/validation/validation.go (ValidateNetworkPolicy),
pkg/registry/networking/networkpolicy/strategy.go.
"""

from collections.abc import Collection, Iterator

from msgspec import Struct

from portway.kubeapi import fault, ip
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.gates import GATES, Gates
from portway.kubeapi.metadata import validate_label_selector
from portway.kubeapi.names import is_valid_port_name, is_valid_port_num

_TYPES = ("Ingress", "Egress")
_PROTOCOLS = ("TCP", "UDP", "SCTP")
_SIDES = (("ingress", "from"), ("egress", "to"))


class _Tolerance(Struct, frozen=True):
    """What an update need not repair because the old policy has it already."""

    gates: Gates
    cidrs: Collection[str] = ()
    any_label_value: bool = False


def _spec(policy: Doc) -> Doc:
    return policy.get("spec") or {}


def _rules(spec: Doc) -> Iterator[tuple[str, Doc, str]]:
    """(field, rule, "from" or "to")."""
    for side, peers in _SIDES:
        for i, rule in enumerate(spec.get(side) or ()):
            yield f"spec.{side}[{i}]", rule, peers


def _ip_blocks(spec: Doc) -> Iterator[tuple[str, Doc]]:
    for field, rule, peers in _rules(spec):
        for i, peer in enumerate(rule.get(peers) or ()):
            if peer.get("ipBlock") is not None:
                yield f"{field}.{peers}[{i}].ipBlock", peer["ipBlock"]


def default(policy: Doc) -> None:
    """Kind hook: no podSelector is the empty one, ports are TCP, policyTypes follow from what rules there are."""
    spec = policy.setdefault("spec", {})
    if spec.get("podSelector") is None:
        spec["podSelector"] = {}
    for _, rule, _ in _rules(spec):
        for port in rule.get("ports") or ():
            if port.get("protocol") is None:
                port["protocol"] = "TCP"
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _end_port(field: str, port: int | str | None, end: int) -> list[FieldError]:
    """`endPort` closes a range that a numeric port begins."""
    if isinstance(port, str):
        return [fault.invalid(field, end, "may not be specified when `port` is non-numeric")]
    if port is None:
        return [fault.invalid(field, end, "may not be specified when `port` is not specified")]
    found = [fault.invalid(field, port, "must be greater than or equal to `port`")] if end < port else []
    return found + fault.invalid_each(field, end, is_valid_port_num(end))


def _port(field: str, port: Doc) -> list[FieldError]:
    protocol, number, end = port.get("protocol"), port.get("port"), port.get("endPort")
    found, ends = [], _end_port(f"{field}.endPort", number, end) if end is not None else []
    if protocol is not None and protocol not in _PROTOCOLS:
        found.append(fault.not_supported(f"{field}.protocol", protocol, _PROTOCOLS))
    if number is None:
        return found + ends
    if isinstance(number, str):
        return found + ends + fault.invalid_each(f"{field}.port", number, is_valid_port_name(number))
    return found + fault.invalid_each(f"{field}.port", number, is_valid_port_num(number)) + ends


def _cidr(field: str, cidr: str, tolerance: _Tolerance) -> list[FieldError]:
    return ip.validate_legacy_cidr(field, cidr, tolerance.cidrs, strict=tolerance.gates.strict_ips)


def _ip_block(field: str, block: Doc, tolerance: _Tolerance) -> list[FieldError]:
    text = block.get("cidr") or ""
    if not text:
        return [fault.required(f"{field}.cidr")]
    found = _cidr(f"{field}.cidr", text, tolerance)
    whole = ip.parse_cidr(text)
    if whole is None:
        return found
    for i, excepted in enumerate(block.get("except") or ()):
        at = f"{field}.except[{i}]"
        found += _cidr(at, excepted, tolerance)
        part = ip.parse_cidr(excepted)
        if part is not None and not whole.strictly_contains(part):
            found.append(fault.invalid(at, excepted, "must be a strict subset of `cidr`"))
    return found


def _peer(field: str, peer: Doc, tolerance: _Tolerance) -> list[FieldError]:
    found: list[FieldError] = []
    for name in ("podSelector", "namespaceSelector"):
        found += validate_label_selector(f"{field}.{name}", peer.get(name), any_value=tolerance.any_label_value)
    given = [name for name in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(name) is not None]
    if "ipBlock" in given:
        found += _ip_block(f"{field}.ipBlock", peer["ipBlock"], tolerance)
    if not given:
        found.append(fault.required(field, "must specify a peer"))
    elif len(given) > 1 and "ipBlock" in given:
        found.append(fault.forbidden(field, "may not specify both ipBlock and another peer"))
    return found


def _rule(field: str, rule: Doc, peers: str, tolerance: _Tolerance) -> list[FieldError]:
    found: list[FieldError] = []
    for i, port in enumerate(rule.get("ports") or ()):
        found += _port(f"{field}.ports[{i}]", port)
    for i, peer in enumerate(rule.get(peers) or ()):
        found += _peer(f"{field}.{peers}[{i}]", peer, tolerance)
    return found


def _policy_types(types: list[str]) -> list[FieldError]:
    field = "spec.policyTypes"
    if len(types) > len(_TYPES):
        return [fault.invalid(field, types, "may not specify more than two policyTypes")]
    unknown = [(i, name) for i, name in enumerate(types) if name not in _TYPES]
    return [fault.not_supported(f"{field}[{i}]", name, _TYPES) for i, name in unknown]


def _tolerance(old: Doc | None, gates: Gates) -> _Tolerance:
    if old is None:
        return _Tolerance(gates)
    blocks = [block for _, block in _ip_blocks(_spec(old))]
    cidrs = [cidr for block in blocks for cidr in (block.get("cidr", ""), *(block.get("except") or ()))]
    faulty = validate_label_selector("spec.podSelector", _spec(old).get("podSelector"))
    return _Tolerance(gates, cidrs, any_label_value=bool(faulty))


def validate(policy: Doc, old: Doc | None, gates: Gates = GATES) -> list[FieldError]:
    """Kind hook. CIDRs that stand anywhere in the old policy stay valid."""
    spec, tolerance = _spec(policy), _tolerance(old, gates)
    selector = spec.get("podSelector") or {}
    found = validate_label_selector("spec.podSelector", selector, any_value=tolerance.any_label_value)
    for field, rule, peers in _rules(spec):
        found += _rule(field, rule, peers, tolerance)
    return found + _policy_types(spec.get("policyTypes") or [])


def warnings(policy: Doc, old: Doc | None) -> list[str]:
    """Kind hook: about the spelling of CIDRs."""
    found = []
    for field, block in _ip_blocks(_spec(policy)):
        found += ip.cidr_warnings(f"{field}.cidr", block.get("cidr") or "")
        for i, excepted in enumerate(block.get("except") or ()):
            found += ip.cidr_warnings(f"{field}.except[{i}]", excepted)
    return found
