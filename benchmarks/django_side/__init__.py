"""Django's admin over tables of its own, as its documentation shows it. This package is the Django application."""

from __future__ import annotations

from pathlib import Path
from typing import Any

LABEL = "django_side"


def configure(path: Path) -> None:
    """What ``startproject`` writes, with DEBUG off, and the same durability of a commit as the other sides."""
    import django
    from django.conf import settings

    settings.configure(
        SECRET_KEY="a benchmark's key, used nowhere else",
        DEBUG=False,
        ALLOWED_HOSTS=["testserver"],
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "django.contrib.staticfiles",
            "benchmarks.django_side",
        ],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
        ],
        ROOT_URLCONF="benchmarks.django_side.urls",
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "DIRS": [],
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ],
                },
            }
        ],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": path,
                "OPTIONS": {"init_command": "PRAGMA synchronous=NORMAL;", "transaction_mode": "IMMEDIATE"},
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        LANGUAGE_CODE="en-us",
        TIME_ZONE="UTC",
        USE_I18N=True,
        USE_TZ=True,
        STATIC_URL="static/",
    )
    django.setup()


def build(path: Path) -> tuple[Any, Any]:
    """Its tables, and two browsers: of an administrator, and of somebody who may only view."""
    configure(path)
    from django.contrib.auth.models import Permission, User
    from django.core.management import call_command
    from django.test import Client

    call_command("migrate", run_syncdb=True, verbosity=0)
    administrator = User.objects.create_superuser("django", "django@example.invalid")
    viewer = User.objects.create_user("viewer", is_staff=True)
    seen = Permission.objects.filter(content_type__app_label=LABEL, codename__startswith="view_")
    viewer.user_permissions.set(seen)
    clients = Client(enforce_csrf_checks=True), Client(enforce_csrf_checks=True)
    for client, user in zip(clients, (administrator, viewer), strict=True):
        client.force_login(user)
    return clients
