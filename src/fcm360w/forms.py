"""Bodies of requests: bytes as they are, fields of a form, and files beside them (RFC 7578)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from fcm360w.errors import UsageError

# A file is its bytes, or its name and its bytes, or these and its type.
File = bytes | tuple[str, bytes] | tuple[str, bytes, str]
Files = Mapping[str, File]
URLENCODED = "application/x-www-form-urlencoded"
UNKNOWN = "application/octet-stream"


def encoded(data: bytes | str | Mapping[str, str] | None, files: Files | None) -> tuple[bytes, str | None]:
    """A body, and its type if it has one by its nature.  UsageError for bytes beside files."""
    if files:
        if data is not None and not isinstance(data, Mapping):
            raise UsageError("data beside files are fields: a mapping of names to texts")
        return multipart(data or {}, files)
    if isinstance(data, Mapping):
        return urlencode(data).encode(), URLENCODED
    if isinstance(data, str):
        return data.encode(), None
    return bytes(data or b""), None


def multipart(fields: Mapping[str, str], files: Files) -> tuple[bytes, str]:
    """Fields and files as one body, and its type."""
    parts = list(_parts(fields, files))
    boundary = secrets.token_hex(16)
    while any(boundary.encode() in part for part in parts):
        boundary = secrets.token_hex(16)
    line = f"--{boundary}".encode()
    body = b"".join(line + b"\r\n" + part + b"\r\n" for part in parts) + line + b"--\r\n"
    return body, f"multipart/form-data; boundary={boundary}"


def _parts(fields: Mapping[str, str], files: Files) -> Iterator[bytes]:
    for name, text in fields.items():
        yield f'Content-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n{text}'.encode()
    for name, file in files.items():
        filename, data, kind = _file(name, file)
        head = f'Content-Disposition: form-data; name="{_quoted(name)}"; filename="{_quoted(filename)}"'
        yield f"{head}\r\nContent-Type: {kind}\r\n\r\n".encode() + data


def _file(name: str, file: Any) -> tuple[str, bytes, str]:
    if isinstance(file, tuple) and len(file) in (2, 3):
        filename, data, *kind = file
    else:
        filename, data, kind = name, file, []
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise UsageError(f"file {name!r} is {type(data).__name__}, not bytes")
    return str(filename), bytes(data), _plain(str(kind[0])) if kind else UNKNOWN


def _quoted(text: str) -> str:
    """A name within quotes, as browsers write it."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _plain(text: str) -> str:
    if any(char < " " for char in text):
        raise UsageError(f"{text!r} is no type of a file")
    return text
