"""Whether root may become another user: asked of /proc, as the kernel writes it."""

import pytest

from portway.gateway.haproxy.identity import is_mapped, may_change

WHOLE = "         0          0 4294967295\n"


def _status(uid: int, rights: int) -> str:
    return f"Name:\tpython\nUid:\t1000\t{uid}\t0\t0\nCapEff:\t{rights:016x}\n"


@pytest.mark.parametrize(
    ("uid", "rights", "may"),
    [
        (0, 0x1FFFFFFFFFF, True),
        (0, 1 << 0 | 1 << 3 | 1 << 6 | 1 << 7 | 1 << 18, True),
        (0, 1 << 0 | 1 << 3 | 1 << 6 | 1 << 7, False),  # it could not shut itself in
        (0, 0, False),
        (1000, 0x1FFFFFFFFFF, False),  # has nothing to become
    ],
)
def test_who_may_become_another(uid: int, rights: int, may: bool) -> None:
    assert may_change(_status(uid, rights)) is may


@pytest.mark.parametrize(
    ("number", "id_map", "mapped"),
    [
        (102, WHOLE, True),
        (102, "0 1000 1\n", False),  # a rootless fleet
        (0, "0 1000 1\n", True),
        (102, "0 1000 1\n1 100000 65536\n", True),  # a container with subordinate ids
        (65534, "0 1000 1\n1 100000 65533\n", False),
    ],
)
def test_which_users_there_are(number: int, id_map: str, mapped: bool) -> None:
    assert is_mapped(number, id_map) is mapped
