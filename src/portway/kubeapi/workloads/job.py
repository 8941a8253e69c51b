"""Job: defaults, the labels by which it knows its pods, validation.

Source: k8s.io/kubernetes pkg/apis/batch/v1/defaults.go, pkg/apis/batch/validation (ValidateJobSpec),
pkg/registry/batch/job/strategy.go (generateSelector).
"""

from portway.kubeapi import fault, names
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.workloads.pod_spec import validate_labels, validate_spec
from portway.kubeapi.workloads.template import default_template, immutable, validate_counts, warnings_on_create

name_rule = names.is_dns1123_subdomain
_POLICIES = ("OnFailure", "Never")
_UID, _NAME = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"
_COUNTS = ("parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished")


def default(doc: Doc) -> None:
    """The batch/v1 defaults."""
    spec = doc.setdefault("spec", {})
    given = (spec.get("template") or {}).get("spec") or {}
    asked = given.get("restartPolicy")
    default_template(spec)
    if not asked:  # a pod's default is no default here: it has to be said
        spec["template"]["spec"].pop("restartPolicy", None)
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    for name, value in (("parallelism", 1), ("backoffLimit", 6), ("suspend", False), ("manualSelector", False)):
        if spec.get(name) is None:
            spec[name] = value
    spec["completionMode"] = spec.get("completionMode") or "NonIndexed"
    spec["podReplacementPolicy"] = spec.get("podReplacementPolicy") or "TerminatingOrFailed"


def prepare_create(doc: Doc) -> None:
    """It selects by its own uid, which its pods carry, unless it says that it has a selector of its own."""
    doc["status"] = {}
    spec, metadata = doc["spec"], doc["metadata"]
    template = spec["template"]["metadata"]
    if not spec.get("manualSelector"):
        uid, name = metadata.get("uid") or "", metadata.get("name") or ""
        own = {_UID: uid, "controller-uid": uid, _NAME: name, "job-name": name}
        template["labels"] = own | (template.get("labels") or {})
        selector = spec.setdefault("selector", {})
        selector["matchLabels"] = {_UID: uid} | (selector.get("matchLabels") or {})
    if not metadata.get("labels") and template.get("labels"):
        metadata["labels"] = dict(template["labels"])


def validate(new: Doc, old: Doc | None) -> list[FieldError]:
    """The spec; on update also that selector and template stay."""
    spec = new["spec"]
    template, path = spec["template"], "spec.template"
    found = validate_counts(spec, "spec", *_COUNTS)
    if spec["completionMode"] not in ("NonIndexed", "Indexed"):
        found.append(fault.not_supported("spec.completionMode", spec["completionMode"], ("NonIndexed", "Indexed")))
    found += validate_labels((template.get("metadata") or {}).get("labels") or {}, f"{path}.labels")
    policy = template["spec"].get("restartPolicy") or ""
    if policy not in _POLICIES:
        here = f"{path}.spec.restartPolicy"
        found.append(fault.required(here, f"valid values: {', '.join(map(fault.quoted, _POLICIES))}"))
    else:
        found += validate_spec(template["spec"], f"{path}.spec")
    return found + (immutable(new, old, "selector") + immutable(new, old, "template") if old else [])


warnings = warnings_on_create
