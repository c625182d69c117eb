"""Print the one command of the README's code blocks that has the given text in it: readme_command.py README.md TEXT"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def main(readme: str, text: str) -> None:
    blocks = re.findall(r"^```\w*\n(.*?)^```", Path(readme).read_text(), re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    found = {line.strip().removeprefix("$ ") for line in lines if text in line and line.strip()[:1] != "#"}
    if len(found) != 1:
        sys.exit(f"{readme}: {len(found)} commands have {text!r} in them, not one")
    print(found.pop())


main(*sys.argv[1:])
