"""BackendTLSPolicies: which one a Service's port has, what its pods must prove then, and what its writer is told.

A policy that cannot be carried out leaves its target without a way there: requests are answered an error, never sent
unverified or in the clear.
Source: Gateway API 1.6 (apis/v1 backendtlspolicy_types.go, policy_types.go), GEP-713 (precedence).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from portway.routing.authorities import Authorities, authorities_of
from portway.routing.documents import GROUP, Doc, Documents, Name, name_of, shown, spec
from portway.routing.reports import AncestorReport, Condition, PolicyReport
from portway.routing.table import BackendTls, Pool, UpstreamProtocol

_SECURED: Mapping[UpstreamProtocol, UpstreamProtocol] = {"http": "https", "h2c": "h2"}
"""What a policy makes of how a backend is spoken to; TLS that is passed through is the client's own business."""


class Secured(Struct, frozen=True):
    """A pool as its policy wants it."""

    pool: Pool | None
    """None: the policy cannot be carried out."""
    reason: str = ""
    """Why there is none, for answers and traces."""


def secured(documents: Documents, pool: Pool) -> Secured:
    """The pool, to be spoken to as its Service's policy says; as it is when it has none."""
    policy = _policy_of(documents, pool)
    if policy is None or pool.protocol == "tls":
        return Secured(pool)
    found = _authorities(documents, policy)
    if not found.pem and not found.are_system:
        return Secured(None, f"{shown(policy)}: {found.message}")
    protocol = _SECURED.get(pool.protocol, pool.protocol)
    return Secured(replace(pool, protocol=protocol, tls=_demands(policy, found)))


def _demands(policy: Doc, found: Authorities) -> BackendTls:
    validation = spec(policy)["validation"]
    names = tuple(map(_name, validation.get("subjectAltNames") or ()))
    return BackendTls(str(validation["hostname"]), found.pem, names)


def _name(name: Doc) -> tuple[Literal["Hostname", "URI"], str]:
    """One that is not whole is in no certificate."""
    return ("URI", str(name.get("uri") or "")) if name.get("type") == "URI" else ("Hostname", str(name.get("hostname")))


def _authorities(documents: Documents, policy: Doc) -> Authorities:
    validation = spec(policy).get("validation") or {}
    if not validation.get("hostname"):  # of an older version, in a snapshot
        return Authorities(message="spec.validation.hostname: Required value", is_unknown=True)
    return authorities_of(documents, policy, validation)


def _policy_of(documents: Documents, pool: Pool) -> Doc | None:
    """The oldest that names this very port, else the oldest that names the Service alone."""
    section_less = None
    for policy, section in documents.policies.get((pool.namespace, pool.service), ()):
        if section and section == pool.port_name:
            return policy
        if not section and section_less is None:
            section_less = policy
    return section_less


# Statuses


Reached = Mapping[Name, Iterable[Name]]
"""By Service, the Gateways whose routes lead there."""


def policy_reports(documents: Documents, reached: Reached) -> tuple[PolicyReport, ...]:
    """One for each policy of a Service that one of our Gateways leads to."""
    targets: dict[Name, list[tuple[Name, str]]] = {}
    policies: dict[Name, Doc] = {}
    for service, there in documents.policies.items():
        for policy, section in there:
            policies[name_of(policy)] = policy
            targets.setdefault(name_of(policy), []).append((service, section))
    return tuple(
        PolicyReport(name, ancestors)
        for name, policy in sorted(policies.items())
        if (ancestors := tuple(_ancestors(documents, policy, targets[name], reached)))
    )


def _ancestors(
    documents: Documents, policy: Doc, targets: Iterable[tuple[Name, str]], reached: Reached
) -> Iterator[AncestorReport]:
    gateways = sorted({gateway for service, _ in targets for gateway in reached.get(service, ())})
    conditions = tuple(_conditions(documents, policy, targets)) if gateways else ()
    for namespace, name in gateways:
        yield AncestorReport({"group": GROUP, "kind": "Gateway", "namespace": namespace, "name": name}, conditions)


def _conditions(documents: Documents, policy: Doc, targets: Iterable[tuple[Name, str]]) -> Iterator[Condition]:
    found = _authorities(documents, policy)
    complaint = next((said for target in targets if (said := _complaint(documents, policy, *target))), None)
    if complaint is not None:
        yield complaint
    elif found.is_unknown:
        yield Condition("Accepted", False, "Invalid", found.message)
    elif not found.pem and not found.are_system:
        yield Condition("Accepted", False, "NoValidCACertificate", found.message)
    else:
        unread = ", ".join(spec(policy).get("options") or ())
        yield Condition("Accepted", True, "Accepted", f"options are not read here: {unread}" if unread else "")
    if found.reason:
        yield Condition("ResolvedRefs", False, found.reason, found.message)
    else:
        yield Condition("ResolvedRefs", True, "ResolvedRefs")


def _complaint(documents: Documents, policy: Doc, service: Name, section: str) -> Condition | None:
    """Why the policy is none of this target's."""
    first = next(other for other, at in documents.policies[service] if at == section)
    named = f"Service {'/'.join(service)}" + (f" port {section}" if section else "")
    if first is not policy:
        return Condition("Accepted", False, "Conflicted", f"{shown(first)} has {named}")
    ports = [port.get("name") for port in spec(documents.services.get(service, {})).get("ports") or ()]
    if section and section not in ports:
        return Condition("Accepted", False, "TargetNotFound", f"{named} does not exist")
    return None
