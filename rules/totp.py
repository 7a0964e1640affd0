"""One-time codes by the clock (RFC 6238, over RFC 4226): SHA-1, six digits, thirty seconds, as every app has.

A step is the number of half minutes since 1970; ``views/`` hands in the moment, ``models/second_factor.py`` remembers
the last step that was used, so that a code read over a shoulder opens nothing.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
import struct
from datetime import datetime
from urllib.parse import quote, urlencode

SECONDS = 30
DIGITS = 6
# Clocks of phones may be one step off (RFC 6238, 5.2).
DRIFT = 1
RECOVERY_CODES = 10


def new_secret() -> str:
    """160 random bits (RFC 4226, 4 R6) in base 32, as apps take them."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def step_at(moment: datetime) -> int:
    return int(moment.timestamp()) // SECONDS


def code_of(secret: str, step: int) -> str:
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", step), "sha1")
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def matching_step(secret: str, code: str, now: datetime, last: int) -> int | None:
    """The step after *last* whose code this is; None for a wrong one, an old one and one that was used already."""
    if not re.fullmatch(rf"[0-9]{{{DIGITS}}}", code):
        return None
    present = step_at(now)
    fits = [s for s in range(present - DRIFT, present + DRIFT + 1) if hmac.compare_digest(code_of(secret, s), code)]
    return next((s for s in fits if s > last), None)


def address(secret: str, issuer: str, name: str) -> str:
    """What the QR code says (otpauth://, the form that apps agree on)."""
    label = quote(f"{issuer}:{name}")
    return f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': issuer}, quote_via=quote)}"


def new_recovery_code() -> str:
    """80 random bits in four groups, without letters that are mistaken for digits."""
    text = base64.b32encode(secrets.token_bytes(10)).decode()
    return "-".join(text[i : i + 4] for i in range(0, 16, 4))


def plain(code: str) -> str:
    """A code as it was meant, however it was typed: blanks and hyphens do not count, nor does the case."""
    return re.sub(r"[\s-]", "", code).upper()[:40]
