"""LoadBalancers from this machine, as tables and documents have them."""

from typing import Any

from portway.analysis.ports import PortRow
from portway.cli import balancers
from portway.cli.ports import _document
from portway.fleet import hostdoors
from portway.fleet.hostdoors import HostDoor

LOW = hostdoors.note(80, 10_080)


def _row(*addresses: str, service: str = "web", **fields: Any) -> PortRow:
    return PortRow(
        "shop", service, "LoadBalancer", ("10.96.0.9",), "http", "TCP", 80, 8080, (8080,), 0, 1, 1, addresses, **fields
    )


def _door(address: str, number: int, port: int = 10_080, problem: str = LOW) -> HostDoor:
    return HostDoor(address, "TCP", 80, f"127.1.2.{number}", port, problem)


BOTH = _row("172.18.0.211", "fd00:18::211")


def _told(*doors: HostDoor) -> dict[balancers.Front, HostDoor]:
    return {(door.address, door.protocol, door.port): door for door in doors}


def test_each_address_is_told_and_one_place_stands_for_all() -> None:
    four, six = _door("172.18.0.211", 211), _door("fd00:18::211", 111)
    document = _document(BOTH, _told(six, four))
    assert (document["fromThisMachine"], document["note"]) == ("127.1.2.211:10080", LOW)
    assert document["addresses"] == [
        {"address": "172.18.0.211", "fromThisMachine": "127.1.2.211:10080", "note": LOW},
        {"address": "fd00:18::211", "fromThisMachine": "127.1.2.111:10080", "note": LOW},
    ]


def test_the_place_that_stands_for_all_is_one_that_answers() -> None:
    silent = _door("172.18.0.211", 211, 0, "Cannot assign requested address")
    six = _door("fd00:18::211", 111, 80, "")
    assert _document(BOTH, _told(silent, six))["fromThisMachine"] == "127.1.2.111:80"
    alone = _document(BOTH, _told(silent))
    assert (alone["fromThisMachine"], alone["note"]) == ("", "Cannot assign requested address")
    assert "fromThisMachine" not in _document(BOTH, {})


def test_a_table_has_a_line_for_each_address_and_each_problem_once(tmp_path: Any) -> None:
    others = [_row(f"172.18.0.{number}", service=f"s{number}") for number in (212, 213)]
    doors = [
        _door("172.18.0.211", 211),
        _door("fd00:18::211", 111),
        _door("172.18.0.212", 212),
        _door("172.18.0.213", 213),
    ]
    told = tmp_path / "doors.json"
    hostdoors.write(told, doors)
    lines = balancers.lines([BOTH, *others, _row(service="waits")], told)
    assert [line.split() for line in lines[1:-1]] == [
        ["shop/web", "127.1.2.211:10080", "172.18.0.211", "80/TCP"],
        ["shop/web", "127.1.2.111:10080", "fd00:18::211", "80/TCP"],
        ["shop/s212", "127.1.2.212:10080", "172.18.0.212", "80/TCP"],
        ["shop/s213", "127.1.2.213:10080", "172.18.0.213", "80/TCP"],
        ["shop/waits", "-", "<pending>", "80/TCP"],
    ]
    assert lines[-1] == f"127.1.2.211, 127.1.2.111, 127.1.2.212 and 1 more: {LOW}"
