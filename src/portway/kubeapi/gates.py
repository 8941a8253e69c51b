"""Feature gates that change what the API accepts, as Kubernetes 1.36 sets them (pkg/features/kube_features.go)."""

from msgspec import Struct


class Gates(Struct, frozen=True):
    """The gates that validation asks."""

    relaxed_service_names: bool = True
    """RelaxedServiceNameValidation: a Service's name may begin with a digit."""
    strict_ips: bool = True
    """StrictIPCIDRValidation: no new values with leading zeros, no IPv4-mapped IPv6."""
    prefer_same: bool = True
    """PreferSameTrafficDistribution: trafficDistribution PreferSameZone and PreferSameNode."""


GATES = Gates()
