"""The few pages written by hand that everybody may open: language, verification of a letter, health."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, redirect, render_template, request, session
from flask_appbuilder import BaseView, expose
from sqlalchemy import select, text

from config import LOCALES
from forms.convert import UNSTORABLE
from models.letter import Letter, LetterState
from models.scope import everything
from views.listing import with_references
from views.security import database, local_path


class Language(BaseView):
    route_base = "/language"
    base_permissions: list[str] = []  # noqa: RUF012

    @expose("/", methods=["POST"])
    def choose(self) -> Any:
        chosen = request.form.get("locale")
        if chosen in LOCALES:
            session["locale"] = chosen
        return redirect(local_path(request.form.get("next")))


class Verify(BaseView):
    """What the QR code of a letter leads to: open to everybody, tells nothing that the letter does not say."""

    route_base = "/verify"
    base_permissions: list[str] = []  # noqa: RUF012

    @expose("/")
    @expose("/<code>")
    def show(self, code: str = "") -> Any:
        asked = UNSTORABLE.sub("", code or request.args.get("code", "")).strip().upper()[:20]
        letter = None
        if asked:
            with database().session(everything("verification of a letter")) as s:
                statement = select(Letter).where(Letter.code == asked, Letter.state == LetterState.Issued)
                letter = s.scalars(with_references(statement, Letter, ("department_id",))).one_or_none()
        missing = bool(asked) and letter is None
        return render_template("verify.html", letter=letter, asked=asked, missing=missing), 404 if missing else 200


class Health(BaseView):
    route_base = "/health"
    base_permissions: list[str] = []  # noqa: RUF012

    @expose("/")
    def health(self) -> Response:
        with database().engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        return jsonify({"status": "ok"})


PAGES = (Language, Verify, Health)
