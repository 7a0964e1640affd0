"""Declared model → pages. One class holds what every registry does; each registry is a subclass with its model.

flask-appbuilder gives the blueprint, the permission names and the registration. Its ModelView is not used: its
bulk actions skip the row filter, its forms lose what was typed and load whole tables (docs/flask-appbuilder.md).
Every route asks the scope first, reads through the scoped session, and writes through the two doors.
"""

from __future__ import annotations

from typing import Any

from models.declare import Admin
from models.tree import is_tree
from views.exporting import Exporting
from views.public import PublicPages
from views.reading import Reading
from views.writing import Writing

# Method, on pages or in REST, and the verb without which it is of no use.
ROUTES_OF_VERBS = (
    *((verb, verb) for verb in ("add", "edit", "delete", "reveal", "export")),
    *(("post", "add"), ("put", "edit")),
)


class RegistryPages(Reading, Writing, Exporting):
    """Every page of one registry."""


def unused(model: type[Any]) -> set[str]:
    """Methods whose verb nobody is granted: they get no route at all, on pages and in REST alike."""
    admin: Admin = model.__admin__
    granted = {verb for grant in admin.grants for verb in grant.words}
    steps = {step.name for step in admin.steps}
    gone = {method for method, verb in ROUTES_OF_VERBS if verb not in granted}
    if not steps & granted:
        gone |= {"do", "do_many"}
    if {"add", "edit"} <= gone:
        gone.add("keep_draft")
    if not is_tree(model):
        gone.add("tree")
    return gone if admin.file else gone | {"file"}


def public_pages_for(model: type[Any]) -> type[PublicPages]:
    """The pages of one registry that are open to everybody: ``url_for("public-items.list")``."""
    admin: Admin = model.__admin__
    return type(
        f"public-{admin.name}",
        (PublicPages,),
        {
            "model": model,
            "admin": admin.outside,
            "route_base": f"/public/{admin.name}",
            "base_permissions": [],
            "__doc__": f"Public pages of {model.__name__}.",
        },
    )


def pages_for(model: type[Any]) -> type[RegistryPages]:
    """The page class of one registry; its endpoint is the registry's name: ``url_for("items.list")``."""
    admin: Admin = model.__admin__
    return type(
        admin.name,
        (RegistryPages,),
        {
            "model": model,
            "admin": admin,
            "exclude_route_methods": unused(model),
            "route_base": f"/{admin.name}",
            "class_permission_name": admin.name,
            "base_permissions": [f"can_{verb}" for verb in admin.verbs],
            "__doc__": f"Pages of {model.__name__}.",
        },
    )
