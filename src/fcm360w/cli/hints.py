"""What may come next in a command line that is being typed: completions, and the parameter under the cursor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from fcm360w import reference
from fcm360w.cli.conversation import DOTS
from fcm360w.lines import Fit, Piece, lay, piece, title
from fcm360w.parameters import Field, split
from fcm360w.reference import Entry
from fcm360w.settings import Setting
from fcm360w.wire import Command

SIGNS = {"exec": "", "write": "=", "read": "?", "test": "=?"}


class Offer(NamedTuple):
    """A completion, and what it means."""

    text: str
    meaning: str


class Hint(NamedTuple):
    """What is under the cursor, and what is wrong so far; each empty if there is nothing to say."""

    text: str = ""
    fault: str = ""


def _last(text: str, separator: str) -> str:
    """What follows the last separator that is not in quotes, which need not be closed."""
    start, quoted = 0, False
    for place, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif char == separator and not quoted:
            start = place + 1
    return text[start:].lstrip(" ")


def _tail(before: str) -> tuple[str, str]:
    """The command that the cursor is in, and the AT that it begins with if it is the line's first."""
    tail = _last(before, ";")
    return tail, "AT" if tail == before.lstrip(" ") else ""


def _piece(before: str) -> Piece:
    tail, prefix = _tail(before)
    return piece(tail[len(prefix) :])


def _parts(text: str) -> tuple[list[str], bool]:
    """The parameters so far, and whether the last one is in an open quote."""
    is_open = text.count('"') % 2 == 1
    return split(text + '"' if is_open else text), is_open


# ---- completion -----------------------------------------------------------------------------------------------------


def offers(before: str) -> tuple[str, list[Offer]]:
    """What the text before the cursor may go on with: the end of it that is replaced, and what replaces it."""
    if before.startswith("."):
        return before, [Offer(name, meaning) for name, meaning in DOTS.items() if name.startswith(before)]
    tail, prefix = _tail(before)
    each = _piece(before)
    if each.sign == "=":
        typed = _last(each.parameters, ",")
        return typed, [offer for offer in dict.fromkeys(_values(each)) if offer.text.startswith(typed)]
    return tail, _names(tail, prefix) if tail and not each.sign else []


def _names(typed: str, prefix: str) -> list[Offer]:
    """Commands; once there is only one, its forms."""
    found = [entry for entry in reference.entries() if f"{prefix}{entry.at}".upper().startswith(typed.upper())]
    alone = len({entry.at for entry in found}) == 1
    spelled = (
        Offer(f"{prefix}{text}", _summary(entry)) for entry in found for text in _spelled(entry, alone) if text != "+++"
    )
    return list(dict.fromkeys(spelled))


def _spelled(entry: Entry, every: bool) -> list[str]:
    """A command with the sign of its form: of every form, or of its usual one."""
    if entry.fields and not entry.at.startswith("+"):
        return [f"{entry.at}{value}" for value, _ in reference.choices(entry.fields[0])]
    forms = [form for form in SIGNS if form in entry.forms]
    return [f"{entry.at}{SIGNS[form]}" for form in (forms if every else forms[:1])]


def _summary(entry: Entry) -> str:
    row = entry.usages[0].row if entry.usages else entry.options[0]
    return reference.about(row).partition(".")[0].replace("``", "")


def _values(each: Piece) -> Iterator[Offer]:
    parts, _ = _parts(each.parameters)
    for option in _options(each) if len(parts) == 1 else ():
        yield Offer(f'"{option.key}"', reference.about(option).partition(".")[0])
    for field in _under_cursor(each, parts):
        yield from (Offer(value, meaning) for value, meaning in reference.choices(field))
        if not field.members and field.default is not None:
            yield Offer(reference.default(field), "" if field.literal else "default")


# ---- hints ----------------------------------------------------------------------------------------------------------


def hint(before: str) -> Hint:
    """What to show below a line whose cursor is at the end of `before`."""
    each = _piece(before)
    if not before.strip() or before.startswith(".") or not each.name:
        return Hint()
    if not each.rows:
        known = f"the table holds no command {each.name.strip(' ')}: it is sent as it is typed"
        return Hint(fault=known if each.sign else "")
    if each.form != "write":
        return Hint(";  ".join(f"{_summary(entry)}, manual {entry.section}" for entry in reference.find(each.name)))
    parts, is_open = _parts(each.parameters)
    keys = [str(option.key) for option in _options(each)] if len(parts) == 1 else []
    shown = dict.fromkeys(_described(field) for field in _under_cursor(each, parts))
    return Hint(
        "  or  ".join([*shown, *([f"option: {', '.join(keys)}"] if keys else [])]), _fault(each, parts, is_open)
    )


def _described(field: Field) -> str:
    quotes = " in quotes" if field.quoted and not field.members else ""
    told = (reference.allowed(field) + quotes, reference.omission(field))
    return f"{title(field)}: {'; '.join(filter(None, told))}"


def _options(each: Piece) -> list[type[Setting]]:
    return [row for row in each.rows if issubclass(row, Setting)]


def _fits(each: Piece, parts: list[str]) -> list[Fit]:
    """The rows beside what is there so far; an option that it does not name is none of them."""
    rows: list[type[Any]] = [row for row in each.rows if not issubclass(row, Command) or row.form == "write"]
    return [fit for row in rows if (fit := lay(row, parts, whole=False))]


def _under_cursor(each: Piece, parts: list[str]) -> Iterator[Field]:
    """The parameters that the last part may be: those of the rows that fit what stands before it."""
    fits = _fits(each, parts[:-1])
    for fit in [fit for fit in fits if not fit.faults] or fits:
        place = len(parts) - 1 - (1 if fit.row.key else 0)
        fields = reference.parameters(fit.row)
        if place < len(fields):
            yield fields[place]


def _begins_word(each: Piece, parts: list[str]) -> bool:
    """Whether the last part may become one of the words that a parameter without quotes can be."""
    fields = (field for field in _under_cursor(each, parts) if field.bare)
    return any(value.startswith(parts[-1].upper()) for field in fields for value, _ in reference.choices(field))


def _fault(each: Piece, parts: list[str], is_open: bool) -> str:
    """The first fault of the row that is the least far.  A text that is still being typed has none."""
    fits = _fits(each, parts[:-1] if is_open or _begins_word(each, parts) else parts)
    if not fits and len(parts) > 1:
        return "there is no such option"
    faulty = [fit for fit in fits if fit.faults]
    return min(faulty, key=lambda fit: fit.distance).faults[0] if faulty and len(faulty) == len(fits) else ""
