"""A real MQTT server: mosquitto, at a free port of this machine, stopped by its own process id."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from freeport import free_port

PATHS = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"


def program() -> str:
    """Where it is; the test is skipped if it is not installed."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path=PATHS)
    if found is None:
        pytest.skip("platform: mosquitto is not installed")
    return found


class Mosquitto:
    """A server with a folder of its own; `options` are lines of its configuration.  It may be killed and started."""

    def __init__(self, folder: Path, *options: str, users: dict[str, str] | None = None) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", f"allow_anonymous {'false' if users else 'true'}", *options]
        lines.append(f"user {getpass.getuser()}")  # as root it would else become another, who cannot read the folder
        if users:
            lines.append(f"password_file {self._passwords(folder, users)}")
        self._config.write_text("\n".join([*lines, ""]))
        self._process: subprocess.Popen[bytes] | None = None

    def _passwords(self, folder: Path, users: dict[str, str]) -> Path:
        tool = shutil.which("mosquitto_passwd") or shutil.which("mosquitto_passwd", path=f"{PATHS}:/usr/bin")
        if tool is None:
            pytest.skip("platform: mosquitto_passwd is not installed")
        path = folder / "passwords"
        path.touch(mode=0o600)
        for name, password in users.items():
            subprocess.run([tool, "-b", str(path), name, password], check=True, capture_output=True)
        return path

    def start(self) -> Mosquitto:
        """Returns once it can be connected to."""
        self._process = subprocess.Popen([program(), "-c", str(self._config)], stderr=subprocess.PIPE)
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                if self._process.poll() is not None or time.monotonic() > end:
                    error = self._process.stderr.read().decode() if self._process.stderr else ""
                    raise AssertionError(f"mosquitto did not start: {error}") from None
                time.sleep(0.01)

    def kill(self) -> None:
        """As a plug that is pulled."""
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Mosquitto:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()
