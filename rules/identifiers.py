"""Numbers that carry their own proof: citizens (GB 11643-1999), organisations (GB 32100-2015), item codes.

Every check takes text as a person typed it and returns a :class:`Verdict`; none raises. Full-width
characters, letters in lower case and blanks inside are mended before checking, nothing else is guessed.
Region codes are judged by province only: a number is for life (居民身份证法第三条), the county it was given
in may have been renamed or abolished since.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from string import ascii_uppercase

from rules.normalise import clean
from rules.words import N_


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    text: as given. reason: a key of :data:`REASONS`, None when valid.
    normalised: the number as it should be stored; None when it is wrong. A temporary code has one although
    it is not valid, because the caller may let it pass with a warning.
    """

    text: str
    valid: bool
    reason: str | None
    normalised: str | None


REASONS: dict[str, str] = {
    "blank": N_("There is no number"),
    "encoding": N_("The line is not UTF-8 text"),
    "length": N_("The number has too few or too many characters"),
    "characters": N_("The number has characters that cannot stand there"),
    "province": N_("The number does not begin with the code of a province"),
    "date": N_("The birth date in the number does not exist or is before 1850"),
    "future_date": N_("The birth date in the number is in the future"),
    "checksum": N_("The check character does not fit: at least one character is wrong"),
    "organisation_checksum": N_("Characters 9 to 17, an organisation code, fail their own check"),
    "temporary": N_("This is a temporary code, not a unified social credit code"),
    "level": N_("The level of exercise must be 1 (state) to 6 (village)"),
    "type": N_("The code names no known type of item"),
}

# First two digits of GB/T 2260; 81, 82, 83 also begin residence permits for Hong Kong, Macao and Taiwan.
_PLACES = ("12345", "123", "1234567", "123456", "01234", "12345", "1", "123")
_PROVINCES = frozenset(tens + unit for tens, units in zip("12345678", _PLACES, strict=True) for unit in units)
_EARLIEST_BIRTH = 1850
# With its mask, which is masked no further.
MOBILE = re.compile(r"1[0-9]{2}[0-9*]{4}[0-9]{4}")
_DIGITS = "0123456789"
_RESIDENT_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_RESIDENT_CHECKS = "10X98765432"

_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100: no I, O, S, V, Z
_USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)

_ITEM_TYPES = frozenset(("01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "20"))


def _tidy(text: str) -> str:
    return unicodedata.normalize("NFKC", clean(text)).replace(" ", "").upper()


def _verdict(text: str, number: str, reason: str | None) -> Verdict:
    return Verdict(text, reason is None, reason, number if reason in (None, "temporary") else None)


def _shape(number: str, length: int, pattern: str) -> str | None:
    if not number:
        return "blank"
    if len(number) != length:
        return "length"
    return None if re.fullmatch(pattern, number) else "characters"


def _weighted(number: str, alphabet: str, weights: tuple[int, ...]) -> int:
    """Each character's place in *alphabet* times its weight, summed."""
    return sum(alphabet.index(char) * weight for char, weight in zip(number, weights, strict=True))


def check_resident(text: str, today: date) -> Verdict:
    """Citizen's number: 17 digits and a check character (GB 11643-1999), born from 1850 to *today*.

    Numbers of foreigners' permanent residence cards (beginning with 9, same dates and check) pass too; the
    digits after the 9 are not judged as a province.
    """
    number = _tidy(text)
    return _verdict(text, number, _resident_fault(number, today))


def _resident_fault(number: str, today: date) -> str | None:
    if fault := _shape(number, 18, r"[0-9]{17}[0-9X]"):
        return fault
    if number[0] != "9" and number[:2] not in _PROVINCES:
        return "province"
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return "date"
    if born.year < _EARLIEST_BIRTH:
        return "date"
    if born > today:
        return "future_date"
    total = _weighted(number[:17], _DIGITS, _RESIDENT_WEIGHTS)
    return None if _RESIDENT_CHECKS[total % 11] == number[17] else "checksum"


def check_uscc(text: str, strict: bool = True) -> Verdict:
    """Unified social credit code: 18 characters (GB 32100-2015), an organisation code inside (GB 11714-1997).

    strict: for applicants. With False, for units that handle items, a code beginning with T, which no
    registration department of GB 32100 has and which catalogues use for units still without a code, is
    judged "temporary" instead of wrong: not valid, but the caller may warn and go on.
    """
    number = _tidy(text)
    fault = _uscc_fault(number)
    if fault and not strict and re.fullmatch(r"T[0-9A-Z]{17}", number):
        fault = "temporary"
    return _verdict(text, number, fault)


def _uscc_fault(number: str) -> str | None:
    if fault := _shape(number, 18, rf"[{_USCC_ALPHABET}]{{18}}"):
        return fault
    total = _weighted(number[:17], _USCC_ALPHABET, _USCC_WEIGHTS)
    # The outer "mod 31" matters: without it a total divisible by 31 asks for a 32nd character.
    if _USCC_ALPHABET[(31 - total % 31) % 31] != number[17]:
        return "checksum"
    organisation = number[8:17]
    # GB 11714 counts all letters, A = 10 … Z = 35: not the places in the shorter alphabet above.
    total = _weighted(organisation[:8], _DIGITS + ascii_uppercase, _ORGANISATION_WEIGHTS)
    return None if organisation[8] == "0123456789X0"[11 - total % 11] else "organisation_checksum"


def check_basic_code(text: str) -> Verdict:
    """Basic code of a catalogue item, 12 digits (GB/T 39554.1-2020).

    2 region (00 national, else the province), 2 type of item (01 licence … 10, 20 public service),
    2 field of work, 3 main item, 3 sub-item (000 none). Local schemes differ and are not judged here.
    """
    number = _tidy(text)
    return _verdict(text, number, _basic_fault(number))


def _basic_fault(number: str) -> str | None:
    if fault := _shape(number, 12, r"[0-9]{12}"):
        return fault
    if number[:2] != "00" and number[:2] not in _PROVINCES:
        return "province"
    return None if number[2:4] in _ITEM_TYPES else "type"


def check_implementation_code(text: str) -> Verdict:
    """Implementation code of an item, 31 characters (GB/T 39554.1-2020).

    18 credit code of the unit that handles it, 1 level of exercise (1 state, 2 province, 3 city, 4 county,
    5 town, 6 village), 12 basic code. "temporary" when all is well but for a temporary unit code.
    """
    number = _tidy(text)
    if fault := _shape(number, 31, r"[0-9A-Z]{31}"):
        return _verdict(text, number, fault)
    unit = check_uscc(number[:18], strict=False).reason
    fault = unit if unit != "temporary" else None
    fault = fault or (None if number[18] in "123456" else "level") or _basic_fault(number[19:]) or unit
    return _verdict(text, number, fault)


# One shape for all, so that a form field, an importer and a command can choose by name.
KINDS: dict[str, Callable[[str, date], Verdict]] = {
    "resident": check_resident,
    "uscc": lambda text, today: check_uscc(text),
    "basic-code": lambda text, today: check_basic_code(text),
    "implementation-code": lambda text, today: check_implementation_code(text),
}


def mask_identifier(text: str) -> str:
    """*text* for pages and letters that others may see: same length, the middle as asterisks.

    18 characters and more keep the first and last four, mobile numbers the first three and last four, as is usual;
    others the first and last; of two, the first; a single one is hidden. A mask that is masked again stays as it is.
    """
    if MOBILE.fullmatch(text):
        return f"{text[:3]}****{text[-4:]}"
    if len(text) < 3:
        return text[: len(text) - 1] + "*" if text else ""
    kept = 4 if len(text) >= 18 else 1
    return text[:kept] + "*" * (len(text) - 2 * kept) + text[-kept:]
