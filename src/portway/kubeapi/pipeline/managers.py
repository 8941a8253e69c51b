"""metadata.managedFields: whose fields are whose, from an object's first apply on.

As long as nobody applies, nobody's fields are noted: most objects live and die so, and noting would double their
size. The first apply to an object that is there finds its fields owned by one manager of before.

Source: k8s.io/apimachinery pkg/util/managedfields (skipNonAppliedManager).
"""

import copy
import re
from typing import Any

from portway.kubeapi import strict
from portway.kubeapi.errors import Doc, invalid
from portway.kubeapi.fault import required
from portway.kubeapi.patch import apply
from portway.kubeapi.pipeline.request import Request

_UNKNOWN = re.compile(r'^unknown field "(.*)"$', re.MULTILINE)
_BEFORE = "before-first-apply"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_CLIENT_SIDE_APPLY = "kubectl-client-side-apply"
"""The name by which kubectl knows its own client-side applies again, to take their fields over."""
_RESET: tuple[list[Doc], ...] = ([], [{}])
"""What a client writes to make the server forget all managers."""


def applied(live: Doc | None, config: Any, request: Request, force: bool) -> Doc:
    """`live` (None: there is none) with the manager's intent in place. Raises 400, 409, 422, 500."""
    if not request.manager:
        missing = required("fieldManager", "is required for apply patch")
        raise invalid("PatchOptions", "", [missing], "meta.k8s.io")
    schema = request.kind.schema
    _refuse_undeclared(config, request)
    if live is not None and not live["metadata"].get("managedFields"):
        by_kubectl = _LAST_APPLIED in live["metadata"].get("annotations", {})
        before = apply.Writer(_CLIENT_SIDE_APPLY if by_kubectl else _BEFORE, request.now)
        live = apply.update(None, live, schema, before)
    return apply.apply(live, config, schema, _writer(request), force)


def _refuse_undeclared(config: Any, request: Request) -> None:
    """Who applies a field that there is not means something else: it is refused, whatever fieldValidation says."""
    if not isinstance(config, dict):
        return
    found = sorted(_UNKNOWN.findall("\n".join(strict.check(request.kind, copy.deepcopy(config)).strict)))
    if found:
        raise apply.untyped(config, f".{found[0]}: field not declared in schema")


def note(new: Doc, old: Doc, request: Request) -> Doc:
    """`new`, written over `old` by other means than apply, with managedFields that say so if anything did before."""
    if request.applied:
        return new
    given = new["metadata"].get("managedFields")
    known = old["metadata"].get("managedFields") if given is None else given
    if not known or known in _RESET:
        return new | {"metadata": {key: value for key, value in new["metadata"].items() if key != "managedFields"}}
    before = old | {"metadata": old["metadata"] | {"managedFields": known}}
    return apply.update(before, new, request.kind.schema, _writer(request))


def _writer(request: Request) -> apply.Writer:
    return apply.Writer(request.manager or "unknown", request.now, request.subresource)
