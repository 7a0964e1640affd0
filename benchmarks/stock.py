"""A stock flask-appbuilder application over tables of its own: models, list, form and REST as its documentation shows.

Nothing is slowed down and nothing is mended: the defaults of ModelView and ModelRestApi, with the same columns as ours
and their pages as long as ours. ``/stock-lean`` is the same with ``search_columns`` chosen for large tables.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask
from flask_appbuilder import AppBuilder, Model, ModelRestApi, ModelView
from flask_appbuilder.models.sqla.interface import SQLAInterface
from flask_appbuilder.security.sqla.manager import SecurityManager
from sqlalchemy import Column, Engine, ForeignKey, Index, Integer, String
from sqlalchemy.orm import relationship, scoped_session, sessionmaker

ROLES = ("StockAdmin", "StockPublic")
COLUMNS = ("name", "local_code", "department", "item_type", "state", "gap_count")
# Ours lets nobody move an item to another department, so the edit form of no side has that field.
CHANGED = (
    "name", "catalogue_item", "item_type", "level", "basic_code", "national_code", "local_code", "legal_basis",
    "statutory_days", "promise_days", "phone", "address",
)  # fmt: skip
FIELDS = ("name", "department", *CHANGED[1:])


class StockDepartment(Model):
    __tablename__ = "stock_department"

    id = Column(Integer, primary_key=True)
    name = Column(String(100), nullable=False)

    def __repr__(self) -> str:
        return str(self.name)


class StockLegalBasis(Model):
    __tablename__ = "stock_legalbasis"

    id = Column(Integer, primary_key=True)
    title = Column(String(200), nullable=False)
    article = Column(String(60), nullable=False)

    def __repr__(self) -> str:
        return f"{self.title}{self.article}"


class StockCatalogueItem(Model):
    __tablename__ = "stock_catalogueitem"

    id = Column(Integer, primary_key=True)
    name = Column(String(300), nullable=False)
    basic_code = Column(String(12), nullable=False, unique=True)

    def __repr__(self) -> str:
        return str(self.name)


class StockItem(Model):
    __tablename__ = "stock_item"
    __table_args__ = (
        Index("ix_stock_item_department_id_name", "department_id", "name"),
        Index("ix_stock_item_name", "name"),
    )

    id = Column(Integer, primary_key=True)
    name = Column(String(300), nullable=False)
    department_id = Column(Integer, ForeignKey("stock_department.id"), nullable=False)
    department = relationship(StockDepartment)
    catalogue_item_id = Column(Integer, ForeignKey("stock_catalogueitem.id"), index=True)
    catalogue_item = relationship(StockCatalogueItem)
    legal_basis_id = Column(Integer, ForeignKey("stock_legalbasis.id"), index=True)
    legal_basis = relationship(StockLegalBasis)
    item_type = Column(String(40), nullable=False)
    level = Column(String(40))
    basic_code = Column(String(12))
    national_code = Column(String(31))
    local_code = Column(String(80), nullable=False, unique=True)
    statutory_days = Column(Integer)
    promise_days = Column(Integer)
    phone = Column(String(60))
    address = Column(String(200))
    state = Column(String(40), nullable=False)
    gap_count = Column(Integer, nullable=False, index=True)


MODELS = (StockDepartment, StockLegalBasis, StockCatalogueItem, StockItem)


class StockItems(ModelView):
    datamodel = SQLAInterface(StockItem)
    route_base = "/stock-items"
    list_columns = [*COLUMNS]  # noqa: RUF012 - flask-appbuilder's own form
    add_columns = [*FIELDS]  # noqa: RUF012
    edit_columns = [*CHANGED]  # noqa: RUF012
    show_columns = [*FIELDS, "state", "gap_count"]  # noqa: RUF012
    base_order = ("name", "asc")


class LeanItems(StockItems):
    """The search box without the references, which it would carry whole."""

    datamodel = SQLAInterface(StockItem)
    route_base = "/stock-lean"
    search_columns = ["name", "local_code", "national_code", "item_type", "state", "gap_count"]  # noqa: RUF012


class StockItemsApi(ModelRestApi):
    datamodel = SQLAInterface(StockItem)
    resource_name = "stock-items"
    allow_browser_login = True
    list_columns = ["id", "name", "local_code", "department.name", "item_type", "state", "gap_count"]  # noqa: RUF012
    base_order = ("name", "asc")
    page_size = 25


class StockSecurity(SecurityManager):
    def update_user_auth_stat(self, user: Any, success: bool = True) -> None:
        """Both applications share the user table here, whose moments take no naive time. No page measured does this."""


def build(engine: Engine, folder: Path, password: str) -> Flask:
    """The application, with one administrator called ``stock``."""
    app = Flask("stock", root_path=str(folder))
    app.config.update(
        SECRET_KEY="a benchmark's key, used nowhere else",
        SQLALCHEMY_DATABASE_URI=str(engine.url),
        AUTH_TYPE=1,
        AUTH_ROLE_ADMIN=ROLES[0],
        AUTH_ROLE_PUBLIC=ROLES[1],
        AUTH_RATE_LIMITED=False,
        RATELIMIT_ENABLED=False,
        FAB_CREATE_DB=False,
        WTF_CSRF_ENABLED=True,
    )
    session: Any = scoped_session(sessionmaker(engine))
    with app.app_context():
        builder = AppBuilder(app, session, security_manager_class=StockSecurity)
        builder.add_view(StockItems, "Items")
        builder.add_view(LeanItems, "Items, lean")
        builder.add_api(StockItemsApi)
        builder.add_permissions(update_perms=True)
        role = builder.sm.find_role(ROLES[0])
        if not builder.sm.add_user("stock", "Stock", "User", "stock@example.invalid", role, password):
            raise RuntimeError("flask-appbuilder made no user")
        session.commit()
        session.remove()

    @app.teardown_appcontext
    def leave(error: BaseException | None) -> None:
        session.remove()

    return app
