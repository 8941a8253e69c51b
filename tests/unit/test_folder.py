"""A process's folder: nobody else's, and gone with its process, however that ends."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from portway.folder import own_folder

HOLD = """
from portway.folder import own_folder
with own_folder("portway-test-") as folder:
    (folder / "certs").mkdir()
    (folder / "certs" / "key.pem").write_text("secret")
    print(folder, flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where they are made."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


def _holder() -> tuple["subprocess.Popen[str]", Path]:
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert held.stdout is not None
    return held, Path(held.stdout.readline().strip())


def test_it_goes_with_its_process(below: Path) -> None:
    with pytest.raises(ValueError, match="no table"), own_folder("portway-test-") as folder:
        assert folder.parent == below
        assert folder.stat().st_mode & 0o777 == 0o700
        raise ValueError("no table")
    assert not list(below.iterdir())


def test_the_next_one_takes_away_what_a_killed_one_has_left_and_nothing_else(below: Path) -> None:
    killed, left = _holder()
    running, used = _holder()
    (below / "portway-test-elsewhere").symlink_to(below)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert (left / "certs" / "key.pem").exists()
    with own_folder("portway-test-") as own:
        assert not left.exists()
        assert (used / "certs" / "key.pem").exists()
        assert {path.name for path in below.iterdir()} == {own.name, used.name, "portway-test-elsewhere"}
    running.communicate("\n", timeout=60)
    assert not used.exists()
