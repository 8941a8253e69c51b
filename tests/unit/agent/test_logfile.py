"""A log that is rotated: by size, by age whoever keeps it, within its bound, and never losing a line on the way."""

from pathlib import Path

import msgspec
import pytest

from portway.accesslog import Party, Record
from portway.agent.logfile import LogFile, Retention
from tests.told import by_portway

NOON = 1_700_000_000.0
HOUR = 3600.0
DAY = 24 * HOUR
LINES = Retention(max_bytes=1 << 20, files=3, seconds=DAY)


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def line(moment: float, filling: int = 0) -> bytes:
    """A record of something that ended then."""
    record = Record(
        moment - 1, "node-1", "FORWARDED", "FORWARDED", "TCP", Party("192.0.2.7"), ts_end=moment, flow_id="x" * filling
    )
    return msgspec.json.encode(record) + b"\n"


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_full_by_its_age_although_agents_come_and_go(tmp_path: Path, clock: Clock) -> None:
    for _ in range(30):
        kept = LogFile(tmp_path / "n.jsonl", LINES, clock)
        kept.write(line(clock()), 1)
        kept.keep()
        kept.close()
        clock.now += HOUR
    assert files(tmp_path) == ["n.jsonl", "n.jsonl.1"]
    assert len((tmp_path / "n.jsonl.1").read_bytes().splitlines()) == 24


def test_a_file_that_says_nothing_of_its_beginning_is_as_old_as_its_last_line(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "n.jsonl"
    path.write_bytes(b'{"ts_start":17000')  # half a line of somebody who was killed
    kept = LogFile(path, LINES, clock)
    kept.keep()
    kept.write(line(clock()), 1)
    clock.now += DAY
    kept.keep()
    assert files(tmp_path) == ["n.jsonl", "n.jsonl.1"]


def test_a_clock_that_was_set_back_rotates_nothing_too_early(tmp_path: Path, clock: Clock) -> None:
    LogFile(tmp_path / "n.jsonl", LINES, clock).write(line(NOON + 10 * DAY), 1)
    kept = LogFile(tmp_path / "n.jsonl", LINES, clock)
    for passed, expected in ((0.0, 1), (DAY - 1, 1), (DAY, 2)):
        clock.now = NOON + passed
        kept.keep()
        assert len(files(tmp_path)) == expected


def test_a_week_of_lines_stays_within_its_bound_and_keeps_the_newest(tmp_path: Path, clock: Clock) -> None:
    bound = Retention(max_bytes=4000, files=3, seconds=DAY)
    kept, written = LogFile(tmp_path / "n.jsonl", bound, clock), []
    for number in range(7 * 24 * 4):
        written.append(line(clock(), filling=number % 200))
        assert kept.write(written[-1], 1) == 0
        if number % 50 == 49:  # agents come and go
            kept.close()
            kept = LogFile(tmp_path / "n.jsonl", bound, clock)
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= bound.most_bytes
        clock.now += HOUR / 4
    names = ["n.jsonl.3", "n.jsonl.2", "n.jsonl.1", "n.jsonl"]
    assert files(tmp_path) == sorted(names)
    left = b"".join((tmp_path / name).read_bytes() for name in names)
    assert b"".join(written).endswith(left)
    assert all((tmp_path / name).stat().st_size <= bound.max_bytes for name in names)


def test_an_empty_file_is_never_rotated(tmp_path: Path, clock: Clock) -> None:
    kept = LogFile(tmp_path / "n.jsonl", LINES, clock)
    for _ in range(100):
        kept.keep()
        clock.now += HOUR
    assert files(tmp_path) == ["n.jsonl"]


def test_what_cannot_be_written_is_counted_and_said_once(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "n.jsonl").mkdir()
    kept = LogFile(tmp_path / "n.jsonl", LINES, clock)
    assert [kept.write(line(NOON) * 3, 3) for _ in range(4)] == [3, 3, 3, 3]
    (said,) = by_portway(caplog)
    assert "Is a directory" in said
