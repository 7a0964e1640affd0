"""Official letters: plain data in, bytes out. No database, no request, no clock; folders are parameters."""

from typing import TYPE_CHECKING, Any

from notices.catalog import NoticeError, Skip, kinds

if TYPE_CHECKING:
    from notices.rendering import Rendered, render

__all__ = ["NoticeError", "Rendered", "Skip", "kinds", "render"]


def __getattr__(name: str) -> Any:
    """What makes PDFs is loaded with the first letter: a web server writes none, and does without its 40 MB."""
    if name not in ("Rendered", "render"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from notices import rendering

    return getattr(rendering, name)
