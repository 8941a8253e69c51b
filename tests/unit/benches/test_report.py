"""Tables and plots of saved figures."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from bench import report

ROWS = [
    {"services": 100, "endpoints": 10, "sync": 0.02, "cpu": 0.02, "peer": 0.1, "proxies": {}},
    {"services": 10000, "endpoints": 10, "sync": 2.0, "cpu": 1.9, "proxies": {"kube-proxy": {"seconds": 84}}},
]


def test_a_table_has_the_columns_that_there_are_figures_for() -> None:
    assert report.table(ROWS, report._COLUMNS["sync"]) == (
        "| Services | endpoints each | clock | CPU, kernel included | peer | kube-proxy, from its start |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| 100 | 10 | 0.02 s | 0.02 s | 0.10 s |  |\n"
        "| 10,000 | 10 | 2.00 s | 1.90 s |  | 84.00 s |\n"
    )


def test_growth_is_the_exponent() -> None:
    assert report.growth([(10, 3), (100, 30), (1000, 300)]) == pytest.approx(1)
    assert report.growth([(10, 1), (100, 100)]) == pytest.approx(2)
    assert report.growth([(10, 7), (100, 7)]) == pytest.approx(0)


def test_a_plot_is_svg_with_a_line_for_each_series() -> None:
    drawn = ElementTree.fromstring(report.svg("s", {"Portway": [(10, 1), (100, 10)], "peer": [(10, 1), (100, 100)]}))
    lines = [part for part in drawn if part.tag.endswith("polyline")]
    assert len(lines) == 2
    told = ["".join(part.itertext()) for part in drawn if part.tag.endswith("text")]
    assert {"● Portway: n^1.00", "● peer: n^2.00", "100", "Services"} <= set(told)


def test_the_page_has_a_place_for_every_table() -> None:
    page = report.PAGE.read_text()
    for bench in report._COLUMNS:
        page = report.replaced(page, bench, f"table of {bench}\n")
    assert all(page.count(f"table of {bench}\n") == 1 for bench in report._COLUMNS)
    with pytest.raises(ValueError, match="needs one"):
        report.replaced("no marks", "sync", "")


def test_series_of_one_size_are_not_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "PLOTS", tmp_path / "plots")
    report.draw("sync", ROWS[:1])
    assert not (tmp_path / "plots").exists()
    report.draw("sync", ROWS)
    text = (tmp_path / "plots" / "sync.svg").read_text()
    assert "Portway" in text and "kube-proxy" not in text
