"""What a person can do something about is told in one line."""

import subprocess
import sys
from pathlib import Path


def test_cleanup_without_nft_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "portway", "cleanup"], env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == "portway: nft is not installed (Debian, Ubuntu: apt-get install nftables)\n"
