"""`fcm360w mqtt pub|sub`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import rich_click as click

from fcm360w.cli.options import output_options, password_option, port_option
from fcm360w.cli.secure import Security, secured, take, tls_options

if TYPE_CHECKING:
    from fcm360w.messaging import Message
    from fcm360w.mqtt import MqttClient

F = TypeVar("F", bound=Callable[..., Any])
PIECE = 1 << 16

# A signal that comes just before a wait does not end it, so no wait is long.
SLICE = 0.5


class Server(NamedTuple):
    """Which server, by which module, and as whom."""

    url: str
    host: str
    server_port: int | None
    client_id: str
    username: str | None
    user_password: str | None
    keepalive: int
    clean: bool
    ssid: str | None
    password: str | None
    security: Security | None = None

    def __repr__(self) -> str:
        return f"Server({self.host!r})"


def server_options(command: F) -> F:
    """Where the server is, and how to log in."""
    command = tls_options(command)
    for option in (
        password_option("Password of the hotspot."),
        click.option("--ssid", help="Join this hotspot first.  Without it the module must be joined."),
        click.option("--keep", "kept", is_flag=True, help="Have the server keep the session; needs a --client-id."),
        click.option("--keepalive", type=click.IntRange(0, 3600), default=120, show_default=True, metavar="SECONDS"),
        click.option("--user-password", envvar="FCM360W_MQTT_PASSWORD", show_envvar=True, help="Its password."),
        click.option("--username", help="Name at the server."),
        click.option("--client-id", default="", help="What the server knows the client by."),
        click.option(
            "--server-port", type=click.IntRange(1, 65535), metavar="PORT", help="Instead of 1883, or 8883 under TLS."
        ),
        click.option("--host", required=True, help="The server."),
    ):
        command = option(command)
    return command


def _server(url: str, kept: bool, options: dict[str, Any]) -> Server:
    if kept and not options["client_id"]:
        raise click.UsageError("--keep without --client-id: whose session is it?")
    return Server(url=url, clean=not kept, security=take(options), **options)


@contextmanager
def connected(server: Server) -> Iterator[MqttClient]:
    """A session, which is logged off whatever ends the context."""
    import fcm360w

    with fcm360w.open(server.url) as module:
        if server.ssid:
            module.wifi.join(server.ssid, server.password)
        with (
            secured(server.security, module) as context,
            module.mqtt(
                server.host,
                server.server_port,
                client_id=server.client_id,
                username=server.username,
                password=server.user_password,
                keepalive=server.keepalive,
                clean=server.clean,
                tls=context,
                max_payload=2048,
            ) as client,
        ):
            yield client


@click.group()
def mqtt() -> None:
    """Publish and receive messages through the module."""


@mqtt.command(epilog="Example: fcm360w mqtt pub -p sim:// --ssid hall --host broker.example -t lab/t 21.5")
@click.argument("payload", required=False)
@port_option
@server_options
@click.option("-t", "--topic", required=True, help="What it is about.")
@click.option("-q", "--qos", type=click.IntRange(0, 2), default=0, show_default=True)
@click.option("-r", "--retain", is_flag=True, help="Have the server keep it for who subscribes later.")
@click.option("-l", "--lines", is_flag=True, help="Publish each line of stdin as a message of its own.")
@output_options
def pub(
    payload: str | None,
    url: str,
    kept: bool,
    topic: str,
    qos: int,
    retain: bool,
    lines: bool,
    as_json: bool,
    **who: Any,
) -> None:
    """Publish PAYLOAD, or all of stdin, as one message of at most 2048 bytes.

    Exit code 1 if the server refuses the client, or a message could not be sent.
    """
    server = _server(url, kept, who)
    if lines and payload is not None:
        raise click.UsageError("--lines takes the messages from stdin: leave PAYLOAD out")
    with connected(server) as client:
        for message in _messages(payload, lines):
            client.publish(topic, message, qos, retain, wait=False)
        client.flush()
        published = client.published
    if as_json:
        click.echo(json.dumps({"topic": topic, "published": published}))


def _messages(payload: str | None, lines: bool) -> Iterator[bytes]:
    if payload is not None:
        yield payload.encode()
    elif lines:
        yield from (text for line in sys.stdin.buffer if (text := line.rstrip(b"\r\n")))
    else:
        yield sys.stdin.buffer.read(PIECE)


@mqtt.command(epilog="Example: fcm360w mqtt sub -p sim:// --ssid hall --host broker.example -t 'lab/#' --json")
@port_option
@server_options
@click.option("-t", "--topic", "topics", required=True, multiple=True, help="What to receive; may be given again.")
@click.option("-q", "--qos", type=click.IntRange(0, 2), default=0, show_default=True)
@click.option("-n", "--count", type=click.IntRange(1), help="Stop after so many messages.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Give up when no message has come for so long.",
)
@output_options
def sub(
    url: str,
    kept: bool,
    topics: tuple[str, ...],
    qos: int,
    count: int | None,
    timeout: float | None,
    as_json: bool,
    **who: Any,
) -> None:
    """Print messages as they come: topic and payload, one a line; with --json one object a line."""
    server = _server(url, kept, who)
    with connected(server) as client:
        client.subscribe(list(topics), qos)
        printed = 0
        while count is None or printed < count:
            _print(_next(client, timeout), as_json)
            printed += 1


def _next(client: MqttClient, timeout: float | None) -> Message:
    """In slices, lest a signal have to wait."""
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        left = SLICE if end is None else min(SLICE, max(0.0, end - time.monotonic()))
        try:
            return client.recv(left)
        except TimeoutError:
            if end is not None and time.monotonic() >= end:
                raise


def _print(message: Message, as_json: bool) -> None:
    from fcm360w.cli.screen import printable

    text = message.payload.decode("utf-8", "backslashreplace")
    if as_json:
        figures = {"topic": message.topic, "payload": text, "hex": message.payload.hex(), "id": message.msg_id}
        click.echo(json.dumps(figures))
    else:
        click.echo(f"{printable(message.topic)} {printable(text)}")
    sys.stdout.flush()
