"""What Prometheus reads of the load balancers' controller, by MetalLB's names, read by Prometheus's own parser."""

from prometheus_client.parser import text_string_to_metric_families

from portway.controllers.metrics import BalancerFigures, exposition
from portway.loadbalancer.usage import Usage

USED = Usage({"IPv4": 9, "IPv6": 4}, {"IPv4": 2, "IPv6": 1}, services=5)


def samples(figures: BalancerFigures) -> dict[str, tuple[dict[str, str], float]]:
    families = text_string_to_metric_families(exposition(figures)[0])
    found = (s for family in families for s in family.samples)
    return {s.name.removeprefix("metallb_"): (s.labels, s.value) for s in found if s.name.startswith("metallb_")}


def test_names_labels_and_meanings() -> None:
    assert samples(BalancerFigures({"first": USED}, updates=7, errors=1, loaded=True, stale=False)) == {
        "allocator_addresses_total": ({"pool": "first"}, 13),
        "allocator_addresses_in_use_total": ({"pool": "first"}, 3),
        "allocator_ipv4_addresses_total": ({"pool": "first"}, 9),
        "allocator_ipv4_addresses_in_use_total": ({"pool": "first"}, 2),
        "allocator_ipv6_addresses_total": ({"pool": "first"}, 4),
        "allocator_ipv6_addresses_in_use_total": ({"pool": "first"}, 1),
        "allocator_services_allocated_total": ({"pool": "first"}, 5),
        "k8s_client_updates_total": ({}, 7),
        "k8s_client_update_errors_total": ({}, 1),
        "k8s_client_config_loaded_bool": ({}, 1),
        "k8s_client_config_stale_bool": ({}, 0),
    }
