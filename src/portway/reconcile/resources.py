"""The resources that controllers read and write."""

from portway.kubeapi.kinds import Resource

CONFIG_MAPS = Resource("", "v1", "configmaps")
DEPLOYMENTS = Resource("apps", "v1", "deployments")
ENDPOINTS = Resource("", "v1", "endpoints")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")
EVENTS = Resource("", "v1", "events")
GATEWAYS = Resource("gateway.networking.k8s.io", "v1", "gateways")
GATEWAY_CLASSES = Resource("gateway.networking.k8s.io", "v1", "gatewayclasses", namespaced=False)
HTTP_ROUTES = Resource("gateway.networking.k8s.io", "v1", "httproutes")
INGRESSES = Resource("networking.k8s.io", "v1", "ingresses")
IP_ADDRESS_POOLS = Resource("metallb.io", "v1beta1", "ipaddresspools")
L2_ADVERTISEMENTS = Resource("metallb.io", "v1beta1", "l2advertisements")
NAMESPACES = Resource("", "v1", "namespaces", namespaced=False)
NODES = Resource("", "v1", "nodes", namespaced=False)
PODS = Resource("", "v1", "pods")
REPLICATION_CONTROLLERS = Resource("", "v1", "replicationcontrollers")
REPLICA_SETS = Resource("apps", "v1", "replicasets")
SERVICES = Resource("", "v1", "services")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts")
TCP_ROUTES = Resource("gateway.networking.k8s.io", "v1", "tcproutes")
