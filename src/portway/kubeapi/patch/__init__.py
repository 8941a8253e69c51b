"""The patches that the API takes, as functions from a document and a patch to a new document.

`json_patch` is RFC 6902, `merge` is RFC 7386, `strategic` is Kubernetes' strategic merge patch,
`apply` is server-side apply with its managers (`managed`), field sets (`field_set`) and typed merge (`typed`).

Rules: copy on write. What a patch does not touch is shared with the document that was patched; only the containers
on the way to a change are new. Neither the document nor the patch is ever changed in place, so whoever changes
the result in place makes its own copy first. Bad patches raise ApiError with the API server's code and words.
"""

from portway.kubeapi.patch import apply, json_patch, merge, strategic

__all__ = ["apply", "json_patch", "merge", "strategic"]
