"""The interactive terminal of `fcm360w at`: editing, completion, hints and history around a conversation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import DummyHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.styles import Style

from fcm360w.cli import hints
from fcm360w.cli.conversation import ESCAPE, Conversation, Input, Wanted
from fcm360w.cli.history import MaskedHistory, state_file
from fcm360w.cli.transcript import Transcript
from fcm360w.module import Module
from fcm360w.parameters import encode

WELCOME = "Tab completes, .help tells more, Ctrl-D leaves"
FAULT_MARK = "✗ "
STYLE = Style.from_dict({"bottom-toolbar": "noreverse", "fault": "ansired bold", "prompt": "bold"})


class TableCompleter(Completer):
    """Commands, options and values from the command table."""

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        typed, found = hints.offers(document.text_before_cursor)
        for offer in found:
            yield Completion(offer.text, start_position=-len(typed), display_meta=offer.meaning)


class Terminal:
    """Asks for the lines of a conversation.  What is printed meanwhile appears above the line that is being typed."""

    def __init__(self, module: Module, transcript: Transcript, timeout: float | None) -> None:
        self.conversation = Conversation(module, transcript, self._ask, timeout, forgiving=True)
        self.conversation.changed = self._changed
        self._wanted = Wanted(Input.COMMAND)
        self._commands: PromptSession[str] = PromptSession(
            history=MaskedHistory(state_file()),
            completer=TableCompleter(),
            complete_while_typing=True,
            key_bindings=self._leaving(),
            style=STYLE,
        )
        self._payload: PromptSession[str] = PromptSession(
            history=DummyHistory(), key_bindings=self._leaving(), style=STYLE
        )

    def run(self) -> None:
        """Until Ctrl-D or .quit.  TransportLost if the transport is."""
        with patch_stdout():
            self.conversation.run()

    def _ask(self, wanted: Wanted) -> str:
        """Ctrl-C begins the line anew; that of a payload is given up, and its command with it."""
        session = self._commands if wanted.kind is Input.COMMAND else self._payload
        while not self.conversation.lost:
            self._wanted = wanted
            try:
                return session.prompt(self._label, bottom_toolbar=self._toolbar, pre_run=self._changed)
            except KeyboardInterrupt:
                if wanted.kind is Input.PAYLOAD:
                    raise
        raise self.conversation.lost

    def _changed(self) -> None:
        """What is asked for may not be what is wanted any more; called by any thread, and once a prompt is there."""
        app = self._payload.app if self._wanted.kind is not Input.COMMAND else self._commands.app
        if app.is_running and app.loop:
            app.loop.call_soon_threadsafe(self._interrupt, app)

    def _interrupt(self, app: Any) -> None:
        if not app.is_running or app.is_done:
            return
        ended = self._wanted.kind is Input.DATA and not self.conversation.stream
        if self.conversation.lost:
            app.exit(exception=self.conversation.lost)
        elif ended and not app.current_buffer.text:
            app.exit(result="")
        else:
            app.invalidate()

    # ---- what is shown

    def _label(self) -> StyleAndTextTuples:
        kind = self._wanted.kind
        if kind is Input.DATA and not self.conversation.stream:
            return [("class:fault", "ended> ")]
        return [("class:prompt", {Input.COMMAND: "at> ", Input.PAYLOAD: "payload> ", Input.DATA: "data> "}[kind])]

    def _toolbar(self) -> StyleAndTextTuples:
        text, fault = self._told()
        shown: StyleAndTextTuples = [("class:fault", f"{FAULT_MARK}{fault}  ")] if fault else []
        return [*shown, ("", text)]

    def _told(self) -> hints.Hint:
        if self._wanted.kind is Input.COMMAND:
            before = self._commands.default_buffer.document.text_before_cursor
            return hints.hint(before) if before else hints.Hint(WELCOME)
        if self._wanted.kind is Input.DATA:
            ended = "" if self.conversation.stream else "data mode has ended: what is typed here is not sent"
            return hints.Hint("data mode: lines are payload; Ctrl-] or +++ alone returns to commands", ended)
        return self._told_of_payload(self._wanted.size)

    def _told_of_payload(self, size: int | None) -> hints.Hint:
        typed = len(encode(self._payload.default_buffer.text))
        if size is None:
            return hints.Hint(f"{typed} bytes of payload; Ctrl-C cancels")
        over = f"{typed - size} bytes too many" if typed > size else ""
        return hints.Hint(f"{typed} of {size} bytes of payload; Ctrl-C cancels", over)

    def _leaving(self) -> KeyBindings:
        """Ctrl-] leaves data mode; elsewhere it is nothing, lest it begin a search for the key that comes next."""
        bindings = KeyBindings()

        @bindings.add("c-]", eager=True)
        def leave(event: KeyPressEvent) -> None:
            if self._wanted.kind is Input.DATA:
                event.app.exit(result=ESCAPE)

        return bindings
