"""The classes that a cluster begins with, so that Ingresses and Gateways work with nothing configured.

Objects like a user's own, to be seen, changed and deleted.
"""

from portway.kubeapi.errors import Doc
from portway.kubeapi.ingressclass import DEFAULT_ANNOTATION

NAME = "portway"
"""Of both classes."""
INGRESS_CONTROLLER = "portway.dev/ingress"
"""spec.controller of IngressClasses that are ours."""
GATEWAY_CONTROLLER = "portway.dev/gateway"
"""spec.controllerName of GatewayClasses that are ours."""


def first_objects() -> list[Doc]:
    """An IngressClass, the default one, and a GatewayClass."""
    return [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": NAME, "annotations": {DEFAULT_ANNOTATION: "true"}},
            "spec": {"controller": INGRESS_CONTROLLER},
        },
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {"name": NAME},
            "spec": {"controllerName": GATEWAY_CONTROLLER, "description": "Doors of this cluster, one a Gateway"},
        },
    ]
