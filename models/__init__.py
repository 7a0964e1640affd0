"""WHAT there is. Every file here that holds a model with ``__admin__`` is a registry; discovery finds it."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import MappingProxyType
from typing import Any

from sqlalchemy.orm import configure_mappers

# First of all: it names constraints, which must be settled before flask-appbuilder makes its tables.
import models.base  # noqa: F401


@cache
def registries() -> MappingProxyType[str, type[Any]]:
    """Plural name → model, for every declared registry; importing is what finds them."""
    from models.account import Account, label_relations
    from models.base import Base
    from models.declare import MenuGroup
    from models.scope import register_scoped

    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"models.{module.name}")
    configure_mappers()
    label_relations()
    found: dict[str, type[Any]] = {}
    models: list[type[Any]] = [m.class_ for m in Base.registry.mappers if hasattr(m.class_, "__admin__")]
    every: list[Any] = [Account, *models]
    for model in every:
        admin = model.__admin__
        if admin.name in found:
            raise RuntimeError(f"two registries are called {admin.name}: {found[admin.name]} and {model}")
        found[admin.name] = model
        if admin.scoped:
            register_scoped(model, admin)
    groups = list(MenuGroup)
    ordered = sorted(found.items(), key=lambda p: (groups.index(p[1].__admin__.menu), p[1].__admin__.weight, p[0]))
    return MappingProxyType(dict(ordered))
