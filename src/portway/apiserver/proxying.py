"""A pod's or a Service's proxy: an HTTP request goes on to what runs there, through the kubelet of its node.

`/api/v1/namespaces/NS/pods/[SCHEME:]NAME[:PORT]/proxy/PATH`, and the same of services, whose port is a name or number.
Source: pkg/registry/core/{pod,service} and k8s.io/apimachinery pkg/util/proxy of Kubernetes 1.36. WebSockets are not
carried.
"""

import random
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

import aiohttp
from aiohttp import web
from msgspec import Struct
from multidict import CIMultiDict

from portway.apiserver.call import Call
from portway.apiserver.registry import Registry, collection
from portway.apiserver.target import Target
from portway.kubeapi.catalogue import by_resource
from portway.kubeapi.errors import ApiError, Doc, bad_request
from portway.kubeapi.kinds import Kind, Resource
from portway.kubeapi.remotecommand import UNREACHABLE
from portway.reconcile.resources import ENDPOINT_SLICES, PODS, SERVICES

_SCHEMES = ("", "http", "https")
_SERVICE_LABEL = "kubernetes.io/service-name"
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
    | {"authorization", "host", UNREACHABLE.lower()}
)
_LINK = re.compile(rb"""(\b(?:href|src|action)\s*=\s*["'])(/(?!/)[^"']*)""", re.IGNORECASE)


class Place(Struct, frozen=True):
    """Where a request goes: the pod's node and uid, how and to which port."""

    node: str
    uid: str
    port: int
    scheme: str = "http"


async def proxy(registry: Registry, call: Call) -> web.StreamResponse:
    """Any method of /proxy. Raises 400, 404, 503."""
    request, target = call.request, call.target
    if target.path == "" and request.method in ("GET", "HEAD"):
        query = f"?{request.query_string}" if request.query_string else ""
        return web.Response(status=301, headers={"Location": f"{request.path}/{query}"})
    scheme, name, port = parts_of(target.name)
    of_service = target.kind.resource == SERVICES
    found = (_of_service if of_service else _of_pod)(registry, target, name, port)
    return await _carry(registry, call, Place(found.node, found.uid, found.port, scheme or "http"))


def parts_of(name: str) -> tuple[str, str, str]:
    """(scheme, name, port) of `[SCHEME:]NAME[:PORT]`. Raises 400."""
    parts = name.split(":")
    padded = {1: ["", *parts, ""], 2: ["", *parts], 3: parts}.get(len(parts), ["?", "", ""])
    scheme, bare, port = padded
    if scheme not in _SCHEMES or not bare:
        raise bad_request(f'invalid request "{name}": must be [http:|https:]NAME[:PORT]')
    return scheme, bare, port


def _document(registry: Registry, resource: Resource, namespace: str, name: str) -> Doc:
    kind = _kind(resource)
    return registry.decode(registry.get(Target(kind, namespace, name)), kind)


def _kind(resource: Resource) -> Kind:
    kind = by_resource(resource.group, resource.version, resource.plural)
    assert kind is not None
    return kind


def _of_pod(registry: Registry, target: Target, name: str, port: str) -> Place:
    pod = _document(registry, PODS, target.namespace, name)
    spec = pod.get("spec") or {}
    declared = [each["containerPort"] for c in spec.get("containers") or () for each in c.get("ports") or ()]
    if port and not (port.isascii() and port.isdigit()):
        raise bad_request(f'invalid port "{port}": must be a number')
    return _at(pod, int(port or next(iter(declared), 80)))


def _at(pod: Doc, port: int) -> Place:
    node = (pod.get("spec") or {}).get("nodeName")
    if not node or not (pod.get("status") or {}).get("podIP"):
        raise bad_request("address not allowed: the pod has none yet")
    return Place(str(node), pod["metadata"]["uid"], port)


def _of_service(registry: Registry, target: Target, name: str, port: str) -> Place:
    service = _document(registry, SERVICES, target.namespace, name)
    wanted = port_name(service, port)
    candidates = list(_backends(registry, target.namespace, name, wanted))
    if wanted is None or not candidates:
        raise ApiError(503, "ServiceUnavailable", f'no endpoints available for service "{target.name}"')
    pod_name, number = random.choice(candidates)
    return _at(_document(registry, PODS, target.namespace, pod_name), number)


def port_name(service: Doc, port: str) -> str | None:
    """The name of the Service's port that is meant by name or number, or is its only one; None: there is none."""
    ports = service["spec"].get("ports") or []
    names = [each.get("name") or "" for each in ports if port in (each.get("name"), str(each["port"]))]
    if not port:
        names = [ports[0].get("name") or ""] if len(ports) == 1 else [""]
    return next(iter(names), None)


def _backends(registry: Registry, namespace: str, service: str, port: str | None) -> Iterator[tuple[str, int]]:
    """(pod, port) of each endpoint that is ready and a pod."""
    kind = _kind(ENDPOINT_SLICES)
    for entry in registry.store.list(collection(kind), namespace):
        piece = registry.decode(entry, kind)
        if (piece["metadata"].get("labels") or {}).get(_SERVICE_LABEL) != service:
            continue
        numbers = [each["port"] for each in piece.get("ports") or () if (each.get("name") or "") == port]
        for endpoint in piece.get("endpoints") or () if numbers else ():
            reference = endpoint.get("targetRef") or {}
            if (endpoint.get("conditions") or {}).get("ready") is not False and reference.get("kind") == "Pod":
                yield reference["name"], numbers[0]


async def _carry(registry: Registry, call: Call, place: Place) -> web.StreamResponse:
    request = call.request
    url = f"http://kubelet/proxy/{place.uid}/{place.scheme}/{place.port}{quote(call.target.path or '/')}"
    connector = aiohttp.UnixConnector(str(registry.kubelets / f"{place.node}.sock"))
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        try:
            answer = await session.request(
                request.method,
                url,
                params=request.query,
                headers=passed(request.headers),
                data=await request.read() or None,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError) as error:
            raise ApiError(503, "ServiceUnavailable", f"error trying to reach service: {error}") from None
        body = await answer.read()
        if UNREACHABLE in answer.headers:
            raise ApiError(503, "ServiceUnavailable", body.decode())
        if answer.content_type == "text/html" and "Content-Encoding" not in answer.headers:
            body = relinked(body, request.path.removesuffix(call.target.path))
        headers = passed(answer.headers)
        headers.popall("Content-Length", None)
        return web.Response(status=answer.status, headers=headers, body=body)


def passed(headers: Mapping[str, str]) -> "CIMultiDict[str]":
    """Those that are for the other end."""
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP)


def relinked(page: bytes, prefix: str) -> bytes:
    """An HTML page whose links from the root lead through the proxy."""
    return _LINK.sub(lambda link: link[1] + prefix.encode() + link[2], page)
