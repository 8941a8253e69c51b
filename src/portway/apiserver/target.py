"""What a URL path means: which Kind, where, and which part of it."""

import re

from msgspec import Struct, structs

from portway.kubeapi.catalogue import by_resource
from portway.kubeapi.kinds import Kind

_PROXIED = re.compile(r"(/api/v1/namespaces/[^/]+/(?:pods|services)/[^/]+)/proxy(/.*|)", re.DOTALL)
_OF_NAMESPACE = ("status", "finalize")


class Target(Struct, frozen=True):
    """A collection (no `name`), a document, or a subresource of it."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    path: str = ""
    """What follows /proxy, from its slash on."""


def find(path: str) -> Target | None:
    """`/apis/apps/v1/namespaces/shop/deployments/web/scale`; None: there is nothing at this path."""
    proxied = _PROXIED.fullmatch(path)
    if proxied is not None:
        found = find(proxied[1])
        return None if found is None else structs.replace(found, subresource="proxy", path=proxied[2])
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        return _find("", parts[1], parts[2:])
    if parts[0] == "apis" and len(parts) > 3:
        return _find(parts[1], parts[2], parts[3:])
    return None


def _find(group: str, version: str, rest: list[str]) -> Target | None:
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and not (len(rest) == 3 and rest[2] in _OF_NAMESPACE):
        namespace, rest = rest[1], rest[2:]
    kind = by_resource(group, version, rest[0])
    if kind is None or len(rest) > 3 or not all(rest):
        return None
    if bool(namespace) > kind.namespaced or (kind.namespaced and len(rest) > 1 and not namespace):
        return None
    _, name, subresource, *_ = [*rest, "", ""]
    return Target(kind, namespace, name, subresource)
