"""References from one object to another: are they permitted, and what do they lead to."""

from typing import Literal

from msgspec import Struct

from portway.routing.documents import GROUP, Doc, Documents, Name, name_of, spec
from portway.routing.table import Pool, UpstreamProtocol

_APP_PROTOCOLS: dict[str, UpstreamProtocol] = {
    "kubernetes.io/h2c": "h2c",
    "h2c": "h2c",
    "grpc": "h2c",
    "kubernetes.io/wss": "https",
    "https": "https",
}
"""appProtocols of Service ports that say more than HTTP/1 in the clear (KEP-3726)."""


class Resolved(Struct, frozen=True):
    """What a backend reference leads to."""

    pool: Pool | None = None
    """Without its endpoints."""
    reason: str = ""
    """Why there is none, in Gateway API's words."""
    message: str = ""


def pool_key(pool: Pool, protocol: str = "TCP") -> str:
    """The key of a RouteTable's pools; a pool whose protocol the route chose, not the Service, has it in its key."""
    return f"{pool.namespace}/{pool.service}:{pool.port}/{protocol}"


def is_permitted(documents: Documents, of: Doc, group: str, kind: str, target: Name) -> bool:
    """Whether `of` may refer to this object: it is in its own namespace, or a ReferenceGrant there says so."""
    namespace, name = target
    if name_of(of)[0] == namespace:
        return True
    return any(
        _lets_in(grant, of) and _names(grant, group, kind, name)
        for grant in documents.grants
        if name_of(grant)[0] == namespace
    )


def _lets_in(grant: Doc, of: Doc) -> bool:
    wanted = {"group": GROUP, "kind": of.get("kind"), "namespace": name_of(of)[0]}
    return any({key: from_.get(key) for key in wanted} == wanted for from_ in spec(grant).get("from") or ())


def _names(grant: Doc, group: str, kind: str, name: str) -> bool:
    return any(
        (to.get("group"), to.get("kind")) == (group, kind) and to.get("name") in (None, "", name)
        for to in spec(grant).get("to") or ()
    )


class Wanted(Struct, frozen=True):
    """What a reference is to lead to, and the reasons for which it does not, in Gateway API's words."""

    kind: Literal["Service", "Secret", "ConfigMap"]
    other_kind: str
    missing: str
    implied: bool = True
    """Whether a reference that says no kind means this one."""


class Nowhere(Struct, frozen=True):
    """Why a reference leads to nothing."""

    reason: str
    message: str


def referred(documents: Documents, holder: Doc, reference: Doc, wanted: Wanted) -> Doc | Nowhere:
    """What a reference of `holder` leads to."""
    group, kind = reference.get("group") or "", reference.get("kind") or (wanted.kind if wanted.implied else "")
    name = (reference.get("namespace") or name_of(holder)[0], str(reference.get("name")))
    if (group, kind) != ("", wanted.kind):
        return Nowhere(wanted.other_kind, f"{kind}{group and '.' + group} {name[1]} is no {wanted.kind}")
    if not is_permitted(documents, holder, "", wanted.kind, name):
        return Nowhere("RefNotPermitted", f"no ReferenceGrant in {name[0]} permits {wanted.kind} {name[1]}")
    known = {"Service": documents.services, "Secret": documents.secrets, "ConfigMap": documents.config_maps}
    found = known[wanted.kind].get(name)
    return Nowhere(wanted.missing, f"{wanted.kind} {'/'.join(name)} does not exist") if found is None else found


_SERVICE = Wanted("Service", "InvalidKind", "BackendNotFound")


def backend(documents: Documents, route: Doc, reference: Doc, protocol: str = "TCP") -> Resolved:
    """What a backendRef of a route leads to; `protocol` is the Service port's."""
    service = referred(documents, route, reference, _SERVICE)
    if isinstance(service, Nowhere):
        return Resolved(None, service.reason, service.message)
    return service_port(service, {"number": reference.get("port")}, protocol)


def service_port(service: Doc, wanted: Doc, protocol: str = "TCP") -> Resolved:
    """The pool of a Service's port, named (`name`) or numbered (`number`)."""
    shown = "/".join(name_of(service))
    if spec(service).get("type") == "ExternalName":
        return Resolved(None, "BackendNotFound", f"Service {shown} is of type ExternalName, which has no endpoints")
    for port in spec(service).get("ports") or ():
        same = port.get("name") == wanted["name"] if wanted.get("name") else port.get("port") == wanted.get("number")
        if same and (port.get("protocol") or "TCP") == protocol:
            return Resolved(_pool(service, port))
    asked = wanted.get("name") or wanted.get("number")
    return Resolved(None, "BackendNotFound", f"Service {shown} has no {protocol} port {asked}")


def _pool(service: Doc, port: Doc) -> Pool:
    namespace, name = name_of(service)
    spoken = _APP_PROTOCOLS.get(port.get("appProtocol") or "", "http")
    return Pool(namespace, name, int(port["port"]), port.get("name") or "", spoken)
