"""What a program's resolver makes of a name, and why it makes nothing of it: the search list, then the zone.

The order is glibc's (man 5 resolv.conf, ndots): a name with enough dots is tried as it stands first, others last; one
with a final dot only as it stands. What is not the zone's is others' to answer: here it counts as not found, and the
reason says so when nothing else was.
"""

import difflib
import ipaddress
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Literal

from msgspec import Struct

from portway.dns.answer import Answer, answer
from portway.dns.message import NXDOMAIN, Question
from portway.dns.name import Name, above, from_text, lower, to_text
from portway.dns.record import AAAA, A, Raw
from portway.dns.resolvconf import ResolvConf
from portway.dns.zone import Zone

Code = Literal[
    "DNS_RESOLVED",
    "DNS_ELSEWHERE",
    "DNS_NOT_A_NAME",
    "DNS_NOT_ASKED",
    "DNS_NO_SEARCH",
    "DNS_WRONG_NAMESPACE",
    "DNS_NO_NAMESPACE",
    "DNS_NO_ADDRESS",
    "SVC_NOT_FOUND",
]
Outcome = Literal["ADDRESSES", "NODATA", "NXDOMAIN", "ELSEWHERE"]

_NDOTS = 1
"""resolv.conf's default."""


class Step(Struct, frozen=True):
    """One name that was tried."""

    name: str
    outcome: Outcome


class Resolution(Struct, frozen=True):
    """What became of a name."""

    code: Code
    reason: str
    """A sentence, with what would be right when something is wrong."""
    name: str = ""
    """The fully qualified name that was found."""
    addresses: tuple[str, ...] = ()
    service: tuple[str, str] | None = None
    """(namespace, name) of the Service whose name it is, or is below."""
    steps: tuple[Step, ...] = ()


def resolve(zone: Zone, name: str, search: ResolvConf, cluster_dns: Collection[str]) -> Resolution:
    """What a program that is told `search` finds for `name`; `cluster_dns`: where the zone is answered."""
    try:
        labels = from_text(name)
    except ValueError as error:
        return Resolution("DNS_NOT_A_NAME", f"{error}.")
    if search.nameservers and search.nameservers[0] not in cluster_dns:
        return _not_asked(name, search)
    steps = list[Step]()
    for candidate in _candidates(labels, name.endswith("."), search):
        outcome, addresses = _tried(zone, candidate)
        steps.append(Step(to_text(candidate), outcome))
        if addresses:
            said = f"{to_text(candidate)} is {', '.join(addresses)}."
            return Resolution(
                "DNS_RESOLVED", said, to_text(candidate), addresses, service_of(zone, candidate), tuple(steps)
            )
    code, reason = _why(zone, labels, search, steps)
    return Resolution(code, reason, steps=tuple(steps))


def _not_asked(name: str, search: ResolvConf) -> Resolution:
    reason = (
        f"Names are asked at {search.nameservers[0]} there, which knows no Services: dnsPolicy ClusterFirst "
        "(ClusterFirstWithHostNet for a pod with hostNetwork) asks the cluster's DNS."
    )
    return Resolution("DNS_NOT_ASKED", reason, steps=(Step(name, "ELSEWHERE"),))


def _candidates(labels: Name, absolute: bool, search: ResolvConf) -> Iterator[Name]:
    first = absolute or len(labels) > _ndots(search)
    if first:
        yield labels
    if not absolute:
        yield from ((*labels, *domain) for domain in _domains(search))
    if not first:
        yield labels


def _domains(search: ResolvConf) -> Iterator[Name]:
    for each in search.searches:
        with suppress(ValueError):
            yield from_text(each)


def _ndots(search: ResolvConf) -> int:
    for option in search.options:
        name, _, value = option.partition(":")
        if name == "ndots" and value.isdigit():
            return int(value)
    return _NDOTS


def _tried(zone: Zone, name: Name) -> tuple[Outcome, tuple[str, ...]]:
    found = [answer(zone, Question(name, kind)) for kind in (A, AAAA)]
    said = [each for each in found if each is not None]
    addresses = tuple(address for each in said for address in _addresses(each))
    if addresses:
        return "ADDRESSES", addresses
    if not said or any(each.elsewhere is not None for each in said):
        return "ELSEWHERE", ()
    return ("NXDOMAIN" if said[0].rcode == NXDOMAIN else "NODATA"), ()


def _addresses(found: Answer) -> Iterator[str]:
    for record in found.answers:
        if record.type in (A, AAAA) and isinstance(record.data, Raw):
            yield str(ipaddress.ip_address(record.data.data))


def service_of(zone: Zone, name: Name) -> tuple[str, str] | None:
    """The Service that a name belongs to, if there is one: `x.web.shop.svc.DOMAIN` to shop/web."""
    match above(lower(name), zone.name):
        case (*_, service, namespace, b"svc"):
            key = namespace.decode("latin-1"), service.decode("latin-1")
            return key if zone.has(*key) else None
    return None


def _why(zone: Zone, labels: Name, search: ResolvConf, steps: Sequence[Step]) -> tuple[Code, str]:
    """Why nothing was found, by what the name's writer must have meant."""
    text = ".".join(label.decode("latin-1") for label in labels)
    meant = _meant(zone, lower(labels), search)
    if meant is None:
        return "DNS_ELSEWHERE", f"{text} is no name of the cluster: the host's resolvers are asked for it."
    namespace, service = meant
    if zone.has(namespace, service):
        return _why_not_there(zone, text, namespace, service, steps)
    if homes := zone.homes(service):
        there = " or ".join(f"{service}.{home}" for home in homes)
        missing = f"there is no Service {namespace}/{service}" if namespace else "its search list names no namespace"
        return "DNS_WRONG_NAMESPACE", f"{text} is not found: {missing}. Write {there}."
    if namespace and not zone.has_namespace(namespace):
        return "DNS_NO_NAMESPACE", f"There is no namespace {namespace}, and no Service {service} in any other."
    near = difflib.get_close_matches(service, zone.services_in(namespace), n=1)
    wanted = f"{namespace}/{service}" if namespace else f"{service} in any namespace"
    return "SVC_NOT_FOUND", f"There is no Service {wanted}" + (f", but there is {near[0]}." if near else ".")


def _why_not_there(zone: Zone, text: str, namespace: str, service: str, steps: Sequence[Step]) -> tuple[Code, str]:
    """The Service exists."""
    whole = (service.encode(), namespace.encode(), b"svc", *zone.name)
    outcome, _ = _tried(zone, whole)
    if outcome == "ADDRESSES":
        if any(step.name.lower().endswith(f".{to_text(whole)}") for step in steps):
            return "DNS_NO_ADDRESS", f"Service {namespace}/{service} has no endpoint called as {text} says."
        return "DNS_NO_SEARCH", f"The search list there does not lead from {text} to {to_text(whole)}"
    if outcome == "ELSEWHERE":
        return "DNS_ELSEWHERE", f"Service {namespace}/{service} is a name for another, which others are asked for."
    return (
        "DNS_NO_ADDRESS",
        f"Service {namespace}/{service} has no address: a headless one has those of its ready pods.",
    )


def _meant(zone: Zone, labels: Name, search: ResolvConf) -> tuple[str, str] | None:
    """(namespace, Service) that a name speaks of, if it can be the cluster's; the namespace is "" when none is told."""
    rest = above(labels, zone.name)
    words = tuple(label.decode("latin-1") for label in (labels if rest is None else rest))
    match words:
        case (*_, service, namespace, "svc"):
            return namespace, service
        case (service,):
            return _own_namespace(zone, search), service
        case (*_, service, namespace) if zone.has_namespace(namespace) or zone.homes(service):
            return namespace, service
    return None


def _own_namespace(zone: Zone, search: ResolvConf) -> str:
    """The namespace of a pod, by its search list."""
    for domain in _domains(search):
        match above(lower(domain), zone.name):
            case (namespace, b"svc"):
                return namespace.decode("latin-1")
    return ""
