"""What a form carries besides its fields, and brings back: its version, its number, and digests of what it showed."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from typing import Any

from flask import current_app, request

from forms.convert import Spec, to_input
from rules.words import Problems
from views.registry import number


def form_key() -> int:
    """The number of the form that was sent; a new one for a form that is opened."""
    return number(request.form.get("form", "")) or secrets.randbelow(2**52) + 1


def seen_digests() -> dict[str, str]:
    return dict(part.partition("=")[::2] for part in request.form.get("seen", "").split(";") if part)


def is_stale(problems: Problems) -> bool:
    return any(p.code == "stale" for p in problems)


def version_asked() -> int | None:
    return number(request.form.get("version", ""))


def inputs(spec: Spec, value: Any) -> list[str]:
    """The texts that a form holds for *value*."""
    if spec.kind == "many":
        return sorted(str(one.id) for one in value or ())
    if spec.kind == "words":
        return str(value or "").split()
    text = to_input(spec, value)
    return [text] if text or spec.kind != "boolean" else []


def digest(row: Any, name: str, texts: Sequence[str]) -> str:
    """Enough of a hash to tell, when a form comes back, which of its fields were changed since it was opened.

    Keyed, and of this row and field alone: it stands in the page, where a plain one would give masked numbers away.
    """
    plain = sorted(text.replace("\r\n", "\n") for text in texts if text)
    about = [type(row).__admin__.name, str(row.id), name, *plain]
    key = str(current_app.secret_key).encode()
    return hmac.digest(key, "\n".join(about).encode("utf-8", "surrogatepass"), "sha256").hex()[:10]
