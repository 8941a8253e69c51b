"""Every line of a node's log once, in order, however it is rotated while it is read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.cli.logfiles import NodeLog


class Writer:
    """Writes as an agent does: rotates by renaming, keeps three."""

    def __init__(self, folder: Path, keep: int = 3) -> None:
        self.newest, self._keep, self.written = folder / "node-1.jsonl", keep, 0

    def write(self, count: int) -> None:
        with self.newest.open("ab") as file:
            for _ in range(count):
                file.write(b"%d\n" % self.written)
                self.written += 1

    def rotate(self) -> None:
        for number in range(self._keep, 0, -1):
            older = self.newest.with_name(f"{self.newest.name}.{number - 1}") if number > 1 else self.newest
            if older.exists():
                older.rename(self.newest.with_name(f"{self.newest.name}.{number}"))
        self.newest.touch()


def numbers(log: NodeLog) -> list[int]:
    return [int(line) for line in log.lines()]


STEPS = st.lists(st.sampled_from(["write", "rotate", "read"]) | st.integers(1, 3), max_size=30)


@given(STEPS)
def test_every_line_once_and_in_order(tmp_path_factory: pytest.TempPathFactory, steps: list[str | int]) -> None:
    writer = Writer(tmp_path_factory.mktemp("log"), keep=40)
    log, read = NodeLog(writer.newest), list[int]()
    for step in steps:
        if step == "rotate":
            writer.rotate()
        elif step == "read":
            read += numbers(log)
            assert read == list(range(writer.written))
        else:
            writer.write(1 if step == "write" else int(step))
    read += numbers(log)
    assert read == list(range(writer.written))
    assert not log.lost


def test_what_was_rotated_away_unread_is_said(tmp_path: Path) -> None:
    writer = Writer(tmp_path, keep=2)
    writer.write(1)
    log = NodeLog(writer.newest)
    assert numbers(log) == [0]
    for _ in range(4):
        writer.rotate()
        writer.write(1)
    assert numbers(log) == [2, 3, 4]
    assert log.lost


def test_half_a_line_waits_for_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "node-1.jsonl"
    path.write_bytes(b"one\ntw")
    log = NodeLog(path)
    assert list(log.lines()) == [b"one\n"]
    with path.open("ab") as file:
        file.write(b"o\nthree")
    assert list(log.lines()) == [b"two\n"]
    assert list(log.last_words()) == [b"three"]


def test_half_a_line_that_nobody_ends_comes_with_the_next_file(tmp_path: Path) -> None:
    path = tmp_path / "node-1.jsonl"
    path.write_bytes(b"one\ntw")
    log = NodeLog(path)
    assert list(log.lines()) == [b"one\n"]
    path.rename(tmp_path / "node-1.jsonl.1")
    path.write_bytes(b"three\n")
    assert list(log.lines()) == [b"tw", b"three\n"]


def test_a_file_that_comes_later_is_read_then(tmp_path: Path) -> None:
    log = NodeLog(tmp_path / "node-1.jsonl")
    assert list(log.lines()) == []
    (tmp_path / "node-1.jsonl").write_bytes(b"one\n")
    (tmp_path / "node-10.jsonl").write_bytes(b"another node\n")
    (tmp_path / "node-1.jsonl.new").write_bytes(b"no log\n")
    assert list(log.lines()) == [b"one\n"]


def test_files_older_than_what_is_wanted_are_not_read(tmp_path: Path) -> None:
    import os

    for name, moment in (("node-1.jsonl.2", 100), ("node-1.jsonl.1", 200), ("node-1.jsonl", 300)):
        (tmp_path / name).write_text(f"{moment}\n")
        os.utime(tmp_path / name, (moment, moment))
    assert numbers(NodeLog(tmp_path / "node-1.jsonl", since=150.0)) == [200, 300]
