"""The `portway` command: one command a module; the only place that wires rooms together."""


def main() -> None:
    """Entry point of the console script."""
    raise SystemExit("portway: not built yet")
