"""Every write: the pipeline's steps between a read and a conditional commit, tried again when another was faster."""

import copy
import secrets
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from portway.apiserver import companions
from portway.apiserver.target import Target
from portway.kubeapi import pipeline
from portway.kubeapi.cluster import Cluster
from portway.kubeapi.errors import ApiError, Doc, already_exists, conflict, not_found
from portway.kubeapi.kinds import Kind
from portway.kubeapi.pipeline import DeleteOptions, Prepared, Remove, Request
from portway.kubeapi.pipeline.checks import forbidden
from portway.kubeapi.pipeline.request import FieldValidation
from portway.store import Change, Delete, Done, Entry, Key, Put, Store

_NAME_ATTEMPTS = 8
_UPDATE_ATTEMPTS = 64
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Kubernetes' alphabet for generated names: no vowels, no digits that look like letters."""

Step = Callable[[Doc, int, Request], Prepared]
"""(stored document, its revision, request) -> what to store instead."""


class Options(Struct, frozen=True):
    """The query parameters that every write knows."""

    dry_run: bool = False
    field_validation: FieldValidation = "Warn"
    duplicates: tuple[str, ...] = ()
    manager: str = ""
    subresource: str = ""
    applied: bool = False


class Written(Struct, frozen=True):
    """What a write answers: the document as bytes with its resourceVersion."""

    value: bytes
    warnings: list[str] = []
    created: bool = False
    removed: bool = False


def collection(kind: Kind) -> str:
    """The store's name for a Kind's documents."""
    return f"{kind.group}/{kind.plural}" if kind.group else kind.plural


def key_of(target: Target) -> Key:
    """The store's key of a document."""
    return Key(collection(target.kind), target.namespace, target.name)


class Registry:
    """The store with Kubernetes' rules in front of it."""

    def __init__(self, store: Store, cluster: Cluster, pod_logs: Path, kubelets: Path) -> None:
        self.store, self.cluster, self.pod_logs, self.kubelets = store, cluster, pod_logs, kubelets

    def get(self, target: Target) -> Entry:
        """The stored document. Raises 404."""
        entry = self.store.get(key_of(target))
        if entry is None:
            raise not_found(target.kind.plural, target.name, target.kind.group)
        return entry

    def decode(self, entry: Entry, kind: Kind) -> Doc:
        """The stored document, as it is read."""
        doc: Doc = msgspec.json.decode(entry.value)
        if kind.served_versions:
            doc["apiVersion"] = kind.api_version
        kind.on_read(doc, self.cluster)
        return doc

    async def create(self, target: Target, body: Any, options: Options) -> Written:
        """POST to a collection."""
        self._check_namespace(target, body)
        for _ in range(_NAME_ATTEMPTS):
            prepared = pipeline.create(copy.deepcopy(body), self._request(target, options))
            metadata = prepared.doc["metadata"]
            key = Key(collection(target.kind), target.namespace, metadata["name"])
            written = await self._store(key, 0, prepared, options, created=True)
            if written is not None:
                return written
            chosen = not metadata.get("generateName") or (body.get("metadata") or {}).get("name")
            if chosen and self.store.get(key) is not None:
                break
        raise already_exists(target.kind.plural, key.name, target.kind.group)

    async def change(self, target: Target, step: Step, options: Options) -> Written:
        """PUT, PATCH and what else replaces a document: `step` again on every newer state until it is stored."""
        for _ in range(_UPDATE_ATTEMPTS):
            entry = self.get(target)
            prepared = step(self.decode(entry, target.kind), entry.revision, self._request(target, options))
            if not prepared.changed:
                prepared.rollback()
                return Written(pipeline.with_revision(entry.value, entry.revision), prepared.warnings)
            if pipeline.finished(prepared.doc, target.kind):
                written = await self._remove(target, entry, prepared, options)
            else:
                written = await self._store(entry.key, entry.revision, prepared, options)
            if written is not None:
                return written
        raise conflict(target.kind.plural, target.name, target.kind.group)

    async def apply(self, target: Target, config: Any, options: Options, *, force: bool) -> Written:
        """Server-side apply: of what is there, or of nothing."""
        if self.store.get(key_of(target)) is None:
            new = pipeline.applied(None, config, self._request(target, options), force)
            new["metadata"].setdefault("name", target.name)
            return await self.create(target, new, options)

        def step(old: Doc, revision: int, request: Request) -> Prepared:
            new = copy.deepcopy(pipeline.applied(copy.deepcopy(old), copy.deepcopy(config), request, force))
            finish = pipeline.update_status if request.subresource == "status" else pipeline.update
            return finish(new, old, revision, request)

        return await self.change(target, step, options)

    async def delete(self, target: Target, wanted: DeleteOptions) -> Written:
        """DELETE of one document; `removed` False: it was only marked."""
        options = Options(dry_run=wanted.dry_run)
        for _ in range(_UPDATE_ATTEMPTS):
            entry = self.get(target)
            old = self.decode(entry, target.kind)
            decision = pipeline.delete(old, entry.revision, wanted, self._request(target, options))
            prepared = Prepared(decision.doc)
            if isinstance(decision, Remove):
                written = await self._remove(target, entry, prepared, options)
            elif decision.changed:
                written = await self._store(entry.key, entry.revision, prepared, options)
            else:
                written = Written(pipeline.with_revision(entry.value, entry.revision))
            if written is not None:
                return written
        raise conflict(target.kind.plural, target.name, target.kind.group)

    async def _store(
        self, key: Key, expected: int, prepared: Prepared, options: Options, *, created: bool = False
    ) -> Written | None:
        """Put the document and settle its claims; None: another was faster."""
        value = pipeline.encode(prepared.doc)
        if options.dry_run:
            prepared.rollback()
            entry = self.store.get(key)
            fresh = (entry.revision if entry else 0) == expected
            return Written(_shown(value, expected), prepared.warnings, created) if fresh else None
        beside = companions.of_change(self.store, key, prepared.claims, _now())
        revision = await self._commit([Put(key, value, expected), *beside], prepared)
        if revision is None:
            return None
        return Written(pipeline.with_revision(value, revision), prepared.warnings, created)

    async def _remove(self, target: Target, entry: Entry, prepared: Prepared, options: Options) -> Written | None:
        """Delete the document and what goes with it, and settle the claims; None: another was faster."""
        if options.dry_run:
            prepared.rollback()
            return Written(_shown(pipeline.encode(prepared.doc), entry.revision), prepared.warnings, removed=True)
        released = target.kind.begin_delete(prepared.doc, self.cluster)
        changes = [Delete(entry.key, entry.revision), *companions.of_removal(self.store, entry.key, released)]
        revision = await self._commit(changes, prepared, Prepared(prepared.doc, released))
        if revision is None:
            return None
        value = pipeline.encode(prepared.doc)
        return Written(pipeline.with_revision(value, revision), prepared.warnings, removed=True)

    async def _commit(self, changes: list[Change], *prepared: Prepared) -> int | None:
        """The first change's revision once everything is stored; claims are settled either way."""
        stored = False
        try:
            outcome = await self.store.commit(*changes)
            stored = isinstance(outcome, Done)
            return outcome.revisions[0] if isinstance(outcome, Done) else None
        finally:
            for each in prepared:
                each.commit() if stored else each.rollback()

    def _request(self, target: Target, options: Options) -> Request:
        return Request(
            kind=target.kind,
            namespace=target.namespace,
            name=target.name,
            cluster=self.cluster,
            now=_now(),
            uid=str(uuid.uuid4()),
            suffix="".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(5)),
            dry_run=options.dry_run,
            field_validation=options.field_validation,
            duplicates=options.duplicates,
            manager=options.manager,
            subresource=options.subresource,
            applied=options.applied,
        )

    def _check_namespace(self, target: Target, body: Any) -> None:
        """A document is created only in a namespace that exists and is to stay. Raises 403, 404."""
        if not target.namespace:
            return
        entry = self.store.get(Key("namespaces", "", target.namespace))
        if entry is None:
            raise not_found("namespaces", target.namespace)
        if "deletionTimestamp" in msgspec.json.decode(entry.value)["metadata"]:
            raise _terminating(target, body)


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _shown(value: bytes, revision: int) -> bytes:
    return pipeline.with_revision(value, revision) if revision else value


def _terminating(target: Target, body: Any) -> ApiError:
    metadata = (body.get("metadata") if isinstance(body, dict) else None) or {}
    namespace = target.namespace
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    return forbidden(target.kind, str(metadata.get("name") or ""), why, [cause])


def replacing(body: Any) -> Step:
    """The step of a PUT."""
    return lambda old, revision, request: pipeline.update(copy.deepcopy(body), old, revision, request)


def replacing_status(body: Any) -> Step:
    """The step of a PUT to /status."""
    return lambda old, revision, request: pipeline.update_status(copy.deepcopy(body), old, revision, request)
