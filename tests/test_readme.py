"""The README's Python runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_the_code_of_the_readme_runs() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    run = subprocess.run([sys.executable, "-W", "error", "-c", "\n".join(blocks)], capture_output=True, timeout=60)
    assert run.returncode == 0, run.stderr.decode()
    lines = run.stdout.decode().splitlines()
    assert lines[0] == "10.0.0.7"
    assert lines[1].startswith("b'any bytes")
    assert lines[2] == "Report(sent=37, acknowledged=37, received=37, added=0)"
