"""The labels by which the doors' controller tells a node's proxy what shares EndpointSlices have.

Only slices that say they are managed by that controller are believed: on other people's, the labels mean nothing.
"""

from collections.abc import Mapping

from portway import model

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLER = "doors.portway.dev"
GROUP_LABEL = "portway.dev/backend"
WEIGHT_LABEL = "portway.dev/weight"


def share_labels(group: str, weight: int) -> dict[str, str]:
    """What a slice of the controller's carries."""
    return {MANAGED_BY: CONTROLLER, GROUP_LABEL: group, WEIGHT_LABEL: str(weight)}


def share(labels: Mapping[str, str | None]) -> model.Share | None:
    """What a slice's labels say; None where they say nothing that counts."""
    if labels.get(MANAGED_BY) != CONTROLLER:
        return None
    group, weight = labels.get(GROUP_LABEL), labels.get(WEIGHT_LABEL) or ""
    return model.Share(group, int(weight)) if group and weight.isascii() and weight.isdecimal() else None
