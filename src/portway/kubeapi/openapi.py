"""OpenAPI v3 documents, one for each group and version, made from the catalogue and the schema.

kubectl needs them: `create` and `apply` look up whether the server validates fields (the `fieldValidation` parameter
of a path with the kind's x-kubernetes-group-version-kind), three-way patches and `explain` read the schemas.
Definitions carry the names that Kubernetes gives them, so that tools which know those find their way.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import lru_cache

from portway.kubeapi.catalogue import groups, kinds_of
from portway.kubeapi.discovery import VERSION, Subresource, subresources
from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Kind
from portway.kubeapi.schema import SCALARS, TYPES, Field, Type

_REF = "#/components/schemas/"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_LIST_META = f"{_META}.ListMeta"
_PATCH = f"{_META}.Patch"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"

_EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions"
"""Where the Kinds without schema are defined."""

_SCALARS: dict[str, Doc] = {
    "string": {"type": "string"},
    "integer": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "boolean": {"type": "boolean"},
    "number": {"type": "number", "format": "double"},
    "IntOrString": {"$ref": _REF + _INT_OR_STRING},
    "Quantity": {"$ref": _REF + _QUANTITY},
    "Time": {"$ref": f"{_REF}{_META}.Time"},
    "MicroTime": {"$ref": f"{_REF}{_META}.MicroTime"},
    "object": {"type": "object"},
    "bytes": {"type": "string", "format": "byte"},
}
_SHARED: Doc = {
    _INT_OR_STRING: {
        "oneOf": [{"type": "integer"}, {"type": "string"}],
        "format": "int-or-string",
        "description": "A number, or a string such as a port's name or a percentage.",
    },
    _QUANTITY: {
        "oneOf": [{"type": "string"}, {"type": "number"}],
        "description": "An amount with an optional suffix: 500m, 2, 128Mi.",
    },
    f"{_META}.Time": {"type": "string", "format": "date-time", "description": "RFC 3339, to the second."},
    f"{_META}.MicroTime": {"type": "string", "format": "date-time", "description": "RFC 3339, to the microsecond."},
    _PATCH: {"type": "object", "description": "A patch in the form that the Content-Type says."},
}
_PARAMETERS = {
    "dryRun": "All: do everything but store the result.",
    "fieldManager": "Who asks; recorded in metadata.managedFields.",
    "fieldValidation": "What becomes of unknown and duplicate fields: Ignore, Warn or Strict.",
}
_PATCH_TYPES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)


@lru_cache(maxsize=1)
def index() -> Doc:
    """The document of /openapi/v3: where each group and version has its own."""
    return {"paths": {_name(*gv): {"serverRelativeURL": _address(_name(*gv))} for gv in groups()}}


@lru_cache(maxsize=32)
def document(group_version: str) -> Doc | None:
    """The document of /openapi/v3/`group_version` ("api/v1", "apis/apps/v1"); None for an unknown one.

    Cached and shared: do not change it.
    """
    for group, version in groups():
        if _name(group, version) == group_version:
            return _document(group, version)
    return None


def _name(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _address(name: str) -> str:
    text = json.dumps(document(name), sort_keys=True)
    return f"/openapi/v3/{name}?hash={hashlib.sha256(text.encode()).hexdigest()[:32].upper()}"


def _document(group: str, version: str) -> Doc:
    kinds = kinds_of(group, version)
    schemas = dict(_SHARED)
    for name in _reachable([*_roots(kinds), "ListMeta"]):
        schemas[TYPES[name].definition] = _schema(TYPES[name])
    for kind in kinds:
        schemas |= _kind_schemas(kind, schemas)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": {path: item for kind in kinds for path, item in _paths(kind)},
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def _roots(kinds: Iterable[Kind]) -> Iterator[str]:
    for kind in kinds:
        yield kind.schema or "ObjectMeta"
        yield from (sub.kind for sub in subresources(kind) if sub.kind in TYPES)


def _reachable(names: Iterable[str]) -> list[str]:
    found: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found and name not in SCALARS:
            found[name] = None
            waiting += (field.type for field in TYPES[name].fields.values())
    return list(found)


def _schema(type_: Type) -> Doc:
    schema: Doc = {"type": "object"}
    if type_.doc:
        schema["description"] = type_.doc
    schema["properties"] = {field.name: _property(field) for field in type_.fields.values()}
    if required := [field.name for field in type_.fields.values() if field.required]:
        schema["required"] = required
    if type_.atomic:
        schema["x-kubernetes-map-type"] = "atomic"
    return schema


def _property(field: Field) -> Doc:
    one: Doc = dict(_SCALARS[field.type]) if field.type in SCALARS else {"$ref": _REF + TYPES[field.type].definition}
    if field.enum:
        one["enum"] = list(field.enum)
    if field.many == "list":
        shape: Doc = {"type": "array", "items": _plain(one)} | _list_type(field)
    elif field.many == "map":
        shape = {"type": "object", "additionalProperties": _plain(one)}
    else:
        shape = one
    if field.atomic and field.many != "list":
        shape["x-kubernetes-map-type"] = "atomic"
    return _annotated(shape, field)


def _list_type(field: Field) -> Doc:
    if field.set_list:
        return {"x-kubernetes-list-type": "set"}
    if field.list_map_keys:
        return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(field.list_map_keys)}
    return {"x-kubernetes-list-type": "atomic"}


def _annotated(shape: Doc, field: Field) -> Doc:
    if "$ref" in shape:
        shape = {"allOf": [{"$ref": shape.pop("$ref")}], **shape}
    if field.doc:
        shape["description"] = field.doc
    if field.default:
        shape["default"] = field.default
    if field.strategy:
        shape["x-kubernetes-patch-strategy"] = field.strategy
    if field.patch_merge_key:
        shape["x-kubernetes-patch-merge-key"] = field.patch_merge_key
    return shape


def _plain(one: Doc) -> Doc:
    """An item: kubectl explain finds its type behind `allOf`, as in Kubernetes' own documents."""
    return {"allOf": [{"$ref": one["$ref"]}]} if "$ref" in one else one


def definition(kind: Kind) -> str:
    """The name of a Kind's definition, e.g. `io.k8s.api.core.v1.Service`."""
    if kind.schema:
        return TYPES[kind.schema].definition
    return f"{_EXTENSIONS}.{kind.version}.{kind.kind}"


def _gvk(api_version: str, kind: str) -> Doc:
    group, _, version = api_version.rpartition("/")
    return {"group": group, "version": version, "kind": kind}


def _kind_schemas(kind: Kind, schemas: Doc) -> Doc:
    name = definition(kind)
    free: Doc = {
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"allOf": [{"$ref": f"{_REF}{_META}.ObjectMeta"}]},
        },
        "x-kubernetes-preserve-unknown-fields": True,
    }
    gvk = _gvk(kind.api_version, kind.kind)
    one = schemas.get(name, free) | {"x-kubernetes-group-version-kind": [gvk]}
    return {name: one} if "list" not in kind.verbs else {name: one, f"{name}List": _list_schema(kind, name)}


def _list_schema(kind: Kind, name: str) -> Doc:
    return {
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "items": {"type": "array", "items": {"allOf": [{"$ref": _REF + name}]}},
            "kind": {"type": "string"},
            "metadata": {"allOf": [{"$ref": _REF + _LIST_META}]},
        },
        "required": ["items"],
        "x-kubernetes-group-version-kind": [_gvk(kind.api_version, f"{kind.kind}List")],
    }


def _paths(kind: Kind) -> Iterator[tuple[str, Doc]]:
    ref = _REF + definition(kind)
    gvk = _gvk(kind.api_version, kind.kind)
    collection = kind.resource.path("{namespace}")
    single = kind.resource.path("{namespace}", "{name}")
    verbs = set(kind.verbs)
    yield collection, _item(verbs & {"list", "create", "deletecollection"}, ref, gvk)
    if verbs != {"create"}:
        yield single, _item(verbs & {"get", "update", "patch", "delete"}, ref, gvk)
    for sub in subresources(kind):
        yield f"{single}/{sub.name}", _below(kind, sub)


def _below(kind: Kind, sub: Subresource) -> Doc:
    type_ = TYPES.get(sub.kind)
    ref = _REF + (definition(kind) if sub.kind == kind.kind or type_ is None else type_.definition)
    return _item(set(sub.verbs), ref, _gvk(sub.api_version, sub.kind))


_METHODS = {
    "list": ("get", "list"),
    "get": ("get", "get"),
    "create": ("post", "post"),
    "update": ("put", "put"),
    "patch": ("patch", "patch"),
    "delete": ("delete", "delete"),
    "deletecollection": ("delete", "deletecollection"),
}


def _item(verbs: set[str], ref: str, gvk: Doc) -> Doc:
    return {_METHODS[verb][0]: _operation(verb, ref, gvk) for verb in sorted(verbs)}


def _operation(verb: str, ref: str, gvk: Doc) -> Doc:
    answer = {"description": "OK", "content": {"application/json": {"schema": {"$ref": ref}}}}
    operation: Doc = {
        "responses": {"200": answer},
        "x-kubernetes-action": _METHODS[verb][1],
        "x-kubernetes-group-version-kind": gvk,
    }
    if verb in ("create", "update", "patch"):
        operation["parameters"] = [_parameter(name) for name in _PARAMETERS]
        operation["requestBody"] = {"content": _content(verb, ref), "required": True}
    return operation


def _content(verb: str, ref: str) -> Doc:
    if verb == "patch":
        return {media: {"schema": {"$ref": _REF + _PATCH}} for media in _PATCH_TYPES}
    return {"application/json": {"schema": {"$ref": ref}}, "application/yaml": {"schema": {"$ref": ref}}}


def _parameter(name: str) -> Doc:
    return {"name": name, "in": "query", "description": _PARAMETERS[name], "schema": {"type": "string"}}
