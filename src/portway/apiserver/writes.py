"""POST, PUT, PATCH and DELETE of documents and collections."""

import copy
from typing import Any

from aiohttp import web
from msgspec.structs import replace

from portway.apiserver import answer, shapes
from portway.apiserver.body import Body
from portway.apiserver.call import Call
from portway.apiserver.parameters import check_write
from portway.apiserver.registry import Registry, Step, Written, collection, replacing, replacing_status
from portway.apiserver.selection import selection
from portway.kubeapi import pipeline
from portway.kubeapi.errors import ApiError, Doc, bad_request
from portway.kubeapi.kinds import Kind
from portway.kubeapi.pipeline import DeleteOptions, Prepared, Request

_RETURNED_WHEN_DELETED = frozenset(
    ("pods", "services", "serviceaccounts", "persistentvolumeclaims", "persistentvolumes", "podtemplates")
)
"""Collections whose DELETE answers the document; the others answer a Status (core registries' ReturnDeletedObject)."""
_CREATED_ON_UPDATE = frozenset(
    (
        "services",
        "endpoints",
        "events",
        "limitranges",
        "leases",
        "roles",
        "rolebindings",
        "clusterroles",
        "clusterrolebindings",
    )
)
"""Collections in which PUT makes what is not there (their strategies' AllowCreateOnUpdate)."""


async def create(registry: Registry, call: Call) -> web.Response:
    """POST to a collection."""
    body, options = await call.document()
    return _written(call, await registry.create(call.target, body, options))


async def update(registry: Registry, call: Call) -> web.Response:
    """PUT of a document, which for some Kinds creates it."""
    body, options = await call.document()
    try:
        written = await registry.change(call.target, replacing(body), options)
    except ApiError as error:
        if error.code != 404 or call.target.kind.plural not in _CREATED_ON_UPDATE:
            raise
        written = await registry.create(call.target, _named(body, call.target.name), options)
    return _written(call, written)


def _named(body: Any, name: str) -> Any:
    """The body of a PUT that creates, with the path's name."""
    metadata = body.get("metadata") if isinstance(body, dict) else None
    if not isinstance(metadata, dict):
        return body
    if metadata.setdefault("name", name) != name:
        raise bad_request(f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})")
    return body


async def update_status(registry: Registry, call: Call) -> web.Response:
    """PUT of /status."""
    body, options = await call.document()
    return _written(call, await registry.change(call.target, replacing_status(body), options))


async def patch(registry: Registry, call: Call) -> web.Response:
    """PATCH of a document or its /status."""
    sent = await call.body()
    if sent.media_type == pipeline.APPLY:
        return await _apply(registry, call, sent)
    pipeline.check_patch_type(sent.media_type, call.target.kind)
    status = call.target.subresource == "status"
    step = patching(sent.decode(), sent.media_type, call.target.kind, status=status)
    return _written(call, await registry.change(call.target, step, call.options()))


def patching(body: Any, media_type: str, kind: Kind, *, status: bool = False) -> Step:
    """The step of a PATCH."""
    finish = pipeline.update_status if status else pipeline.update

    def step(old: Doc, revision: int, request: Request) -> Prepared:
        seen = old | {"metadata": old["metadata"] | {"resourceVersion": str(revision)}}
        new = pipeline.patched(copy.deepcopy(seen), copy.deepcopy(body), media_type, kind)
        return finish(new, old, revision, request)

    return step


async def _apply(registry: Registry, call: Call, sent: Body) -> web.Response:
    """Server-side apply, which needs to be told who applies."""
    options = replace(call.options(), applied=True, manager=call.query.get("fieldManager", ""))
    written = await registry.apply(call.target, sent.decode(), options, force=call.flag("force"))
    return _written(call, written)


async def delete(registry: Registry, call: Call) -> web.Response:
    """DELETE of a document."""
    wanted = await _delete_options(call)
    return _deleted(call, await registry.delete(call.target, wanted))


async def delete_collection(registry: Registry, call: Call) -> web.Response:
    """DELETE of what a collection's selectors match; answers the list of what was there."""
    wanted = await _delete_options(call)
    target = call.target
    entries = selection(call).of(registry.store.list(collection(target.kind), target.namespace))
    revision = registry.store.revision
    for entry in entries:
        each = replace(target, namespace=entry.key.namespace, name=entry.key.name)
        try:
            await registry.delete(each, wanted)
        except ApiError as error:
            if error.code != 404:
                raise
    values = [shapes.stored(entry) for entry in entries]
    return answer.raw(shapes.list_of(target.kind, values, {"resourceVersion": str(revision)}), call.form)


async def _delete_options(call: Call) -> DeleteOptions:
    check_write("DELETE", call.query)
    sent = await call.body()
    return pipeline.delete_options(sent.decode(), dict(call.query))


def _written(call: Call, written: Written) -> web.Response:
    value = shapes.reshaped(call.target.kind, written.value, call.form, call.query.get("includeObject", ""))
    return answer.raw(value, call.form, 201 if written.created else 200, written.warnings)


def _deleted(call: Call, written: Written) -> web.Response:
    target = call.target
    if not written.removed or collection(target.kind) in _RETURNED_WHEN_DELETED:
        return _written(call, written)
    return answer.document(answer.success(_details(target.kind, written)), call.form)


def _details(kind: Kind, written: Written) -> Doc:
    metadata = shapes.metadata_of(written.value)
    return {"name": metadata["name"], "group": kind.group, "kind": kind.plural, "uid": metadata["uid"]}
