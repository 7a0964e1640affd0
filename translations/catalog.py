"""The message catalogues: ``python -m translations.catalog update|compile|check``.

update collects the English ids of the code into each locale's ``messages.po``; compile writes the ``messages.mo``
that the pages read; check says what is wrong. A .po holds neither dates nor line numbers and stands in a fixed
order: the same code gives the same bytes. A message that the code no longer holds goes out of the .po; the
repository remembers it.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

# Babel is imported where it is needed: a compile that has nothing to do should take no time.
FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
LOCALES = ("zh", "zh_Hant", "en")
KEYWORDS = {"N_": None, "gettext": None, "ngettext": (1, 2)}

# What stands in the place of a value: %(name)s, %%, and anything else that begins with a percent sign.
PLACE = re.compile(r"%(?:\(\w+\)[a-z]|.|$)", re.DOTALL)
# An ideograph that the old national character set of a script lacks belongs to the other script.
CHARACTER_SETS = {"zh": "gb2312", "zh_Hant": "big5"}
# Simplified characters that are other characters' Traditional forms; what we say never needs those.
LOOKALIKES = {"zh_Hant": frozenset("后里台于划范几丰冲么")}


class CatalogError(Exception):
    """The code holds messages that no catalogue can hold."""


@dataclass
class Found:
    """One message id of the code: its plural where it has one, and the files it stands in."""

    plural: str | None = None
    files: set[str] = field(default_factory=set)


def path_of(locale: str, folder: Path = FOLDER, ending: str = "po") -> Path:
    return folder / locale / "LC_MESSAGES" / f"messages.{ending}"


def extract() -> dict[str, Found]:
    """Every message id of the code, by file of origin and then by id."""
    from babel.messages.extract import extract_from_dir
    from babel.messages.frontend import parse_mapping_cfg

    with (ROOT / "babel.cfg").open(encoding="utf-8") as stream:
        methods, options = parse_mapping_cfg(stream)
    found: dict[str, Found] = {}
    for file, _line, said, _comments, _context in extract_from_dir(
        str(ROOT), methods, options, keywords=KEYWORDS, directory_filter=_is_ours
    ):
        singular, plural = (said, None) if isinstance(said, str) else said
        entry = found.setdefault(singular, Found())
        if plural is not None and entry.plural not in (None, plural):
            raise CatalogError(f"two plurals of {singular!r}: {entry.plural!r} and {plural!r}")
        entry.plural = plural or entry.plural
        entry.files.add(Path(file).as_posix())
    return dict(sorted(found.items(), key=lambda pair: (min(pair[1].files), pair[0])))


def _is_ours(folder: str) -> bool:
    path = Path(folder)
    return path == ROOT or path.parent != ROOT or (path / "__init__.py").exists() or path.name == "templates"


def read(locale: str, folder: Path = FOLDER) -> Any:
    """The catalogue of *locale* as it stands; an empty one where there is none yet."""
    from babel.messages.catalog import Catalog
    from babel.messages.pofile import read_po

    path = path_of(locale, folder)
    if not path.exists():
        return Catalog(locale=locale, fuzzy=False)
    with path.open("rb") as stream:
        return read_po(stream, locale=locale, abort_invalid=True)


def translated(locale: str, folder: Path = FOLDER) -> frozenset[str]:
    """The message ids that *locale* says in its own words; read once, and again when its .po was changed."""
    path = path_of(locale, folder)
    return _translated(locale, folder, path.stat().st_mtime_ns) if path.exists() else frozenset()


@cache
def _translated(locale: str, folder: Path, changed: int) -> frozenset[str]:
    return frozenset(_singular(m) for m in read(locale, folder) if m.id and _strings(m) and not m.fuzzy)


def update(folder: Path = FOLDER) -> list[str]:
    """Bring every .po to what the code says; returns what that took away, and what waits to be translated."""
    from babel.messages.catalog import Catalog
    from babel.messages.pofile import generate_po

    said = []
    found = extract()
    for locale in LOCALES:
        old = read(locale, folder)
        new = Catalog(locale=locale, fuzzy=False)
        for singular, entry in found.items():
            known = old.get(singular)
            message = new.add(
                singular if entry.plural is None else (singular, entry.plural),
                _kept(known, entry, new.num_plurals) or ("" if locale != "en" else _english(singular, entry)),
                locations=[(file, None) for file in sorted(entry.files)],
                user_comments=known.user_comments if known is not None else (),
            )
            if known is not None and known.fuzzy:
                message.flags.add("fuzzy")
        said += [f"{locale}: taken out: {_singular(m)!r}" for m in old if m.id and _singular(m) not in found]
        said += [f"{locale}: to be translated: {_singular(m)!r}" for m in new if m.id and not _strings(m)]
        text = _header(locale, new.plural_forms) + "".join(generate_po(new, omit_header=True, width=0))
        _write(path_of(locale, folder), text.rstrip("\n").encode() + b"\n")
    return said


def _kept(known: Any, entry: Found, forms: int) -> Any:
    """The translation so far, where it has the shape that the message has now."""
    if known is None or isinstance(known.string, str) is not (entry.plural is None):
        return None
    return known.string if isinstance(known.string, str) or len(known.string) == forms else None


def _english(singular: str, entry: Found) -> Any:
    return singular if entry.plural is None else (singular, entry.plural)


def _header(locale: str, plural_forms: str) -> str:
    lines = (
        f"Language: {locale}",
        f"Plural-Forms: {plural_forms}",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
    )
    return 'msgid ""\nmsgstr ""\n' + "".join(f'"{line}\\n"\n' for line in lines) + "\n"


def _write(path: Path, data: bytes) -> None:
    """Replace the file at once: test processes and a server may compile at the same moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    aside.write_bytes(data)
    aside.replace(path)


def compile_all(folder: Path = FOLDER) -> list[str]:
    """Write the .mo of every locale whose .po is newer; returns those locales."""
    made = []
    for locale in LOCALES:
        source, target = path_of(locale, folder), path_of(locale, folder, "mo")
        if target.exists() and target.stat().st_mtime_ns >= source.stat().st_mtime_ns:
            continue
        from io import BytesIO

        from babel.messages.mofile import write_mo

        data = BytesIO()
        write_mo(data, read(locale, folder))
        _write(target, data.getvalue())
        made.append(locale)
    return made


def check(folder: Path = FOLDER) -> list[str]:
    """Everything that is wrong with the catalogues, locale by locale."""
    found = extract()
    return [f"{locale}: {problem}" for locale in LOCALES for problem in _problems(locale, read(locale, folder), found)]


def _problems(locale: str, catalog: Any, found: dict[str, Found]) -> Iterator[str]:
    held = {_singular(m): m for m in catalog if m.id}
    yield from (f"missing: {i!r}" for i in found if i not in held)
    yield from (f"obsolete: {i!r}" for i in (*held, *map(_singular, catalog.obsolete.values())) if i not in found)
    for singular, message in held.items():
        strings = _strings(message)
        if not strings:
            yield f"untranslated: {singular!r}"
        if message.fuzzy:
            yield f"fuzzy: {singular!r}"
        plural = message.id[1] if message.pluralizable else None
        if singular in found and plural != found[singular].plural:
            yield f"other plural in the code: {singular!r}"
        for text in strings:
            if set(PLACE.findall(text)) != set(PLACE.findall(plural or singular)):
                yield f"placeholders differ: {singular!r} and {text!r}"
            if foreign := "".join(_foreign(locale, text)):
                yield f"characters of the other script: {foreign} in {text!r}"


def _foreign(locale: str, text: str) -> Iterable[str]:
    if locale not in CHARACTER_SETS:
        return
    for char in text:
        if "\u4e00" <= char <= "\u9fff" and (
            not char.encode(CHARACTER_SETS[locale], "ignore") or char in LOOKALIKES.get(locale, ())
        ):
            yield char


def _singular(message: Any) -> str:
    return str(message.id if isinstance(message.id, str) else message.id[0])


def _strings(message: Any) -> tuple[str, ...]:
    """Its translations, one for each plural form; none unless all are there."""
    strings = (message.string,) if isinstance(message.string, str) else tuple(message.string)
    return strings if all(strings) else ()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m translations.catalog", description="The message catalogues.")
    parser.add_argument("what", choices=("update", "compile", "check"))
    what = parser.parse_args(argv).what
    try:
        said = {"update": update, "compile": compile_all, "check": check}[what]()
    except CatalogError as error:
        said, what = [str(error)], "check"
    for line in said:
        print(line if what != "compile" else f"compiled {line}", file=sys.stderr if what == "check" else sys.stdout)
    return 1 if what == "check" and said else 0


if __name__ == "__main__":
    sys.exit(main())
