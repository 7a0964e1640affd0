"""docs/add-a-model.md, done: its code in a copy of the product has all that the page promises, and needs nothing else.

The second half runs inside the copy, as a process of its own (``python -m tests.test_add_a_model FOLDER``).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from config import ROOT
from translations import catalog

PAGE = "docs/add-a-model.md"
MODEL = "models/report.py"
LETTER = ["notices/report_reply/__init__.py", "notices/report_reply/body.html"]
LOCALES = ("zh", "zh_Hant")
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "venv", "instance", "__pycache__", ".*_cache", ".hypothesis", "pictures", "*.db", "*.mo"
)


def code_of(page: str) -> dict[str, str]:
    """File → what the page says stands in it; several blocks of one file are one file."""
    parts: dict[str, list[str]] = {}
    for name, text in re.findall(r"^```\w+ (\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        parts.setdefault(name, []).append(text.strip("\n"))
    return {name: "\n\n\n".join(texts) + "\n" for name, texts in parts.items()}


def words_of(page: str) -> dict[str, tuple[str, str]]:
    """English → (zh, zh_Hant) of the page's table."""
    table = page.partition("| English | zh | zh_Hant |\n|---|---|---|\n")[2].partition("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()]
    return {english: (zh, hant) for english, zh, hant in rows}


def hashes(folder: Path) -> dict[str, str]:
    """File → hash of everything in *folder* that belongs to the product."""
    found = (p for p in folder.rglob("*") if p.is_file() and p.suffix != ".mo" and "__pycache__" not in p.parts)
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


def fill_in(copy: Path, words: Mapping[str, tuple[str, str]]) -> None:
    """What a person does in an editor: the translation between the quotes that wait for it."""
    for column, locale in enumerate(LOCALES):
        path = copy / "translations" / locale / "LC_MESSAGES" / "messages.po"
        text = path.read_text(encoding="utf-8")
        for english, said in words.items():
            waiting = f'msgid "{english}"\nmsgstr ""\n'
            assert text.count(waiting) == 1, (locale, english)
            text = text.replace(waiting, f'msgid "{english}"\nmsgstr "{said[column]}"\n')
        path.write_text(text, encoding="utf-8")


@dataclass
class Grown:
    """The copy after all steps of the page. before: hashes of its files at first; said: what each step printed."""

    folder: Path
    page: str
    before: dict[str, str]
    said: dict[str, str]


def grow(base: Path) -> Grown:
    """Do what the page says, in a copy of the product below *base*."""
    copy, made = base / "copy", base / "venv"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
    page = (copy / PAGE).read_text(encoding="utf-8")
    found = Grown(copy, page, hashes(copy), {})
    made.mkdir()
    (made / "run.stamp").touch()  # this interpreter's packages are there already

    def run(step: str, *command: str) -> None:
        done = subprocess.run(
            command, cwd=copy, env=environment(base), capture_output=True, text=True, timeout=300, check=False
        )
        found.said[step] = done.stdout
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-6000:]}"

    def make(step: str, *words: str) -> None:
        run(step, "make", *words, f"VENV={made}", f"BIN={Path(sys.executable).parent}")

    for name, text in code_of(page).items():
        path = copy / name
        path.parent.mkdir(exist_ok=True)
        assert not path.exists()
        path.write_text(text, encoding="utf-8")
    make("migration", "migration", "m=Add reports")
    make("words", "messages")
    fill_in(copy, words_of(page))
    make("compiled", "messages")
    run("check", sys.executable, "run.py", "check")
    run("migrations", sys.executable, "-m", "migrations.tool", "check")
    run("style", sys.executable, "-m", "ruff", "check", "--no-cache", MODEL, *LETTER[:1])
    run("format", sys.executable, "-m", "ruff", "format", "--no-cache", "--check", MODEL, *LETTER[:1])
    run("trial", sys.executable, "-m", "tests.test_add_a_model", str(base / "instance"))
    return found


def environment(base: Path) -> dict[str, str]:
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("PYTEST", "YIZHAN_INSTANCE", "COV"))}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1", "YIZHAN_INSTANCE": str(base / "settings")}


def test_the_page_has_one_model_and_one_folder() -> None:
    assert sorted(code_of((ROOT / PAGE).read_text(encoding="utf-8"))) == [MODEL, *LETTER]


def test_from_nothing_to_a_registry(tmp_path: Path) -> None:
    """One test, for all of it stands on the one copy that takes its time to grow."""
    grown = grow(tmp_path)
    no_other_file_is_touched(grown)
    the_migration_makes_one_table_and_nothing_else(grown)
    the_table_of_words_is_what_waits_to_be_translated(grown)
    assert ", 0 mistakes" in grown.said["check"]
    assert grown.said["migrations"] == ""
    assert grown.said["trial"].split() == [step.__name__ for step in STEPS]


def no_other_file_is_touched(grown: Grown) -> None:
    after = hashes(grown.folder)
    new = set(after) - set(grown.before)
    (migration,) = {name for name in new if name.startswith("migrations/versions/")}
    assert migration.endswith("_add_reports.py")
    assert new == {MODEL, *LETTER, migration}
    changed = {name for name, value in grown.before.items() if after.get(name) != value}
    assert changed == {f"translations/{locale}/LC_MESSAGES/messages.po" for locale in (*LOCALES, "en")}


def the_migration_makes_one_table_and_nothing_else(grown: Grown) -> None:
    (path,) = grown.folder.glob("migrations/versions/*_add_reports.py")
    upgrade = path.read_text(encoding="utf-8").partition("def upgrade")[2].partition("def downgrade")[0]
    assert re.findall(r"op\.create_table\('(\w+)'", upgrade) == ["report"]
    assert set(re.findall(r"op\.batch_alter_table\('(\w+)'", upgrade)) == {"report"}  # for its indexes
    assert not re.search(r"drop_|alter_column|add_column", upgrade)


def the_table_of_words_is_what_waits_to_be_translated(grown: Grown) -> None:
    """In both languages, neither more nor less; and all of it is translated once it is filled in."""
    words = set(words_of(grown.page))
    for locale in LOCALES:
        waiting = re.findall(rf"^{locale}: to be translated: (['\"])(.*)\1$", grown.said["words"], re.MULTILINE)
        assert {text for _, text in waiting} - untranslated_before(locale) == words
    assert not [line for line in grown.said["compiled"].splitlines() if any(f"{word!r}" in line for word in words)]


def untranslated_before(locale: str) -> set[str]:
    """What waits in the product itself, while somebody is at work on it."""
    held = {catalog._singular(m) for m in catalog.read(locale) if m.id and catalog._strings(m)}
    return set(catalog.extract()) - held


# --- inside the copy -------------------------------------------------------------------------------------------------

LIST, REST = "/reports/", "/api/v1/reports/"
TYPED = {"person": "反映人锦鲤", "phone": "13900007777", "matter": "跑了三趟没办成", "received_at": "2026-06-17T09:00"}
ANSWER = "经核实，材料已补正。\n请携带证件到三号窗口领取。"


class Hall:
    """The copy at work: its application and worker over one database, everybody signed in."""

    def __init__(self, folder: Path) -> None:
        import config as settings
        from jobs.outbox import Worker
        from jobs.setup import migrate
        from models import registries
        from models.database import Database
        from run import create_app
        from tests.conftest import Browser, Clock, DeafQueue
        from tests.world import NOW, PEOPLE, World, build

        self.config = settings.read({}, instance=folder, font_cache=os.environ.get("YIZHAN_FONT_CACHE", ""))
        migrate(self.config)
        registries()
        self.database = Database(self.config.database)
        build(self.database)
        self.clock, self.world = Clock(NOW), World(self.database)
        self.worker = Worker(self.database, self.config, self.clock)
        self.app = create_app(self.config, clock=self.clock, database=self.database)
        self.app.extensions["yizhan_queue"] = DeafQueue()
        self.app.appbuilder.sm.limiter.enabled = False
        self.people = {name: Browser(self.app.test_client()) for name in PEOPLE}
        self.later(NOW)
        self.bureau = self.world.id(self.model("departments"), name="东城区卫生健康局")

    def later(self, moment: datetime) -> None:
        """It is that moment, and everybody has signed in again: no session lasts for days."""
        from tests.world import PASSWORD

        self.clock.moment = moment
        for name, browser in self.people.items():
            assert browser.post("/login/", {"username": name, "password": PASSWORD}).status_code == 302

    def __getitem__(self, name: str) -> Any:
        return self.people[name]

    @staticmethod
    def model(name: str) -> Any:
        from models import registries

        return registries()[name]

    def rows(self, statement: Any) -> list[Any]:
        from models.scope import everything

        with self.database.session(everything("test")) as s:
            return [*s.execute(statement)]

    def version(self, pk: int) -> int:
        return int(self["clerk"].get(f"{REST}{pk}").get_json()["row"]["version"])


def menu_and_form(hall: Hall) -> None:
    for name in ("clerk", "outsider", "manager", "auditor", "admin", "approver"):
        assert f'href="{LIST}"' in hall[name].text("/"), name
    assert "办不成事反映" in hall["clerk"].text("/")
    assert "<tbody>" not in hall["clerk"].text(LIST)
    form = hall["clerk"].text(f"{LIST}new")
    for name in ("department_id", "item_id", "received_at", "matter", "person", "phone"):
        assert f'name="{name}"' in form, name
    for name in ("number", "state", "answer", "answer_due", "handler_id"):
        assert f'name="{name}"' not in form, name
    assert "按反映人的原话记录。" in form
    assert hall["auditor"].get(f"{LIST}new").status_code == 403  # granted to others, not to auditors
    choices = hall["clerk"].get(f"{LIST}pick/item_id?q=护士").get_json()["choices"]
    assert [c["label"] for c in choices] == ["护士执业注册鲤"]


def a_bad_value_is_kept_beside_its_field(hall: Hall) -> None:
    typed = {**TYPED, "department_id": hall.bureau, "received_at": "2026-06-18T09:00"}
    refused = hall["clerk"].post(f"{LIST}new", typed)
    page = refused.get_data(as_text=True)
    assert refused.status_code == 422
    assert 'id="f-received_at-why"' in page
    for kept in ("反映人锦鲤", "13900007777", "跑了三趟没办成", 'value="2026-06-18T09:00"'):
        assert kept in page, kept
    nothing = hall["clerk"].post(f"{LIST}new", {**typed, "person": "", "received_at": TYPED["received_at"]})
    assert nothing.status_code == 422
    assert 'id="f-person-why"' in nothing.get_data(as_text=True)
    # For a department out of reach nothing is made, and no number is used up.
    foreign = hall["outsider"].post(f"{LIST}new", {**typed, "received_at": TYPED["received_at"]})
    assert foreign.status_code == 422


def saved_and_shown(hall: Hall) -> None:
    item = hall.world.item("护士执业注册鲤")
    made = hall["clerk"].post(f"{LIST}new", {**TYPED, "department_id": hall.bureau, "item_id": item})
    assert made.headers["Location"] == f"{LIST}1"
    page = hall["clerk"].text(f"{LIST}1")
    for words in ("东卫健反映 2026-0001", "护士执业注册鲤", "待受领", "受领", "6月25日", "端午节", "王鲤"):
        assert words in page, words
    assert TYPED["phone"] not in page  # personal
    row = hall["clerk"].get(f"{REST}1").get_json()["row"]
    assert (row["number"], row["state"], row["answer_due"]) == ("东卫健反映 2026-0001", "reported", "2026-06-25")
    assert row["phone"] == hall["auditor"].get(f"{REST}1").get_json()["row"]["phone"] == "139****7777"
    assert "东卫健反映 2026-0001" in hall["clerk"].text("/find/?q=反映人锦鲤")


def rest(hall: Hall) -> None:
    sent = {"department_id": hall.bureau, "person": "第二位鲤", "matter": "找不到窗口"}
    late = {**sent, "received_at": "2026-06-18T09:00:00+08:00"}
    answer = hall["clerk"].json("POST", REST, late)
    assert (answer.status_code, answer.get_json()["problems"][0]["code"]) == (422, "future")
    made = hall["clerk"].json("POST", REST, {**sent, "received_at": "2026-06-17T09:30:00+08:00"})
    assert (made.status_code, made.get_json()["row"]["number"]) == (201, "东卫健反映 2026-0002")
    listed = hall["clerk"].get(f"{REST}?state=reported&sort=number").get_json()
    assert (listed["total"], [r["id"] for r in listed["rows"]]) == (2, [1, 2])
    paths = hall["clerk"].get("/api/v1/_openapi").get_json()["paths"]
    wanted = (REST, f"{REST}{{pk}}", f"{REST}{{pk}}/take_up", f"{REST}{{pk}}/reply", f"{REST}{{pk}}/history")
    assert set(wanted) <= set(paths)
    assert "delete" not in paths[f"{REST}{{pk}}"]  # nobody is granted it, so there is no route
    assert hall["clerk"].json("DELETE", f"{REST}1").status_code == 405


def typed_filters(hall: Hall) -> None:
    clerk = hall["clerk"]
    item = hall.world.item("护士执业注册鲤")
    for query, numbers in (
        ("state=reported", {1, 2}),
        ("state=answered", set()),
        ("state=reported&state=taken_up", {1, 2}),
        ("answer_due=overdue", set()),
        ("answer_due__from=2026-06-25&answer_due__to=2026-06-25", {1, 2}),
        ("received_at__from=2026-06-18", set()),
        ("handler_id=me", {1, 2}),
        (f"item_id={item}", {1}),
        ("item_id__empty=1", {2}),
        ("q=找不到", {2}),
    ):
        found = set(map(int, re.findall(r"东卫健反映 2026-000(\d)", clerk.text(f"{LIST}?{query}"))))
        assert found == numbers, query
    assert clerk.get(f"{REST}?answer_due__from=gestern").status_code == 422


def department_scope(hall: Hall) -> None:
    """The owner and a colleague see it, the outsider nothing by any door."""
    for name in ("clerk", "colleague", "approver", "manager", "auditor"):
        assert hall[name].get(f"{REST}").get_json()["total"] == 2, name
        assert hall[name].get(f"{LIST}1").status_code == 200, name
    for name in ("outsider", "stranger"):
        person = hall[name]
        assert person.get(REST).get_json()["total"] == 0
        assert "东卫健" not in person.text(LIST) + person.text("/find/?q=反映人锦鲤") + person.text("/")
        for path in ("1", "1/edit", "1/do/take_up", "1?tab=history", "1?on=2026-06-17"):
            assert person.get(f"{LIST}{path}").status_code == 404, path
        for path in ("1/edit", "1/do/take_up", "1/do/reply"):
            assert person.post(f"{LIST}{path}", {"version": 1}).status_code == 404, path
        for method, path in (("GET", "1"), ("PUT", "1"), ("POST", "1/take_up"), ("GET", "1/history")):
            assert person.json(method, f"{REST}{path}", {"version": 1}).status_code == 404, (method, path)
    hall["outsider"].post(f"{LIST}do/take_up", {"row": "1:1"})
    assert hall["clerk"].get(f"{REST}1").get_json()["row"]["state"] == "reported"
    assert hall["manager"].post(f"{LIST}1/do/take_up", {"version": 1}).status_code == 403  # may see, not do


def edited_with_its_history(hall: Hall) -> None:
    clerk, sent = hall["clerk"], {**TYPED, "matter": "跑了三趟没办成，材料被退回", "version": 1}
    assert clerk.post(f"{LIST}1/edit", sent).status_code == 302
    assert clerk.post(f"{LIST}1/edit", {**sent, "matter": "别的"}).status_code == 409  # somebody was faster
    page = clerk.text(f"{LIST}1?tab=history")
    assert "跑了三趟没办成，材料被退回" in page
    assert "未办成的事" in page
    assert re.search(r"<del>跑了三趟没办成</del>.*<ins>跑了三趟没办成，材料被退回</ins>", page)
    told = clerk.get(f"{REST}1/history").get_json()
    assert "材料被退回" in str(told)
    assert TYPED["phone"] not in str(told) + page


def out_and_in_again(hall: Hall) -> None:
    """Exported, imported again without a change, and with one: by nothing but two words of the grants."""
    import csv
    import io

    from sqlalchemy import select

    clerk, batch = hall["clerk"], hall.model("batches")
    data = clerk.get(f"{LIST}export?format=csv&fields=all").get_data()
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert {row["反映编号"] for row in rows} == {"东卫健反映 2026-0001", "东卫健反映 2026-0002"}
    assert TYPED["phone"].encode() not in data
    assert hall["outsider"].get(f"{LIST}export?format=csv").get_data().count(b"\n") == 1

    def counts(told: bytes) -> tuple[int, int, int, int]:
        sent = {"file": (io.BytesIO(told), "reports.csv")}
        answer = clerk.post("/import/reports", sent, content_type="multipart/form-data")
        pk = int(answer.headers["Location"].rpartition("/")[2])
        columns = (batch.new, batch.changed, batch.unchanged, batch.refused)
        return tuple(hall.rows(select(*columns).where(batch.id == pk))[0])

    assert counts(data) == (0, 0, 2, 0)
    assert counts(data.replace("材料被退回".encode(), "材料又被退回".encode())) == (0, 1, 1, 0)
    assert "反映人" in str(openpyxl_heads(clerk.get("/import/reports/template").get_data()))


def openpyxl_heads(data: bytes) -> list[object]:
    import io

    import openpyxl

    return [cell.value for cell in next(openpyxl.load_workbook(io.BytesIO(data)).active.iter_rows())]


def moved_in_bulk(hall: Hall) -> None:
    """A colleague takes both up at once, and has them in hand from now on."""
    assert 'formaction="/reports/do/take_up"' in hall["colleague"].text(LIST)
    assert 'formaction="/reports/do/reply"' not in hall["colleague"].text(LIST)
    rows = [f"{pk}:{hall.version(pk)}" for pk in (1, 2)]
    done = hall["colleague"].post(f"{LIST}do/take_up", {"row": rows})
    assert done.status_code == 200
    listed = hall["clerk"].get(f"{REST}?sort=number").get_json()["rows"]
    colleague = hall.world.account("colleague")
    assert [(r["state"], r["handler_id"]) for r in listed] == [("taken_up", colleague)] * 2


def answered_by_a_letter(hall: Hall) -> None:
    from sqlalchemy import select

    version = hall.version(1)
    empty = hall["colleague"].post(f"{LIST}1/do/reply", {"version": version, "answer": ""})
    assert (empty.status_code, "f-answer-why" in empty.get_data(as_text=True)) == (422, True)
    assert hall["colleague"].post(f"{LIST}1/do/reply", {"version": version, "answer": ANSWER}).status_code == 302
    assert hall.worker.run_due() == 1
    letter = hall.model("letters")
    ((pk, number, kind, about, subject, label),) = hall.rows(
        select(letter.id, letter.number, letter.kind, letter.subject_type, letter.subject_id, letter.subject_label)
    )
    assert (number, kind) == ("东卫健复〔2026〕1号", "report_reply")
    assert (about, subject, label) == ("reports", 1, "东卫健反映 2026-0001")
    pdf = hall["clerk"].get(f"/letters/{pk}/file").data
    assert pdf.startswith(b"%PDF")
    text = printed(pdf)
    for words in ("“办不成事”反映办理结果告知书", "反映人锦鲤：", "经核实，材料已补正。", "特此告知。", "李鲤", number):
        assert words in text, words
    assert TYPED["phone"] not in text
    # The report's page leads to it, the letters' list says what it is about, and strangers find nothing.
    assert number in hall["clerk"].text(f"{LIST}1")
    listed = hall["clerk"].text("/letters/?kind=report_reply")
    assert "办不成事反映办理结果告知书" in listed
    assert f'href="{LIST}1"' in listed
    for path in (f"/letters/{pk}", f"/letters/{pk}/file"):
        assert hall["outsider"].get(path).status_code == 404
    # What has gone out stays as it was.
    assert hall["clerk"].get(f"{REST}1").get_json()["row"]["state"] == "answered"
    change = hall["clerk"].json("PUT", f"{REST}1", {"version": hall.version(1), "matter": "später"})
    assert change.get_json()["problems"][0]["code"] == "not_open"


def printed(pdf: bytes) -> str:
    import io

    import pypdf

    return re.sub(r"\s", "", "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages))


def reminded_before_the_limit(hall: Hall) -> None:
    """At half past eight on the working day before; the answered report reminds nobody any more."""
    from sqlalchemy import select

    message = hall.model("messages")
    mine = select(message.recipient_id, message.text, message.params).where(message.subject_type == "reports")
    moment = datetime(2026, 6, 24, 0, 30, tzinfo=UTC)
    hall.clock.moment = moment - timedelta(seconds=1)
    hall.worker.run_due()
    assert hall.rows(mine) == []
    hall.later(moment)
    hall.worker.run_due()
    ((to, text, params),) = hall.rows(mine)
    assert (to, text) == (hall.world.account("colleague"), "Report %(number)s is to be answered by %(due)s.")
    assert params == {"number": "东卫健反映 2026-0002", "due": "2026-06-25"}
    assert "东卫健反映 2026-0002 的答复期限是6月25日。" in hall["colleague"].text("/messages/")
    assert "东卫健反映 2026-0002 的答复" not in hall["clerk"].text("/messages/")
    outbox = hall.model("outbox")
    states = hall.rows(select(outbox.state).where(outbox.kind == "remind.answer").order_by(outbox.id))
    assert [state.value for (state,) in states] == ["dropped", "done"]


def workbench(hall: Hall) -> None:
    page = hall["clerk"].text("/")
    for words in ("超期未答复", "等待答复", "东卫健反映 2026-0002", "登记反映"):
        assert words in page, words
    hall.later(datetime(2026, 6, 29, 2, 0, tzinfo=UTC))
    assert hall["clerk"].get(f"{REST}?answer_due=overdue").get_json()["total"] == 1
    assert "超期" in hall["clerk"].text(f"{LIST}2")


def a_view_is_kept(hall: Hall) -> None:
    sent = {"name": "我的待答复", "query": "state=taken_up&sort=answer_due", "shared_with": "clerk"}
    kept = hall["clerk"].post(f"{LIST}views", sent)
    assert kept.status_code == 302
    page = hall["clerk"].text(kept.headers["Location"])
    assert "我的待答复" in page
    assert set(re.findall(r"东卫健反映 2026-000(\d)", page)) == {"2"}
    assert "我的待答复" in hall["colleague"].text(LIST)  # shared with everybody of the role
    assert "我的待答复" not in hall["approver"].text(LIST)


def three_languages(hall: Hall) -> None:
    wanted = {
        "zh": ("办不成事反映", "答复期限", "未办成的事", "受领"),
        "zh_Hant": ("辦不成事反映", "答覆期限", "未辦成的事", "受領"),
        "en": ("Unresolved matters", "Answer by", "What could not be done", "Take up"),
    }
    for locale, words in wanted.items():
        hall["clerk"].post("/language/", {"locale": locale, "next": "/"})
        page = hall["clerk"].text(f"{LIST}2") + hall["clerk"].text(LIST)
        assert [w for w in words if w not in page] == [], locale
    hall["clerk"].post("/language/", {"locale": "zh", "next": "/"})


def permissions_as_declared(hall: Hall) -> None:
    from sqlalchemy import select

    from models.account import FabRole, Permission, PermissionView, ViewMenu

    held: dict[str, set[str]] = {}
    for role, permission in hall.rows(
        select(FabRole.name, Permission.name)
        .join(FabRole.permissions)
        .join(PermissionView.permission)
        .join(PermissionView.view_menu)
        .where(ViewMenu.name == "reports")
    ):
        held.setdefault(role, set()).add(permission.removeprefix("can_"))
    declared = {grant.role.value: set(grant.words) for grant in hall.model("reports").__admin__.grants}
    assert held == declared
    assert declared["clerk"] == {"list", "show", "add", "edit", "import", "export", "reveal", "take_up", "reply"}


def recorded_without_a_gap(hall: Hall) -> None:
    from sqlalchemy import select

    from models.event import Event, broken_links
    from models.scope import everything

    mine = (Event.subject_type == "reports") & (Event.subject_id == 1)
    told = hall.rows(select(Event.kind, Event.action).where(mine).order_by(Event.seq))
    done = [action or kind.value for kind, action in told]
    assert done == ["created", "edited", "take_up", "reply"]
    with hall.database.session(everything("test")) as s:
        assert broken_links(s) == []


def described(hall: Hall) -> None:
    from views.describe import describe

    said = describe("Report", hall.clock.moment)
    for words in ("models/report.py", "reported → taken_up", "notices/report_reply/", "/reports/<pk>/do/<action>"):
        assert words in said, words
    assert "on one row made of the plainest values" in said


STEPS = (
    menu_and_form, a_bad_value_is_kept_beside_its_field, saved_and_shown, rest, typed_filters, department_scope,
    edited_with_its_history, out_and_in_again, moved_in_bulk, answered_by_a_letter, reminded_before_the_limit,
    workbench, a_view_is_kept, three_languages, permissions_as_declared, recorded_without_a_gap, described,
)  # fmt: skip


if __name__ == "__main__":
    warnings.simplefilter("error")
    hall = Hall(Path(sys.argv[1]))
    for step in STEPS:
        step(hall)
        print(step.__name__, flush=True)
    hall.database.dispose()
