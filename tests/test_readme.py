"""The README's Python runs as it stands; where it names servers and files, with real ones in their place."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import certificates
from fcm360w.sim import Twin
from mosquitto import Mosquitto
from web import nginx

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
PORT = "serial:///dev/ttyUSB0?baud=2000000"


def run(code: str, folder: Path) -> list[str]:
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, timeout=120, cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().splitlines()


def test_the_code_of_the_readme_runs(tmp_path: Path) -> None:
    blocks = [block for block in BLOCKS if f'open("{PORT}")' not in block]
    assert len(blocks) == 3
    lines = run("\n".join(blocks), tmp_path)
    assert lines[0] == "10.0.0.7"
    assert lines[1].startswith("b'any bytes")
    assert lines[2] == "Report(sent=37, acknowledged=37, received=37, added=0)"


def test_each_chapter_of_the_readme_does_what_it_says(tmp_path: Path) -> None:
    (block,) = (block for block in BLOCKS if f'open("{PORT}")' in block)
    issued = certificates.server("web.example", "broker.example")
    (tmp_path / "ca.pem").write_bytes(certificates.authority().pem)
    folders = [tmp_path / name for name in ("plain", "secure", "broker")]
    for folder in folders:
        folder.mkdir()
    cert, key = issued.save(folders[2], "broker")
    options = (f"certfile {cert}", f"keyfile {key}")
    with (
        nginx(folders[0]) as plain,
        nginx(folders[1], issued) as secure,
        Mosquitto(folders[2], *options, users={"logger": "secret123"}) as broker,
    ):
        for web in (plain, secure):
            (web.pages / "page").write_text("hello")
        places = {
            ("web.example", 80): plain.port,
            ("web.example", 443): secure.port,
            ("broker.example", 8883): broker.port,
        }
        routes = {meant: ("127.0.0.1", port) for meant, port in places.items()}
        with Twin(tcp=("127.0.0.1", 0), routes=routes) as twin:
            url = next(url for url in twin.urls if url.startswith("tcp"))
            lines = run("import fcm360w\n" + block.replace(PORT, url), tmp_path)
    assert lines == ["200", "b'21.5'", "4 ('198.18.0.2',)", "('fff1',)", "200"]
