"""Personal values in forms and in REST: what stands in for them, and what comes back of it."""

from __future__ import annotations

from typing import Any

from forms.convert import Spec, to_input
from rules.identifiers import mask_identifier
from rules.words import N_, Problem

# More than what people type between their own words.
HIDDEN = "**"


def mask(spec: Spec, value: Any) -> str:
    """What an input holds in place of *value*; nothing for none."""
    return mask_identifier(to_input(spec, value))


def is_mask(spec: Spec, value: Any, text: str) -> bool:
    """Does *text* say that *value* was left alone? Browsers send line ends of their own."""
    return value is not None and text.replace("\r\n", "\n").strip() == mask(spec, value).strip()


def half_masked(spec: Spec, value: Any, text: str) -> Problem | None:
    """Somebody typed into the mask: what is hidden cannot be changed without being typed anew."""
    if value is None or HIDDEN not in text or HIDDEN in to_input(spec, value) or HIDDEN not in mask(spec, value):
        return None
    message = N_("Part of this is still hidden. Type the whole of it, or leave it as it stood.")
    return Problem(spec.name, "half_masked", message)
