"""What the API says about itself: groups, versions and resources, in the classic and the aggregated form.

Sources: k8s.io/api apidiscovery/v2 (APIGroupDiscoveryList), meta/v1 (APIGroupList, APIResourceList), KEP-3352.
"""

from collections.abc import Iterator
from functools import lru_cache

from msgspec import Struct

from portway.kubeapi.catalogue import groups, kinds_of
from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Kind

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
"""The media type of the aggregated form, as clients ask for it and as the answer's Content-Type says."""

VERSION: Doc = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.0+portway",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "python",
    "platform": "linux/amd64",
}
"""The document of /version."""


class Subresource(Struct, frozen=True):
    """Something below one document: `pods/NAME/log`."""

    name: str
    kind: str
    api_version: str
    verbs: tuple[str, ...]


_RW = ("get", "patch", "update")
_OWN: dict[tuple[str, str], tuple[Subresource, ...]] = {
    ("", "Namespace"): (Subresource("finalize", "Namespace", "v1", ("update",)),),
    ("", "Pod"): (
        Subresource("binding", "Binding", "v1", ("create",)),
        Subresource("eviction", "Eviction", "policy/v1", ("create",)),
        Subresource("exec", "PodExecOptions", "v1", ("create", "get")),
        Subresource("log", "Pod", "v1", ("get",)),
    ),
}


def subresources(kind: Kind) -> tuple[Subresource, ...]:
    """Those of a Kind, by name."""
    found = list(_OWN.get((kind.group, kind.kind), ()))
    if kind.scale:
        found.append(Subresource("scale", "Scale", "autoscaling/v1", _RW))
    if kind.status:
        found.append(Subresource("status", kind.kind, kind.api_version, _RW))
    return tuple(sorted(found, key=lambda subresource: subresource.name))


def api_versions(server_address: str) -> Doc:
    """/api. `server_address` is "host:port" as clients reach it."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}],
    }


@lru_cache(maxsize=1)
def api_group_list() -> Doc:
    """/apis."""
    named = [_group(group) for group in _names() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": named}


def api_group(group: str) -> Doc | None:
    """/apis/GROUP; None for an unknown one."""
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(group) if group and group in _names() else None


def _names() -> list[str]:
    """The groups, each once; "" first."""
    return list(dict.fromkeys(group for group, _ in groups()))


def _versions(group: str) -> list[str]:
    """Of a group, the preferred one first."""
    return [version for name, version in groups() if name == group]


def _group(group: str) -> Doc:
    entries = [{"groupVersion": f"{group}/{version}", "version": version} for version in _versions(group)]
    return {"name": group, "versions": entries, "preferredVersion": entries[0]}


@lru_cache(maxsize=64)
def api_resource_list(group: str, version: str) -> Doc | None:
    """/api/v1 and /apis/GROUP/VERSION; None for an unknown one."""
    kinds = kinds_of(group, version)
    if not kinds:
        return None
    resources = [entry for kind in kinds for entry in _resources(kind)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": kinds[0].api_version,
        "resources": sorted(resources, key=lambda entry: str(entry["name"])),
    }


def _resources(kind: Kind) -> Iterator[Doc]:
    entry: Doc = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    yield entry
    for sub in subresources(kind):
        below: Doc = {"name": f"{kind.plural}/{sub.name}", "singularName": "", "namespaced": kind.namespaced}
        if sub.api_version != kind.api_version:
            below |= dict(zip(("group", "version"), sub.api_version.split("/"), strict=True))
        yield below | {"kind": sub.kind, "verbs": list(sub.verbs)}


def aggregated_api() -> Doc:
    """/api in the aggregated form."""
    return _aggregated(core=True)


def aggregated_apis() -> Doc:
    """/apis in the aggregated form."""
    return _aggregated(core=False)


@lru_cache(maxsize=2)
def _aggregated(core: bool) -> Doc:
    items = [_group_discovery(group) for group in _names() if (group == "") is core]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _group_discovery(group: str) -> Doc:
    versions = [_version_discovery(group, version) for version in _versions(group)]
    return {"metadata": {"name": group} if group else {}, "versions": versions}


def _version_discovery(group: str, version: str) -> Doc:
    resources = [_resource_discovery(kind) for kind in kinds_of(group, version)]
    resources.sort(key=lambda entry: str(entry["resource"]))
    return {"version": version, "resources": resources, "freshness": "Current"}


def _resource_discovery(kind: Kind) -> Doc:
    scope = "Namespaced" if kind.namespaced else "Cluster"
    entry: Doc = {
        "resource": kind.plural,
        "responseKind": _response_kind(kind.api_version, kind.kind),
        "scope": scope,
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    below = [
        {
            "subresource": sub.name,
            "responseKind": _response_kind(sub.api_version, sub.kind),
            "verbs": list(sub.verbs),
        }
        for sub in subresources(kind)
    ]
    return entry | ({"subresources": below} if below else {})


def _response_kind(api_version: str, kind: str) -> Doc:
    group, _, version = api_version.rpartition("/")
    return {"group": group, "version": version, "kind": kind}


def paths() -> list[str]:
    """The document of `GET /`: every path that a person may look at."""
    prefixes = {kind.resource.prefix for group, version in groups() for kind in kinds_of(group, version)}
    named = {f"/apis/{group}" for group in _names() if group}
    fixed = {"/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"}
    return sorted(prefixes | named | fixed)
