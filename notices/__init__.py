"""Official letters: plain data in, bytes out. No database, no request, no clock; folders are parameters."""

from notices.catalog import NoticeError, Skip, kinds
from notices.render import Rendered, render

__all__ = ["NoticeError", "Rendered", "Skip", "kinds", "render"]
