"""Every setting, from the environment. Imports nothing of ours; docs/run.md lists them and a test compares."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields
from dataclasses import field as dc_field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent


class ConfigError(Exception):
    """A setting that the product refuses to start with."""


def setting(env: str, default: Any, help_: str) -> Any:
    return dc_field(default=default, metadata={"env": env, "help": help_})


@dataclass(frozen=True)
class Config:
    """Read once at start by :func:`read`; handed down, never imported as a global."""

    instance: Path = setting(
        "YIZHAN_INSTANCE", ROOT / "instance", "Folder for database, queue, keys, fonts and uploads."
    )
    database_url: str = setting("DATABASE_URL", "", "SQLAlchemy address; empty: SQLite in the instance folder.")
    huey_url: str = setting("HUEY_URL", "", "redis://… to queue in Redis; empty: the queue follows the database.")
    secret_key: str = setting(
        "SECRET_KEY", "", "Signs sessions and tokens, 32 characters or more; empty in demo mode: made once."
    )
    demo: bool = setting("YIZHAN_DEMO", True, "1: demonstration data, letters marked 演示. 0: for real work.")
    host: str = setting("HOST", "127.0.0.1", "Address the web server listens on.")
    port: int = setting("PORT", 8080, "Port the web server listens on.")
    threads: int = setting("WEB_THREADS", 8, "Threads of the web server.")
    base_url: str = setting("BASE_URL", "", "Public address, as printed in letters; empty: from host and port.")
    https: bool = setting("YIZHAN_HTTPS", False, "1: cookies only over HTTPS; set it behind a TLS proxy.")
    proxies: int = setting("TRUSTED_PROXIES", 0, "How many reverse proxies stand before us and set X-Forwarded-*.")
    default_locale: str = setting("YIZHAN_LOCALE", "zh", "Language before one is chosen: zh, zh_Hant or en.")
    session_minutes: int = setting("SESSION_MINUTES", 480, "A sign-in ends after so many minutes without a request.")
    session_hours: int = setting("SESSION_HOURS", 12, "A sign-in ends after so many hours, however busy it was.")
    sign_in_days: int = setting(
        "SIGN_IN_DAYS", 190, "So long the record of sign-ins is kept; the law asks for six months at least."
    )
    oidc_issuer: str = setting("OIDC_ISSUER", "", "Address of an OpenID Connect provider; empty: passwords only.")
    oidc_client_id: str = setting("OIDC_CLIENT_ID", "", "What the provider calls this installation.")
    oidc_client_secret: str = setting("OIDC_CLIENT_SECRET", "", "The secret shared with the provider.")
    oidc_name: str = setting("OIDC_NAME", "统一身份认证", "What its button on the sign-in page says.")
    upload_megabytes: int = setting("UPLOAD_MEGABYTES", 10, "Largest upload and request body.")
    import_rows: int = setting("IMPORT_ROWS", 100_000, "Most rows of one import.")
    rows_at_once: int = setting(
        "ROWS_AT_ONCE", 1_000, "An import of more rows is checked and carried out by the worker."
    )
    batch_days: int = setting(
        "BATCH_DAYS", 30, "So long the files and reports of imports are kept, and imports can be taken back."
    )
    font_folder: str = setting(
        "FONT_FOLDER", "", "Folder with licensed official fonts (仿宋, 小标宋, 楷体) for letters."
    )
    font_cache: str = setting("FONT_CACHE", "", "Folder for converted fonts; empty: instance/fonts.")
    claim_seconds: int = setting("CLAIM_SECONDS", 60, "After so long a claim of a killed worker is free again.")
    log_level: str = setting("LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING or ERROR.")

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.instance / 'yizhan.db'}"

    @property
    def fonts(self) -> Path:
        return Path(self.font_cache) if self.font_cache else self.instance / "fonts"

    @property
    def address(self) -> str:
        return (self.base_url or f"http://{self.host}:{self.port}").rstrip("/")


def read(environ: Mapping[str, str] | None = None, **overrides: Any) -> Config:
    """The configuration of *environ* (default: the process's); raises ConfigError with a sentence."""
    given = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for f in fields(Config):
        raw = given.get(f.metadata["env"])
        if raw is None or raw == "":
            continue
        values[f.name] = _convert(f.metadata["env"], raw, f.default)
    values.update(overrides)
    config = Config(**values)
    if config.default_locale not in LOCALES:
        raise ConfigError(f"YIZHAN_LOCALE must be one of {', '.join(LOCALES)}")
    _check_provider(config)
    config = _with_secret(config)
    _check_transport(config)
    return config


LOCALES = ("zh", "zh_Hant", "en")


def _convert(env: str, raw: str, default: Any) -> Any:
    try:
        if isinstance(default, bool):
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[raw.lower()]
        if isinstance(default, int):
            return int(raw)
    except (KeyError, ValueError):
        raise ConfigError(
            f"{env}: {raw!r} is not a {'yes or no (1 or 0)' if isinstance(default, bool) else 'number'}"
        ) from None
    return Path(raw) if isinstance(default, Path) else raw


def _with_secret(config: Config) -> Config:
    if config.secret_key:
        if len(config.secret_key) < 32 or len(set(config.secret_key)) < 10:
            raise ConfigError("SECRET_KEY is too weak: give 32 or more random characters")
        return config
    if not config.demo:
        raise ConfigError("SECRET_KEY must be set when YIZHAN_DEMO=0")
    path = config.instance / "secret_key"
    if not path.exists():
        config.instance.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, secrets.token_urlsafe(48))
    return Config(**{**config.__dict__, "secret_key": path.read_text().strip()})


def _check_transport(config: Config) -> None:
    """For real work nothing that opens a session travels in the clear."""
    if config.demo:
        return
    if not config.https:
        raise ConfigError("YIZHAN_HTTPS must be 1 when YIZHAN_DEMO=0: passwords and cookies would travel in the clear")
    if not config.base_url.startswith("https://"):
        raise ConfigError("BASE_URL must begin with https:// when YIZHAN_DEMO=0")


def _check_provider(config: Config) -> None:
    if not config.oidc_issuer:
        return
    if not (config.oidc_client_id and config.oidc_client_secret):
        raise ConfigError("OIDC_CLIENT_ID and OIDC_CLIENT_SECRET must be set when OIDC_ISSUER is")
    local = config.oidc_issuer.startswith(("http://127.0.0.1", "http://localhost"))
    if not config.oidc_issuer.startswith("https://") and not (local and config.demo):
        raise ConfigError("OIDC_ISSUER must begin with https://")


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody but its owner may read, from its first byte on."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(handle, 0o600)  # the mode above counts only for a file that is new
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)


def flask_settings(config: Config) -> dict[str, Any]:
    """What Flask, flask-appbuilder and flask-babel read."""
    return {
        "SECRET_KEY": config.secret_key,
        "JWT_SECRET_KEY": config.secret_key,
        "JWT_ACCESS_TOKEN_EXPIRES": 3600,
        "APP_NAME": "一站",
        "APPLICATION": config,
        "AUTH_TYPE": 1,
        "AUTH_ROLE_ADMIN": "administrator",
        "AUTH_ROLE_PUBLIC": "public",
        "AUTH_RATE_LIMITED": True,
        # An outer bound on requests alone: who guesses is held up by models/throttle.py long before, and a hall of
        # three hundred people behind one address must be able to sign in at half past eight.
        "AUTH_RATE_LIMIT": "600 per minute",
        "RATELIMIT_ENABLED": True,
        "RATELIMIT_STORAGE_URI": config.huey_url or "memory://",
        # Alembic owns every table, and ``sync`` writes roles and permissions: nothing happens at start.
        "FAB_CREATE_DB": False,
        "FAB_UPDATE_PERMS": False,
        "FAB_PASSWORD_HASH_METHOD": "scrypt",
        "BABEL_DEFAULT_LOCALE": config.default_locale,
        "BABEL_DEFAULT_TIMEZONE": "Asia/Shanghai",
        "BABEL_TRANSLATION_DIRECTORIES": str(ROOT / "translations"),
        "LANGUAGES": {
            "zh": {"flag": "cn", "name": "简体中文"},
            "zh_Hant": {"flag": "cn", "name": "繁體中文"},
            "en": {"flag": "gb", "name": "English"},
        },
        "MAX_CONTENT_LENGTH": config.upload_megabytes * 1024 * 1024,
        "MAX_FORM_MEMORY_SIZE": 1024 * 1024,
        # With the prefix, browsers take it from this very host and over HTTPS alone (RFC 6265bis, 4.1.3.2).
        "SESSION_COOKIE_NAME": "__Host-session" if config.https else "session",
        "SESSION_COOKIE_PATH": "/",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": config.https,
        "PERMANENT_SESSION_LIFETIME": config.session_minutes * 60,
        "WTF_CSRF_TIME_LIMIT": None,
        # views/security.py asks for the token on every mutating request that carries a cookie, REST included.
        "WTF_CSRF_CHECK_DEFAULT": False,
        "TEMPLATES_AUTO_RELOAD": False,
    }
