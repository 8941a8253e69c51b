"""What hangs below a document: scale, a pod's binding and eviction, a namespace's finalize."""

import copy
from typing import Any

import msgspec
from aiohttp import web

from portway.apiserver import answer
from portway.apiserver.call import Call
from portway.apiserver.registry import Options, Registry, Step
from portway.apiserver.target import Target
from portway.kubeapi import pipeline
from portway.kubeapi.catalogue import by_resource
from portway.kubeapi.errors import Doc, bad_request, conflict
from portway.kubeapi.kinds import Kind
from portway.kubeapi.patch.equality import same
from portway.kubeapi.pipeline import Prepared, Request

_SCALE = Kind(group="autoscaling", version="v1", kind="Scale", plural="scales")


def get_scale(registry: Registry, call: Call) -> web.Response:
    """GET of /scale."""
    entry = registry.get(call.target)
    scale = pipeline.scale_of(registry.decode(entry, call.target.kind), entry.revision)
    return answer.document(scale, call.form)


async def update_scale(registry: Registry, call: Call) -> web.Response:
    """PUT of /scale."""
    body, options = await call.document()

    def step(old: Doc, revision: int, request: Request) -> Prepared:
        return pipeline.update(pipeline.scaled(copy.deepcopy(old), body), old, revision, request)

    return _scaled(call, (await registry.change(call.target, step, options)).value)


async def patch_scale(registry: Registry, call: Call) -> web.Response:
    """PATCH of /scale."""
    sent = await call.body()
    body = sent.decode()

    def step(old: Doc, revision: int, request: Request) -> Prepared:
        scale = pipeline.patched(pipeline.scale_of(old, revision), copy.deepcopy(body), sent.media_type, _SCALE)
        return pipeline.update(pipeline.scaled(copy.deepcopy(old), scale), old, revision, request)

    return _scaled(call, (await registry.change(call.target, step, call.options())).value)


def _scaled(call: Call, value: bytes) -> web.Response:
    doc = msgspec.json.decode(value)
    return answer.document(pipeline.scale_of(doc, int(doc["metadata"]["resourceVersion"])), call.form)


async def bind(registry: Registry, call: Call) -> web.Response:
    """POST to a pod's binding: it is scheduled to the target node."""
    body, options = await call.document()
    return await _bind(registry, call, call.target, body, options)


async def bind_named(registry: Registry, call: Call) -> web.Response:
    """POST to bindings: the same for the pod of the Binding's name."""
    body, options = await call.document()
    pods = by_resource("", "v1", "pods")
    name = ((body.get("metadata") if isinstance(body, dict) else None) or {}).get("name")
    if pods is None or not isinstance(name, str) or not name:
        raise bad_request("Binding: metadata.name: must be the name of a pod")
    return await _bind(registry, call, Target(pods, call.target.namespace, name), body, options)


async def _bind(registry: Registry, call: Call, pod: Target, body: Any, options: Options) -> web.Response:
    await registry.change(pod, _binding(body), options)
    return answer.document(answer.success({}, 201), call.form, 201)


def _binding(body: Any) -> Step:
    target = (body.get("target") if isinstance(body, dict) else None) or {}
    node = target.get("name")
    if target.get("kind") not in (None, "", "Node") or not node:
        raise bad_request('Binding: target: must name a Node, e.g. {"kind": "Node", "name": "node-1"}')

    def step(old: Doc, revision: int, request: Request) -> Prepared:
        name, bound = old["metadata"]["name"], (old.get("spec") or {}).get("nodeName")
        if "deletionTimestamp" in old["metadata"]:
            raise conflict("pods/binding", name, "", f"pod {name} is being deleted, cannot be assigned to a host")
        if bound:
            raise conflict("pods/binding", name, "", f'pod {name} is already assigned to node "{bound}"')
        return Prepared(_bound(old, str(node), request.now))

    return step


def _bound(old: Doc, node: str, now: str) -> Doc:
    status = old.get("status") or {}
    scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
    conditions = [each for each in status.get("conditions") or () if each.get("type") != "PodScheduled"]
    return old | {
        "spec": old["spec"] | {"nodeName": node},
        "status": status | {"conditions": [*conditions, scheduled]},
    }


async def evict(registry: Registry, call: Call) -> web.Response:
    """POST to a pod's eviction: a deletion, as nothing here limits disruption."""
    body, options = await call.document()
    wanted = pipeline.delete_options(body.get("deleteOptions") if isinstance(body, dict) else None, {})
    await registry.delete(call.target, msgspec.structs.replace(wanted, dry_run=wanted.dry_run or options.dry_run))
    return answer.document(answer.success({}, 201), call.form, 201)


async def finalize(registry: Registry, call: Call) -> web.Response:
    """PUT of a namespace's finalize: only spec.finalizers changes; when the last goes from a dying one, so does it."""
    body, options = await call.document()

    def step(old: Doc, revision: int, request: Request) -> Prepared:
        new = copy.deepcopy(body)
        pipeline.check_target(new, old, revision, request)
        finalizers = (new.get("spec") or {}).get("finalizers") or []
        spec = (old.get("spec") or {}) | {"finalizers": finalizers}
        return Prepared(old | {"spec": spec}, changed=not same(spec, old.get("spec")))

    written = await registry.change(call.target, step, options)
    return answer.raw(written.value, call.form)
