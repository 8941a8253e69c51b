"""Other processes, as the kernel tells of them."""

from pathlib import Path


def runs(pid: int) -> bool:
    """Whether it has not ended yet; it may do so while one looks."""
    try:
        return _stat(pid)[0] != "Z"
    except OSError:
        return False


def parent(pid: int) -> int:
    """Who started it. Raises OSError when it is not there."""
    return int(_stat(pid)[1])


def _stat(pid: int) -> list[str]:
    """What comes behind the name, which may have anything in it (man 5 proc)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
