"""What Prometheus reads of an announcer, by MetalLB's names, read by Prometheus's own parser."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from portway.agent.announce.figures import Figures, Told
from portway.agent.metrics import Tally, exposition

ADDRESS, PEER = "192.0.2.7", "192.0.2.254"


def samples(figures: Figures) -> dict[str, tuple[dict[str, str], float]]:
    families = text_string_to_metric_families(exposition(Tally(), figures)[0])
    found = (s for family in families for s in family.samples)
    return {s.name.removeprefix("metallb_"): (s.labels, s.value) for s in found if s.name.startswith("metallb_")}


@pytest.mark.parametrize("up", [True, False])
def test_names_labels_and_meanings(up: bool) -> None:
    figures = Figures("n1")
    figures.received[ADDRESS], figures.answered[ADDRESS], figures.gratuitous[ADDRESS] = 5, 4, 6
    figures.told = frozenset((Told("layer2", "shop/web", ADDRESS),))
    figures.prefixes[f"{PEER}:179"] = 3
    figures.up = frozenset((PEER,) if up else ())
    figures.bgp_updates[PEER] = 8
    figures.rounds, figures.failures, figures.loaded = 9, 2, True
    assert samples(figures) == {
        "layer2_requests_received": ({"ip": ADDRESS}, 5),
        "layer2_responses_sent": ({"ip": ADDRESS}, 4),
        "layer2_gratuitous_sent": ({"ip": ADDRESS}, 6),
        "speaker_announced": (
            {"protocol": "layer2", "service": "shop/web", "node": "n1", "ip": ADDRESS}, 1,
        ),
        "bgp_session_up": ({"peer": f"{PEER}:179"}, int(up)),
        "bgp_announced_prefixes_total": ({"peer": f"{PEER}:179"}, 3 * up),
        "bgp_pending_prefixes_total": ({"peer": f"{PEER}:179"}, 3),
        "bgp_updates_total": ({"peer": f"{PEER}:179"}, 8),
        "k8s_client_updates_total": ({}, 9),
        "k8s_client_update_errors_total": ({}, 2),
        "k8s_client_config_loaded_bool": ({}, 1),
        "k8s_client_config_stale_bool": ({}, 0),
    }  # fmt: skip


def test_who_must_be_silent_announces_nothing_at_layer_2() -> None:
    figures = Figures("n1")
    figures.told = frozenset((Told("layer2", "shop/web", ADDRESS), Told("bgp", "shop/web", ADDRESS)))
    figures.fresh = lambda: False
    assert samples(figures)["speaker_announced"][0]["protocol"] == "bgp"
