"""Does `fcm360w send` and `recv` move a file unchanged through the twin, and how much of the wire do they use?

    python benches/main_job.py [--quick] [--json]

The command line runs as a child of its own against a twin over a pty and over TCP; the far end is a plain socket
server.  Unpaced: 50 MB each way.  Paced: 4 MB each way at 2,000,000 bit/s; utilisation is taken from the twin's own
time stamps of the first and the last payload byte, as a share of the payload ceiling, baud / 10 (8N1: ten bits a byte).
Exit status 1 if a digest differs or a paced run stays below 97 %.  --quick: a tenth of the bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from fcm360w.sim import Twin

BAUD = 2_000_000
GOAL = 0.97
CLI = [sys.executable, "-m", "fcm360w"]
JOIN = ["--ssid", "hall", "--password", "open sesame"]


class Server:
    """Takes one connection: gathers its bytes, or sends some and closes."""

    def __init__(self, give: bytes | None = None) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.digest = ""
        self._give = give
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        link, _ = self.listener.accept()
        with link, self.listener:
            if self._give is not None:
                link.sendall(self._give)
                link.shutdown(socket.SHUT_WR)
            digest = hashlib.sha256()
            while chunk := link.recv(1 << 18):
                digest.update(chunk)
            self.digest = digest.hexdigest()

    def finish(self) -> str:
        self._thread.join(30)
        return self.digest


def run(*arguments: str) -> float:
    begin = time.perf_counter()
    subprocess.run([*CLI, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return time.perf_counter() - begin


def send(url: str, file: Path, expected: str) -> tuple[bool, float]:
    server = Server()
    seconds = run("send", str(file), "-p", url, "--to", server.url, *JOIN)
    return server.finish() == expected, seconds


def receive(url: str, file: Path, expected: str) -> tuple[bool, float]:
    server = Server(file.read_bytes())
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        seconds = run("recv", "-p", url, "--from", server.url, "--out", str(out), *JOIN)
        same = hashlib.sha256(out.read_bytes()).hexdigest() == expected
    server.finish()
    return same, seconds


def case(kind: str, baud: int | None, size: int) -> list[dict[str, Any]]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "payload"
        file.write_bytes(os.urandom(size))
        expected = hashlib.sha256(file.read_bytes()).hexdigest()
        with Twin(baud=baud, pty=kind == "pty", tcp=("127.0.0.1", 0) if kind == "tcp" else None) as twin:
            for name, move in (("send", send), ("recv", receive)):
                same, seconds = move(twin.urls[0], file, expected)
                passage = twin.stamps.to_network if name == "send" else twin.stamps.to_host
                used = passage.utilisation(baud) if baud else None
                counted = passage.count == size
                rows.append({"port": kind, "way": name, "baud": baud, "bytes": size, "seconds": round(seconds, 2),
                             "used": used and round(used, 4), "same": same and counted})  # fmt: skip
    return rows


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    share = 10 if options.quick else 1
    rows: list[dict[str, Any]] = []
    for kind in ("pty", "tcp"):
        rows += case(kind, None, 50_000_000 // share)
        rows += case(kind, BAUD, 4_000_000 // share)
    good = all(row["same"] and (row["used"] is None or row["used"] >= GOAL) for row in rows)
    if options.json:
        print(json.dumps({"ceiling": BAUD // 10, "rows": rows, "good": good}))
        return not good
    print(f"payload ceiling: {BAUD:,} bit/s / 10 bits a byte (8N1) = {BAUD // 10:,} B/s")
    for row in rows:
        pace = f"{row['used']:.2%} of the ceiling" if row["used"] is not None else "unpaced"
        verdict = "SHA-256 same" if row["same"] else "DIFFERS"
        size = f"{row['bytes']:>11,} bytes  {row['seconds']:>6.2f} s"
        print(f"{row['way']} over {row['port']:<4} {size}  {pace:<24} {verdict}")
    return not good


if __name__ == "__main__":
    sys.exit(main())
