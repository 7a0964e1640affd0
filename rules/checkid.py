"""Many numbers at once: lines in, one JSON line with a verdict out for each.

The command that calls this owns its arguments and the exit code 2 for wrong usage.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from datetime import date
from typing import IO

from rules.identifiers import KINDS, Verdict

_BOM = "\ufeff"
# JSON allows these inside a string; readers that split with str.splitlines() would see two lines.
_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def run(kind: str, stream_in: Iterable[bytes | str], stream_out: IO[bytes] | IO[str], today: date) -> int:
    """Check each line of *stream_in* as *kind* (a key of ``KINDS``, else KeyError), blank lines too.

    Lines end with LF or CRLF; a byte order mark before the first is dropped; bytes that are not UTF-8 give
    the reason "encoding" and stand in "text" as ``\\xNN``. Binary streams are UTF-8 and safest, since a
    terminal's encoding may not hold Chinese; text streams serve too.

    Out: ``{"text", "valid", "reason", "normalised"}``. Returns 0 when all are valid, 1 when one is not.
    """
    check = KINDS[kind]
    as_text = isinstance(stream_out, io.TextIOBase)
    all_valid = True
    for index, line in enumerate(stream_in):
        text, readable = _read(line)
        text = text.removesuffix("\n").removesuffix("\r")
        if index == 0:
            text = text.removeprefix(_BOM)
        verdict = check(text, today) if readable else Verdict(text, False, "encoding", None)
        all_valid = all_valid and verdict.valid
        found = {
            "text": verdict.text,
            "valid": verdict.valid,
            "reason": verdict.reason,
            "normalised": verdict.normalised,
        }
        out = json.dumps(found, ensure_ascii=False).translate(_LINE_ENDS) + "\n"
        stream_out.write(out if as_text else out.encode())  # type: ignore[arg-type]  # which of the two, as_text says
    return 0 if all_valid else 1


def _read(line: bytes | str) -> tuple[str, bool]:
    """The line as text that can be written as UTF-8, and whether it was UTF-8 throughout."""
    if isinstance(line, str):
        # A text stream opened with surrogateescape smuggles foreign bytes through as lone surrogates.
        raw = line.encode(errors="backslashreplace")
        return raw.decode(), raw == line.encode(errors="replace")
    try:
        return line.decode(), True
    except UnicodeDecodeError:
        return line.decode(errors="backslashreplace"), False
