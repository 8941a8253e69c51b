"""What the server says about itself: versions, health, discovery, OpenAPI, and who you are."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256

import msgspec
from aiohttp import web

from portway.apiserver import answer
from portway.apiserver.accept import Form, negotiate
from portway.apiserver.identity import User
from portway.kubeapi import discovery, openapi, openapi_v2
from portway.kubeapi.errors import Doc

OPEN = frozenset(("/healthz", "/livez", "/readyz", "/version"))
"""Paths that anyone may read."""
_CHECKS = ("ping", "store", "bootstrap")


def find(path: str) -> "Callable[[web.BaseRequest], web.Response] | None":
    """The answer to GET of a path that is no resource; None: there is none."""
    trimmed = path.rstrip("/") or "/"
    if trimmed in _DOCUMENTS:
        return _documented(_DOCUMENTS[trimmed])
    if trimmed.split("/")[1] in ("healthz", "livez", "readyz"):
        return _health if trimmed in OPEN else None
    if trimmed in ("/api", "/apis"):
        return _discovery
    if trimmed == "/openapi/v2":
        return _openapi_v2
    if trimmed.startswith("/openapi/v3/"):
        return _openapi if openapi.document(trimmed.removeprefix("/openapi/v3/")) else None
    described = _described(trimmed.strip("/").split("/"))
    return _documented(lambda: described) if described else None


_DOCUMENTS: Mapping[str, Callable[[], Doc]] = {
    "/": lambda: {"paths": discovery.paths()},
    "/version": lambda: discovery.VERSION,
    "/openapi/v3": openapi.index,
}


def _documented(make: Callable[[], Doc]) -> Callable[[web.BaseRequest], web.Response]:
    return lambda request: answer.document(make(), (negotiate(request.headers.get("Accept", "")) or Form()))


def _described(parts: list[str]) -> Doc | None:
    match parts:
        case ["api", version]:
            return discovery.api_resource_list("", version)
        case ["apis", group]:
            return discovery.api_group(group)
        case ["apis", group, version]:
            return discovery.api_resource_list(group, version)
    return None


def _discovery(request: web.BaseRequest) -> web.Response:
    core = request.path.rstrip("/") == "/api"
    if (negotiate(request.headers.get("Accept", "")) or Form()).shape == "APIGroupDiscoveryList":
        doc = discovery.aggregated_api() if core else discovery.aggregated_apis()
        return _tagged(request, msgspec.json.encode(doc), discovery.AGGREGATED)
    doc = discovery.api_versions(request.host) if core else discovery.api_group_list()
    return answer.document(doc, Form())


def _openapi(request: web.BaseRequest) -> web.Response:
    data = _openapi_bytes(request.path.rstrip("/").removeprefix("/openapi/v3/"))
    return _tagged(request, data, "application/json")


def _openapi_v2(request: web.BaseRequest) -> web.Response:
    return _tagged(request, openapi_v2.document(), openapi_v2.MEDIA_TYPE)


@lru_cache(maxsize=32)
def _openapi_bytes(name: str) -> bytes:
    return msgspec.json.encode(openapi.document(name))


def _tagged(request: web.BaseRequest, data: bytes, media_type: str) -> web.Response:
    tag = f'"{sha256(data).hexdigest()[:32].upper()}"'
    headers = {"ETag": tag, "Vary": "Accept", "Content-Type": media_type}
    if request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=data, headers=headers)


def _health(request: web.BaseRequest) -> web.Response:
    """Who can ask is answered: the sockets are served only once the store is open and bootstrapped."""
    if "verbose" not in request.query:
        return answer.plain("ok")
    name = request.path.strip("/")
    return answer.plain("".join(f"[+]{check} ok\n" for check in _CHECKS) + f"{name} check passed\n")


def self_review(user: User) -> Doc:
    """The SelfSubjectReview of a user."""
    return {
        "kind": "SelfSubjectReview",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": None},
        "status": {"userInfo": {"username": user.name, "groups": list(user.groups)}},
    }


def self_access_review(body: Doc) -> Doc:
    """The SelfSubjectAccessReview: whoever is known may do everything."""
    return {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {"creationTimestamp": None},
        "spec": body.get("spec") or {},
        "status": {"allowed": True, "reason": "everyone who is known may do everything here"},
    }
