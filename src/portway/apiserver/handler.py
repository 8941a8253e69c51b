"""Every request: who asks, what the path means, which of the handlers answers, and errors as Status."""

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import unquote

from aiohttp import web

from portway.apiserver import (
    about,
    answer,
    logs,
    metrics,
    parameters,
    proxying,
    reads,
    streams,
    subresources,
    watch,
    writes,
)
from portway.apiserver.accept import TYPES, Form, negotiate
from portway.apiserver.call import Call
from portway.apiserver.identity import User, identify
from portway.apiserver.registry import Registry
from portway.apiserver.target import Target, find
from portway.kubeapi.errors import ApiError, internal_error
from portway.store import StoreError

log = logging.getLogger(__name__)

Answer = Callable[[Registry, Call], Awaitable[web.StreamResponse]]


async def _get(registry: Registry, call: Call) -> web.StreamResponse:
    if call.flag("watch"):
        parameters.check_list(call.query, watch=True)
        return await watch.watch(registry, call)
    return reads.get(registry, call)


async def _list(registry: Registry, call: Call) -> web.StreamResponse:
    parameters.check_list(call.query, watch=call.flag("watch"))
    if call.flag("watch"):
        return await watch.watch(registry, call)
    return reads.list_(registry, call)


async def _get_scale(registry: Registry, call: Call) -> web.StreamResponse:
    return subresources.get_scale(registry, call)


async def _get_plain(registry: Registry, call: Call) -> web.StreamResponse:
    return reads.get(registry, call)


async def _self_review(registry: Registry, call: Call) -> web.StreamResponse:
    return answer.document(about.self_review(call.user), call.form, 201)


async def _self_access_review(registry: Registry, call: Call) -> web.StreamResponse:
    body, _ = await call.document()
    return answer.document(about.self_access_review(body), call.form, 201)


_COLLECTION: Mapping[str, Answer] = {"GET": _list, "POST": writes.create, "DELETE": writes.delete_collection}
_DOCUMENT: Mapping[str, Answer] = {
    "GET": _get,
    "PUT": writes.update,
    "PATCH": writes.patch,
    "DELETE": writes.delete,
}
_STATUS: Mapping[str, Answer] = {"GET": _get_plain, "PUT": writes.update_status, "PATCH": writes.patch}
_SCALE: Mapping[str, Answer] = {
    "GET": _get_scale,
    "PUT": subresources.update_scale,
    "PATCH": subresources.patch_scale,
}
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_OWN: Mapping[tuple[str, str], Mapping[str, Answer]] = {
    ("pods", "binding"): {"POST": subresources.bind},
    ("pods", "exec"): {"GET": streams.execute, "POST": streams.execute},
    ("pods", "log"): {"GET": logs.log},
    ("pods", "eviction"): {"POST": subresources.evict},
    ("pods", "proxy"): dict.fromkeys(_METHODS, proxying.proxy),
    ("services", "proxy"): dict.fromkeys(_METHODS, proxying.proxy),
    ("namespaces", "finalize"): {"PUT": subresources.finalize},
}
_AS_IT_COMES = ("log", "exec", "proxy")
"""What these answer has a form of its own."""
_DEPRECATED = re.compile(r"/api/v1/(?:namespaces/[^/]+/)?endpoints(?:/|$)")
_USE_SLICES = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
_REVIEWS: Mapping[str, Mapping[str, Answer]] = {
    "SelfSubjectReview": {"POST": _self_review},
    "SelfSubjectAccessReview": {"POST": _self_access_review},
    "Binding": {"POST": subresources.bind_named},
}


def answers(target: Target) -> Mapping[str, Answer] | None:
    """By method, what can be done at a place; None: it is no place."""
    kind = target.kind
    if kind.kind in _REVIEWS and "get" not in kind.verbs:
        return None if target.name else _REVIEWS[kind.kind]
    if target.subresource == "status":
        return _STATUS if kind.status else None
    if target.subresource == "scale":
        return _SCALE if kind.scale else None
    if target.subresource:
        return _OWN.get((kind.resource.path().rpartition("/")[2], target.subresource)) if not kind.group else None
    if target.name:
        return _DOCUMENT
    if kind.namespaced and not target.namespace:
        return {"GET": _list}
    return _COLLECTION


def _has_gone(request: web.BaseRequest) -> bool:
    """Whether nobody is there any more to be answered."""
    return request.transport is None or request.transport.is_closing()


class Handler:
    """The callable that aiohttp's server runs for every request."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._answered: metrics.Answered = Counter()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await self._answer_or_refuse(request)
        self._answered[request.method, response.status] += 1
        if _DEPRECATED.match(request.path) and not response.prepared:
            answer.warn(response, _USE_SLICES)
        return response

    async def _answer_or_refuse(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except ApiError as error:
            return answer.failure(error, negotiate(request.headers.get("Accept", "")) or Form())
        except StoreError as error:
            log.error("%s %s: %s", request.method, request.path, error)
            return answer.failure(internal_error(str(error)), Form())
        except Exception as error:
            if isinstance(error, ConnectionResetError) and _has_gone(request):
                log.debug("%s %s: its client has gone", request.method, request.path)
            else:
                log.exception("%s %s", request.method, request.path)
            return answer.failure(internal_error(f"{type(error).__name__}: {error}"), Form())

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = unquote(request.rel_url.raw_path)
        special = about.find(path)
        if path.rstrip("/") in about.OPEN and special:
            return special(request)
        user = identify(request.transport)
        if path == "/metrics" and request.method == "GET":
            text, content_type = metrics.exposition(self._answered)
            return web.Response(text=text, headers={"Content-Type": content_type})
        if special:
            if request.method not in ("GET", "HEAD"):
                raise _not_allowed()
            return special(request)
        return await self._resource(request, user, path)

    async def _resource(self, request: web.BaseRequest, user: User, path: str) -> web.StreamResponse:
        target = find(path)
        methods = answers(target) if target else None
        if target is None or methods is None:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        method = "GET" if request.method == "HEAD" else request.method
        if method not in methods:
            raise _not_allowed()
        form = negotiate(request.headers.get("Accept", ""))
        if form is None and target.subresource not in _AS_IT_COMES:
            raise _not_acceptable()
        call = Call(request, target, user, form or Form())
        work = methods[method](self._registry, call)
        if method == "GET":
            return await work
        # A client that goes away cancels its request; what it began to write is finished all the same.
        writing = asyncio.ensure_future(work)
        writing.add_done_callback(_heard)
        return await asyncio.shield(writing)


def _heard(writing: "asyncio.Future[web.StreamResponse]") -> None:
    """Take note of a refusal that nobody waits for any more, so that it is not reported as lost."""
    if not writing.cancelled():
        writing.exception()


def _not_acceptable() -> ApiError:
    return ApiError(406, "NotAcceptable", f"406: Not Acceptable\n\nAvailable representations: {', '.join(TYPES)}")


def _not_allowed() -> ApiError:
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
