"""Other processes, as the kernel tells of them."""

from pathlib import Path


def runs(pid: int) -> bool:
    """Whether it has not ended yet; it may do so while one looks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
