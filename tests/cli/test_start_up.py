"""`portway --help` loads no room but its own: start-up is counted in modules, not in seconds."""

import subprocess
import sys


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from click.testing import CliRunner; from portway.cli import portway; "
        "assert CliRunner().invoke(portway, ['--help']).exit_code == 0; "
        "print([m for m in sys.modules if m.split('.')[0] in ('aiohttp', 'msgspec', 'yaml', 'cryptography')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
