"""What processes of root's keep of root's rights, asked of the kernel."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from portway.rights import BITS, is_machines, is_open, permitted

ASK = """
import subprocess, sys
from pathlib import Path
from portway import rights
rights.keep(sys.argv[2:], Path(sys.argv[1]))
print(Path("/proc/self/status").read_text())
print(subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True).stdout)
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that root owns, where anybody may pass."""
    with TemporaryDirectory(prefix="pw-") as made:
        yield Path(made)


def _kept(folder: Path, *names: str) -> list[dict[str, str]]:
    """The statuses of a process that kept these, and of a program that it ran."""
    argv = [sys.executable, "-c", ASK, str(folder), *names]
    said = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120).stdout
    statuses = [text for text in said.split("\n\n") if text.strip()]
    assert len(statuses) == 2, said
    return [dict(line.split(":\t", 1) for line in text.strip().splitlines() if ":\t" in line) for text in statuses]


@needs_root
@pytest.mark.parametrize("names", [(), ("NET_BIND_SERVICE",), ("CHOWN", "SETUID")])
def test_a_process_keeps_what_it_is_told_and_so_do_its_programs(names: tuple[str, ...], folder: Path) -> None:
    wanted = sum(1 << BITS[name] for name in names) & permitted(Path("/proc/self/status").read_text())
    for status in _kept(folder, *names):
        assert [int(status[field], 16) for field in ("CapPrm", "CapEff", "CapAmb")] == [wanted, wanted, 0]
        assert status["NoNewPrivs"] == "1"


@needs_root
def test_where_only_root_could_pass_the_right_to_search_is_kept(folder: Path) -> None:
    os.chown(folder, 65534, -1)
    folder.chmod(0o700)
    inner = folder / "fleet"
    inner.mkdir()
    assert not is_open(inner)
    assert [int(status["CapEff"], 16) for status in _kept(inner)] == [1 << BITS["DAC_READ_SEARCH"]] * 2


LATER = """
import sys
from pathlib import Path
from portway import rights
rights.keep(("NET_BIND_SERVICE",), Path(sys.argv[1]))
import later
print(later.__file__)
"""


@needs_root
def test_modules_in_a_home_that_is_closed_can_still_be_imported(folder: Path) -> None:
    """As of a virtual environment there, whose `portway up` runs with sudo; much is imported with its first use."""
    home, state = folder / "home", folder / "state"
    for made in (home, state):
        made.mkdir()
    (home / "later.py").touch()
    os.chown(home, 65534, -1)
    home.chmod(0o700)
    search = os.pathsep.join((str(home), *filter(None, sys.path)))
    argv, environment = [sys.executable, "-c", LATER, str(state)], os.environ | {"PYTHONPATH": search}
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.stdout.strip() == str(home / "later.py"), done.stderr


@pytest.mark.parametrize(
    ("uid_map", "machines"),
    [("         0          0 4294967295\n", True), ("         0       1000          1\n", False), ("", False)],
)
def test_a_fleets_own_user_namespace_has_one_user(uid_map: str, machines: bool) -> None:
    assert is_machines(uid_map) is machines
