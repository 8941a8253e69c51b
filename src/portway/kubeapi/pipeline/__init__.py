"""What happens to a document between a request and the store, the same for every Kind.

A **request** says which Kind, where, when and how; `create`, `update` and `update_status` turn a decoded body into a
**Prepared** document with what was allocated for it; `delete` decides between removing and marking. Nothing here
reads or writes anything: the API server stores what comes out, then commits the claims, or rolls them back.
The order of the steps is Kubernetes' (pkg/registry/generic/registry/store.go, registry/rest/{create,update,delete}.go).
"""

from portway.kubeapi.pipeline.create import create
from portway.kubeapi.pipeline.delete import DeleteOptions, Mark, Remove, delete, delete_options
from portway.kubeapi.pipeline.document import encode, with_revision
from portway.kubeapi.pipeline.managers import applied
from portway.kubeapi.pipeline.patching import APPLY, check_patch_type, patched
from portway.kubeapi.pipeline.request import Prepared, Request, rollback
from portway.kubeapi.pipeline.scale import scale_of, scaled
from portway.kubeapi.pipeline.update import check_target, finished, update, update_status

__all__ = [
    "APPLY",
    "DeleteOptions",
    "Mark",
    "Prepared",
    "Remove",
    "Request",
    "applied",
    "check_patch_type",
    "check_target",
    "create",
    "delete",
    "delete_options",
    "encode",
    "finished",
    "patched",
    "rollback",
    "scale_of",
    "scaled",
    "update",
    "update_status",
    "with_revision",
]
