"""Policies, pods and namespaces become model values: what decisions about policies read of them, and nothing else.

Kubernetes' defaults are applied here, for what is read may not have been through its API server. A policy is never
refused: what cannot be read of it stands in its `fault`, and then it closes the pods that it selects and no others.

Sources: pkg/apis/networking/types.go, v1/defaults.go and validation; apis/v1alpha2/clusternetworkpolicy_types.go of
sigs.k8s.io/network-policy-api, which says what "fail closed" means there.
"""

import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from portway import model
from portway.kubeapi import policy_shapes as shapes
from portway.kubeapi import selectors
from portway.kubeapi.decode import Undecodable, shaped
from portway.kubeapi.errors import ApiError
from portway.model import ClusterPeer, ClusterPort, ClusterRule, Direction, LabelSelector, PolicyPeer, PolicyPort
from portway.model.address import canonical_address, canonical_cidr
from portway.model.policy import Action, Tier
from portway.model.service import Protocol

NAME_LABEL = "kubernetes.io/metadata.name"

_BOTH: tuple[Direction, ...] = ("Ingress", "Egress")
_DIRECTIONS: dict[str, Direction] = {"Ingress": "Ingress", "Egress": "Egress"}
_PROTOCOLS: dict[str, Protocol] = {"TCP": "TCP", "UDP": "UDP", "SCTP": "SCTP"}
_ACTIONS: dict[str, Action] = {"Accept": "Accept", "Deny": "Deny", "Pass": "Pass"}
_TIERS: dict[str, Tier] = {"Admin": "Admin", "Baseline": "Baseline"}
_HIGHEST_PRIORITY = 1000

_UNREADABLE = ClusterPeer(unknown=True)
_Rules = tuple[model.PolicyRule, ...]
_ClusterRules = tuple[ClusterRule, ...]
_T = TypeVar("_T")


def pod(document: Any) -> model.Pod:
    """A `v1.Pod`. Ports without a name are left out, for no policy can call them. Raises Undecodable."""
    raw = _shaped(document, shapes.Pod, "")
    meta, spec = raw.metadata or shapes.Meta(), raw.spec or shapes.PodSpec()
    status = raw.status or shapes.PodStatus()
    return model.Pod(
        namespace=sys.intern(meta.namespace or ""),
        name=meta.name or "",
        addresses=_addresses(status),
        node_name=sys.intern(spec.node_name or ""),
        labels=_labels(meta),
        ports=_container_ports(spec),
        host_network=spec.host_network is True,
        finished=status.phase in ("Succeeded", "Failed"),
    )


def namespace(document: Any) -> model.Namespace:
    """A `v1.Namespace`; it has the label of its name even if its document lacks that. Raises Undecodable."""
    meta = _shaped(document, shapes.Namespace, "").metadata or shapes.Meta()
    name = meta.name or ""
    return model.Namespace(name, {**_labels(meta), NAME_LABEL: name})


def network_policy(document: Any) -> model.NetworkPolicy:
    """A `networking.k8s.io/v1.NetworkPolicy`. Never raises: see `NetworkPolicy.fault`.

    When its policyTypes cannot be read, it closes both directions.
    """
    faults: list[str] = []
    meta, spec = _policy_parts(document, faults)
    selector = _noting(faults, lambda: _selector_at(spec, "podSelector"), LabelSelector())
    directions = _noting(faults, lambda: _directions(spec), _BOTH)
    ingress: _Rules = _noting(faults, lambda: _rules(spec, "ingress", "from"), ())
    egress: _Rules = _noting(faults, lambda: _rules(spec, "egress", "to"), ())
    return model.NetworkPolicy(
        namespace=sys.intern(meta.namespace or ""),
        name=meta.name or "",
        pods=selector,
        directions=directions,
        ingress=() if faults else ingress,
        egress=() if faults else egress,
        fault="; ".join(faults),
    )


def cluster_network_policy(document: Any) -> model.ClusterNetworkPolicy:
    """A `policy.networking.k8s.io/v1alpha2.ClusterNetworkPolicy`. Never raises: see `ClusterNetworkPolicy.fault`.

    A rule that cannot be read is one with an unknown peer. A subject that cannot be read selects nobody.
    """
    faults: list[str] = []
    meta, spec = _policy_parts(document, faults)
    tier: Tier = _noting(faults, lambda: _member(spec, "tier"), "Admin")
    priority = _noting(faults, lambda: _priority(spec), 0)
    subject = _noting(faults, lambda: _subject(spec), _UNREADABLE)
    ingress: _ClusterRules = _noting(faults, lambda: _cluster_rules(spec, "Ingress"), ())
    egress: _ClusterRules = _noting(faults, lambda: _cluster_rules(spec, "Egress"), ())
    if faults:
        ingress = egress = ()
    return model.ClusterNetworkPolicy(meta.name or "", tier, priority, subject, ingress, egress, "; ".join(faults))


def _noting(faults: list[str], read: Callable[[], _T], otherwise: _T) -> _T:
    try:
        return read()
    except Undecodable as error:
        faults.append(str(error))
        return otherwise


def _policy_parts(document: Any, faults: list[str]) -> tuple[shapes.Meta, dict[str, Any]]:
    """metadata and spec, each empty when it is not there or not an object."""
    whole: dict[str, Any] = _noting(faults, lambda: _object(document, "document"), {})
    meta = _noting(faults, lambda: _shaped(whole.get("metadata"), shapes.Meta, "metadata"), shapes.Meta())
    return meta, _noting(faults, lambda: _object(whole.get("spec"), "spec"), {})


def _shaped(value: Any, shape: type[_T], field: str) -> _T:
    """The value (null: nothing given) in its shape. Raises Undecodable, which names the field."""
    return shaped({} if value is None else value, shape, field)


def _object(value: Any, field: str) -> dict[str, Any]:
    return _shaped(value, dict[str, Any], field)


def _list(spec: dict[str, Any], name: str) -> list[Any]:
    value = spec.get(name)
    return [] if value is None else _shaped(value, list[Any], f"spec.{name}")


def _labels(meta: shapes.Meta) -> dict[str, str]:
    return {sys.intern(key): sys.intern(value or "") for key, value in (meta.labels or {}).items()}


def _addresses(status: shapes.PodStatus) -> tuple[str, ...]:
    """podIPs, else the older podIP."""
    texts = [entry.ip or "" for entry in status.pod_ips or () if entry] or [status.pod_ip or ""]
    return tuple(dict.fromkeys(address for text in texts if (address := canonical_address(text))))


def _container_ports(spec: shapes.PodSpec) -> tuple[model.ContainerPort, ...]:
    """Of containers and sidecars."""
    sidecars = [each for each in spec.init_containers or () if each and each.restart_policy == "Always"]
    containers = [*(each for each in spec.containers or () if each), *sidecars]
    ports = [port for container in containers for port in container.ports or () if port and port.name]
    return tuple(dict.fromkeys(_container_ports_of(ports)))


def _container_ports_of(ports: Iterable[shapes.ContainerPort]) -> Iterable[model.ContainerPort]:
    for port in ports:
        protocol, number = _PROTOCOLS.get(port.protocol or "TCP"), port.container_port or 0
        if protocol and _is_port(number):
            yield model.ContainerPort(sys.intern(port.name or ""), protocol, number)


def _is_port(number: int) -> bool:
    return 0 < number < 65536


def _selector_at(spec: dict[str, Any], name: str) -> LabelSelector:
    """Absent selects everything."""
    return _selector(_shaped(spec.get(name), shapes.Selector, f"spec.{name}"), f"spec.{name}")


def _selector(raw: shapes.Selector | None, field: str) -> LabelSelector:
    raw = raw or shapes.Selector()
    expressions = [_expression(each or shapes.Expression(), field, i) for i, each in _numbered(raw.match_expressions)]
    labels = {key: value or "" for key, value in (raw.match_labels or {}).items()}
    try:
        return selectors.from_document({"matchLabels": labels, "matchExpressions": expressions})
    except ApiError as error:
        raise Undecodable(f"{field}.matchExpressions: {error.message}") from None


def _numbered(items: list[_T] | None) -> Iterable[tuple[int, _T]]:
    return enumerate(items or ())


def _expression(raw: shapes.Expression, field: str, index: int) -> dict[str, Any]:
    """As `selectors.from_document` reads it. Raises Undecodable for values that the operator does not go with."""
    at, values = f"{field}.matchExpressions[{index}]", [value or "" for value in raw.values or ()]
    if raw.operator in ("In", "NotIn") and not values:
        raise Undecodable(f"{at}.values: {raw.operator} needs at least one")
    if raw.operator in ("Exists", "DoesNotExist") and values:
        raise Undecodable(f"{at}.values: {raw.operator} goes with none")
    return {"key": raw.key or "", "operator": raw.operator or "", "values": values}


def _directions(spec: dict[str, Any]) -> tuple[Direction, ...]:
    """policyTypes; empty is Ingress, and Egress too where there are egress rules."""
    types = _list(spec, "policyTypes")
    if not types:
        return _BOTH if spec.get("egress") else ("Ingress",)
    for index, name in enumerate(types):
        if not isinstance(name, str) or name not in _DIRECTIONS:
            raise Undecodable(f"spec.policyTypes[{index}]: {_quoted(name)} is neither Ingress nor Egress")
    return tuple(direction for direction in _BOTH if direction in types)


def _quoted(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _rules(spec: dict[str, Any], side: str, peers: str) -> _Rules:
    rules = enumerate(_list(spec, side))
    return tuple(_rule(_object(rule, f"spec.{side}[{i}]"), f"spec.{side}[{i}]", peers) for i, rule in rules)


def _rule(rule: dict[str, Any], field: str, peers: str) -> model.PolicyRule:
    return model.PolicyRule(
        tuple(_peer(raw, at) for raw, at in _each(rule, peers, shapes.Peer, field)),
        tuple(_port(raw, at) for raw, at in _each(rule, "ports", shapes.Port, field)),
    )


def _each(rule: dict[str, Any], name: str, shape: type[_T], field: str) -> Iterable[tuple[_T, str]]:
    """The items of a list in a rule, each with its path."""
    value = rule.get(name)
    items = [] if value is None else _shaped(value, list[Any], f"{field}.{name}")
    for index, item in enumerate(items):
        at = f"{field}.{name}[{index}]"
        yield _shaped(item, shape, at), at


def _peer(raw: shapes.Peer, field: str) -> PolicyPeer:
    selecting = raw.pod_selector is not None or raw.namespace_selector is not None
    if raw.ip_block is not None:
        if selecting:
            raise Undecodable(f"{field}: ipBlock goes with no other member")
        return PolicyPeer(block=_block(raw.ip_block, f"{field}.ipBlock"))
    if not selecting:
        raise Undecodable(f"{field}: has neither podSelector, namespaceSelector nor ipBlock")
    return PolicyPeer(
        pods=_given_selector(raw.pod_selector, f"{field}.podSelector"),
        namespaces=_given_selector(raw.namespace_selector, f"{field}.namespaceSelector"),
    )


def _given_selector(raw: shapes.Selector | None, field: str) -> LabelSelector | None:
    return None if raw is None else _selector(raw, field)


def _block(raw: shapes.IpBlock, field: str) -> model.IpBlock:
    excepts = (_cidr(text, f"{field}.except[{i}]") for i, text in _numbered(raw.excepts))
    return model.IpBlock(_cidr(raw.cidr, f"{field}.cidr"), tuple(excepts))


def _cidr(text: Any, field: str) -> str:
    cidr = canonical_cidr(text) if isinstance(text, str) else ""
    if not cidr:
        raise Undecodable(f"{field}: {_quoted(text)} is no CIDR, such as 10.0.0.0/8")
    return cidr


def _port(raw: shapes.Port, field: str) -> PolicyPort:
    protocol = _PROTOCOLS.get(raw.protocol or "TCP")
    if protocol is None:
        raise Undecodable(f"{field}.protocol: {_quoted(raw.protocol)} is none of TCP, UDP, SCTP")
    if isinstance(raw.port, int):
        return PolicyPort(protocol, *_port_range(raw.port, raw.end_port, field))
    if raw.end_port is not None:
        raise Undecodable(f"{field}.endPort: needs a number as port")
    if raw.port == "":
        raise Undecodable(f"{field}.port: is empty")
    return PolicyPort(protocol, raw.port or 0)


def _port_range(first: int, last: int | None, field: str) -> tuple[int, int]:
    if not _is_port(first):
        raise Undecodable(f"{field}.port: {first} is not between 1 and 65535")
    if last is not None and not first <= last < 65536:
        raise Undecodable(f"{field}.endPort: {last} is not between port ({first}) and 65535")
    return first, last or 0


def _member(spec: dict[str, Any], name: str) -> Tier:
    value = spec.get(name)
    tier = _TIERS.get(value) if isinstance(value, str) else None
    if tier is None:
        raise Undecodable(f"spec.{name}: {_quoted(value)} is neither Admin nor Baseline")
    return tier


def _priority(spec: dict[str, Any]) -> int:
    value = spec.get("priority")
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _HIGHEST_PRIORITY:
        raise Undecodable(f"spec.priority: {_quoted(value)} is not a number between 0 and {_HIGHEST_PRIORITY}")
    return value


def _subject(spec: dict[str, Any]) -> ClusterPeer:
    return _cluster_peer(_object(spec.get("subject"), "spec.subject"), "spec.subject", ("namespaces", "pods"))


def _cluster_rules(spec: dict[str, Any], direction: Direction) -> _ClusterRules:
    return tuple(_cluster_rule(raw, direction) for raw in _list(spec, direction.lower()))


def _cluster_rule(document: Any, direction: Direction) -> ClusterRule:
    """Never raises: a rule that cannot be read fails closed by an unknown peer; it is a Deny if its action cannot."""
    parts = document if isinstance(document, dict) else {}
    stated = parts.get("action")
    action = _ACTIONS.get(stated) if isinstance(stated, str) else None
    name = parts.get("name")
    name = name if isinstance(name, str) else ""
    if action is None:
        return ClusterRule("Deny", (_UNREADABLE,), name=name)
    try:
        raw = _shaped(document, shapes.ClusterRule, "")
        return ClusterRule(action, _cluster_peers(raw, direction, action), _cluster_ports(raw), name)
    except Undecodable:
        return ClusterRule(action, (_UNREADABLE,), name=name)


def _cluster_peers(raw: shapes.ClusterRule, direction: Direction, action: Action) -> tuple[ClusterPeer, ...]:
    """Domain names go with Accept only: nobody could deny by them."""
    forms: tuple[str, ...] = ("namespaces", "pods")
    if direction == "Egress":
        forms += ("networks", "nodes", "domainNames") if action == "Accept" else ("networks", "nodes")
    peers = (raw.peers_from if direction == "Ingress" else raw.peers_to) or ()
    if not peers:
        raise Undecodable("needs at least one peer")
    return tuple(_cluster_peer(peer or {}, "", forms) for peer in peers)


def _only_member(raw: dict[str, Any], field: str, forms: Iterable[str]) -> tuple[str, Any]:
    given = [(name, value) for name, value in raw.items() if value is not None]
    if len(given) != 1 or given[0][0] not in forms:
        raise Undecodable(f"{field}: needs exactly one of {', '.join(forms)}")
    return given[0]


def _cluster_peer(raw: dict[str, Any], field: str, forms: tuple[str, ...]) -> ClusterPeer:
    form, value = _only_member(raw, field, forms)
    at = f"{field}.{form}"
    if form == "networks":
        return ClusterPeer(networks=tuple(_cidr(text, at) for text in _filled(value, at)))
    if form == "domainNames":
        return ClusterPeer(domain_names=tuple(str(name).lower().rstrip(".") for name in _filled(value, at)))
    if form == "pods":
        pods = _shaped(value, shapes.NamespacedPod, at)
        namespaces = _selector(pods.namespace_selector, f"{at}.namespaceSelector")
        return ClusterPeer(namespaces=namespaces, pods=_selector(pods.pod_selector, f"{at}.podSelector"))
    selector = _selector(_shaped(value, shapes.Selector, at), at)
    return ClusterPeer(nodes=selector) if form == "nodes" else ClusterPeer(namespaces=selector)


def _filled(value: Any, field: str) -> list[Any]:
    items = _shaped(value, list[Any], field)
    if not items:
        raise Undecodable(f"{field}: is empty")
    return items


def _cluster_ports(raw: shapes.ClusterRule) -> tuple[ClusterPort, ...]:
    return tuple(_cluster_port(each or {}) for each in raw.protocols or ())


def _cluster_port(raw: dict[str, Any]) -> ClusterPort:
    form, value = _only_member(raw, "protocols", ("tcp", "udp", "sctp", "destinationNamedPort"))
    if form == "destinationNamedPort":
        if not isinstance(value, str) or not value:
            raise Undecodable(f"destinationNamedPort: {_quoted(value)} is no name")
        return ClusterPort(name=value)
    _, port = _only_member(_object(value, form), form, ("destinationPort",))
    given = _shaped(port, shapes.DestinationPort, f"{form}.destinationPort")
    if (given.number is None) == (given.range is None):
        raise Undecodable(f"{form}.destinationPort: needs exactly one of number, range")
    first, last = (given.range.start, given.range.end) if given.range else (given.number or 0, given.number)
    return ClusterPort(_PROTOCOLS[form.upper()], *_port_range(first, last, form))
