"""Server-side apply: a document put together from what each manager says of it.

`apply` merges one manager's whole intent: what it says is set, what it said before and says no longer goes (unless
another manager owns it too), and what another manager owns with another value is a conflict. `update` notes what a
plain write changed, so that later applies know whose it is.

Source: sigs.k8s.io/structured-merge-diff merge/update.go; KEP-555.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from portway.kubeapi.errors import ApiError, Doc, bad_request
from portway.kubeapi.patch import managed, typed
from portway.kubeapi.patch.equality import same
from portway.kubeapi.patch.field_set import FieldSet, Path, text
from portway.kubeapi.patch.managed import Manager
from portway.kubeapi.patch.refusal import object_of, undecodable


class Writer(Struct, frozen=True):
    """Who writes, and when."""

    manager: str
    """The query's fieldManager; for updates, else the user agent's name."""
    time: str
    """RFC 3339."""
    subresource: str = ""


def apply(live: Doc | None, config: Any, schema_type: str, writer: Writer, force: bool = False) -> Doc:
    """`live` (None: there is none yet) with the manager's intent `config` in place, managedFields brought up to date.

    `config` is best decoded before (kubeapi/strict): `1000m` and `1` are two values here, and so two opinions.
    The same document comes back when nothing changes. Raises ApiError: 400 for a config that is no object, brings
    managedFields, 500 that names an item twice; 409 for conflicts when not `force`; with it the fields change hands.
    """
    config = _intent(config)
    shape = typed.shape_of(schema_type)
    _refuse_duplicates(config, shape)
    old = live or {}
    entry = Manager(
        name=writer.manager,
        operation="Apply",
        api_version=config.get("apiVersion") or old.get("apiVersion") or "",
        fields=managed.tracked(typed.owned(config, shape)),
        time=writer.time,
        subresource=writer.subresource,
    )
    before, others = _split(managed.read(old), entry)
    merged = typed.merge(old, config, shape)
    gone = (before.fields if before else frozenset()) - entry.fields
    merged = typed.without(merged, shape, gone, _kept([entry, *others])) or {}
    changed, removed = _changes(old, merged, shape)
    others = _yield_to(others, changed, removed, force)
    if before and before.fields == entry.fields and not changed and not removed:
        entry = before
    result = managed.written(merged, [entry, *others])
    return live if live is not None and same(result, live) else result


def update(live: Doc | None, new: Doc, schema_type: str, writer: Writer) -> Doc:
    """`new`, written by other means than apply over `live`, with its managedFields brought up to date."""
    shape = typed.shape_of(schema_type)
    managers = managed.read(live or {})
    changed, removed = _changes(live or {}, new, shape)
    if not changed and not removed:
        return managed.written(new, managers)
    entry = Manager(writer.manager, "Update", new.get("apiVersion") or "", frozenset(), writer.time, writer.subresource)
    before, others = _split(managers, entry)
    fields = ((before.fields if before else frozenset()) - removed) | changed
    others = [replace(other, fields=other.fields - changed - removed) for other in others]
    return managed.written(new, [replace(entry, fields=fields), *others])


def _intent(config: Any) -> Doc:
    intent: Doc = _without_nulls(object_of(config))
    metadata = intent.get("metadata", {})
    if not isinstance(metadata, dict):
        raise undecodable(metadata, "v1.ObjectMeta")
    if metadata.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    return intent


def _refuse_duplicates(config: Doc, shape: typed.Shape) -> None:
    twice = typed.duplicate(config, shape)
    if twice:
        *path, element = twice
        raise untyped(config, f"{text(tuple(path))}: duplicate entries for key {text((element,))}")


def untyped(config: Doc, why: str) -> ApiError:
    """500, as kube-apiserver answers: the config is not what its kind's schema says."""
    metadata, version = config.get("metadata") or {}, config.get("apiVersion") or ""
    gvk = f"{version if '/' in version else f'/{version}'}, Kind={config.get('kind') or ''}"
    what = f"{metadata.get('namespace') or ''}/{metadata.get('name') or ''}; {gvk}"
    return ApiError(500, "", f"failed to create typed patch object ({what}): {why}")


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(part) for name, part in value.items() if part is not None}
    return [_without_nulls(part) for part in value] if isinstance(value, list) else value


def _split(managers: Sequence[Manager], entry: Manager) -> tuple[Manager | None, list[Manager]]:
    before = next((manager for manager in managers if manager.identity == entry.identity), None)
    return before, [manager for manager in managers if manager.identity != entry.identity]


def _kept(managers: Sequence[Manager]) -> frozenset[Path]:
    """Every path that someone owns, or owns something below."""
    paths = (path for manager in managers for path in manager.fields)
    return frozenset(path[:depth] for path in paths for depth in range(len(path) + 1))


def _changes(old: Doc, new: Doc, shape: typed.Shape) -> tuple[FieldSet, FieldSet]:
    """(added or given another value, removed)."""
    before, after = typed.leaves(old, shape), typed.leaves(new, shape)
    changed = (path for path, value in after.items() if path not in before or not same(before[path], value))
    return managed.tracked(changed), managed.tracked(before.keys() - after.keys())


def _yield_to(others: list[Manager], changed: FieldSet, removed: FieldSet, force: bool) -> list[Manager]:
    """The other managers without what changes hands. Raises ApiError 409 when they do not want to."""
    conflicts = [(other, path) for other in others for path in sorted(other.fields & changed)]
    if conflicts and not force:
        raise _conflict(conflicts)
    return [replace(other, fields=other.fields - changed - removed) for other in others]


def _conflict(conflicts: list[tuple[Manager, Path]]) -> ApiError:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": text(path)}
        for manager, path in conflicts
    ]
    if len(conflicts) == 1:
        (manager, path) = conflicts[0]
        message = f"Apply failed with 1 conflict: conflict with {manager}: {text(path)}"
        return ApiError(409, "Conflict", message, {"causes": causes})
    lines = []
    for name in sorted({str(manager) for manager, _ in conflicts}):
        lines.append(f"conflicts with {name}:")
        lines += [f"- {text(path)}" for manager, path in conflicts if str(manager) == name]
    message = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
    return ApiError(409, "Conflict", message, {"causes": causes})
