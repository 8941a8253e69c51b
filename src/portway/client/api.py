"""Requests to a Kubernetes API server, in the API's own verbs, on whole documents."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from portway.client.access import Access, from_kubeconfig
from portway.client.failure import Unreachable
from portway.client.transport import Params, Request, Transport, decode_failure
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Resource

_T = TypeVar("_T")
PatchKind = Literal["merge", "strategic", "json", "apply"]

_PATCH_TYPES: Mapping[str, str] = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}
_PAGE = "500"
FIELD_MANAGER = "portway"


class WatchEvent(Struct, frozen=True):
    """One line of a watch: "ADDED", "MODIFIED", "DELETED" or "BOOKMARK", and the object."""

    type: str
    object: Doc


class _ListMeta(Struct, rename="camel"):
    resource_version: str | None = None
    rest: str | None = msgspec.field(default=None, name="continue")


class _List(Struct, rename="camel"):
    kind: str | None = None
    api_version: str | None = None
    metadata: _ListMeta | None = None
    items: list[msgspec.Raw] | None = None


class Page:
    """Some documents of a list, with the apiVersion and kind that lists leave out of them."""

    def __init__(self, raw: _List) -> None:
        metadata = raw.metadata or _ListMeta()
        self.version = metadata.resource_version or ""
        """The list's resourceVersion."""
        self.rest = metadata.rest or ""
        """By which the next page is asked for; empty: this is the last one."""
        self._items = raw.items or []
        self._common = {"apiVersion": raw.api_version or "", "kind": (raw.kind or "").removesuffix("List")}

    def __iter__(self) -> Iterator[Doc]:
        """One document after the other: each is made when its turn comes."""
        for raw in self._items:
            document: Doc = msgspec.json.decode(raw, type=dict[str, Any])
            for name, value in self._common.items():
                document.setdefault(name, value)
            yield document


class Api:
    """One API server. Every method raises ApiError (what the server refuses) or Unreachable (no answer)."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._transport = Transport(access)

    @classmethod
    def unix(cls, path: str | Path) -> "Api":
        """A fleet's server, over its Unix socket."""
        return cls(Access.unix(path))

    @classmethod
    def from_kubeconfig(cls, path: str | Path | None = None, context: str | None = None) -> "Api":
        """The kubeconfig's server (default places as kubectl's), or the cluster this pod runs in.

        Raises BadKubeconfig.
        """
        return cls(from_kubeconfig(path, context))

    async def __aenter__(self) -> "Api":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. The Api can be used again."""
        await self._transport.close()

    async def get(self, resource: Resource, namespace: str, name: str) -> Doc:
        """One document; `namespace` is "" for cluster-scoped resources."""
        return await self._document(Request("GET", resource.path(namespace, name)))

    async def list(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
    ) -> tuple[list[Doc], str]:
        """All documents (of all namespaces when `namespace` is "") and the list's resourceVersion, read in pages.

        Each item has apiVersion and kind, which servers leave out. `resource_version` "0": a server may answer
        from what it remembers.
        """
        items: list[Doc] = []
        version = ""
        selected = {"label_selector": label_selector, "field_selector": field_selector}
        async for page in self.pages(resource, namespace, **selected, resource_version=resource_version):
            items += page
            version = page.version
        return items, version

    async def pages(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
    ) -> AsyncIterator["Page"]:
        """`list`, page by page: who needs little of each document never has them all."""
        params = _selectors(label_selector, field_selector) | {"limit": _PAGE}
        if resource_version:
            params["resourceVersion"] = resource_version
        while True:
            page = Page(await self._read(Request("GET", resource.path(namespace), params), _List))
            yield page
            if not page.rest:
                return
            params.pop("resourceVersion", None)  # the token carries it
            params["continue"] = page.rest

    async def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        resource_version: str,
        seconds: int,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncGenerator[WatchEvent, None]:
        """Changes after `resource_version`, until the server ends the watch (about `seconds` later).

        Raises ApiError also for an ERROR within the stream (410 Expired: list again).
        """
        params = _selectors(label_selector, field_selector) | {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(seconds),
        }
        request = Request("GET", resource.path(namespace), params, silence=seconds + 30.0)
        async with self._transport.stream(request) as response:
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield _event(line)

    async def create(self, resource: Resource, document: Doc) -> Doc:
        """The stored document. Its namespace is the one in its metadata."""
        path = resource.path(document.get("metadata", {}).get("namespace", ""))
        return await self._document(Request("POST", path, {}, msgspec.json.encode(document)))

    async def replace(self, resource: Resource, document: Doc, subresource: str = "") -> Doc:
        """PUT: 409 when metadata.resourceVersion is there and not the stored one."""
        metadata = document["metadata"]
        path = resource.path(metadata.get("namespace", ""), metadata["name"], subresource)
        return await self._document(Request("PUT", path, {}, msgspec.json.encode(document)))

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Any,
        *,
        kind: PatchKind = "merge",
        subresource: str = "",
    ) -> Doc:
        """`patch` is a document, or for kind "json" a list of operations; "apply" forces conflicts."""
        path = resource.path(namespace, name, subresource)
        params = {"fieldManager": FIELD_MANAGER, "force": "true"} if kind == "apply" else {}
        return await self._document(Request("PATCH", path, params, msgspec.json.encode(patch), _PATCH_TYPES[kind]))

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        grace_seconds: int | None = None,
        propagation: str = "",
    ) -> None:
        """`uid`: only if it still is that object (409 otherwise). `propagation`: Background, Foreground or Orphan."""
        options: Doc = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if propagation:
            options["propagationPolicy"] = propagation
        await self._transport.fetch(Request("DELETE", resource.path(namespace, name), {}, msgspec.json.encode(options)))

    async def post(self, path: str, document: Doc) -> Doc:
        """POST to any path, e.g. a pod's binding or an eviction."""
        return await self._document(Request("POST", path, {}, msgspec.json.encode(document)))

    async def raw(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: bytes = b"",
        content_type: str = "application/json",
        accept: str = "*/*",
    ) -> bytes:
        """Any request (/version, /openapi/v3, proxies): the answer's body."""
        return await self._transport.fetch(Request(method, path, params or {}, body, content_type, accept))

    async def _document(self, request: Request) -> Doc:
        return await self._read(request, dict[str, Any])

    async def _read(self, request: Request, shape: type[_T]) -> _T:
        body = await self._transport.fetch(request)
        try:
            return msgspec.json.decode(body, type=shape)
        except msgspec.DecodeError as error:
            server = self.access.unix_path or self.access.server
            raise Unreachable(f"{server} does not answer like an API server: {error}") from error


def _selectors(label_selector: str, field_selector: str) -> dict[str, str]:
    named = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {name: value for name, value in named.items() if value}


def _event(line: bytes) -> WatchEvent:
    try:
        event = msgspec.json.decode(line, type=WatchEvent)
    except msgspec.DecodeError as error:
        raise Unreachable(f"the API server sent a watch event that cannot be read: {error}") from error
    if event.type == "ERROR":
        raise decode_failure(event.object.get("code") or 500, msgspec.json.encode(event.object))
    return event


__all__ = ["Api", "ApiError", "PatchKind", "WatchEvent"]
