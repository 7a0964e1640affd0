"""The year at a glance, and a notice loaded on screen: paste or upload, look, confirm, see what moved."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from jobs.outbox import Worker
from models.database import Database
from models.message import Message
from models.outbox import Outbox
from models.scope import everything
from models.work_day import WorkDay
from models.write import save
from tests.conftest import Browser, Clock
from tests.rules.notices import notice
from tests.world import World, receive

SignIn = Callable[[str], Browser]
BEFORE = datetime(2027, 2, 3, 2, 0, tzinfo=UTC)
LOAD, CONFIRM = "/work-days/notice", "/work-days/notice/confirm"


@pytest.fixture
def case(database: Database, world: World, clock: Clock) -> int:
    clock.moment = BEFORE
    with database.session(everything("test", world.account("clerk")), write=True) as s:
        return int(receive(s, world.item("公共场所卫生许可鲤"), now=BEFORE, applicant="期限鲤").id)


def body(answer: Any) -> str:
    return str(answer.get_data(as_text=True))


def hidden(page: str) -> dict[str, str]:
    """What the form of the preview sends on."""
    text = re.search(r'<textarea name="text" hidden>(.*?)</textarea>', page, re.DOTALL)
    stamp = re.search(r'name="stamp" value="([^"]+)"', page)
    assert text
    assert stamp
    return {"text": text[1], "stamp": stamp[1]}


# --- the year -------------------------------------------------------------------------------------------------------


def test_the_year_is_shown_with_holidays_and_days_made_up(sign_in: SignIn) -> None:
    page = sign_in("clerk").text("/work-days/year/2026")
    assert page.count('<section class="card month"') == 12
    assert page.count('class="day made') == 6 + 1  # and the sign in the legend
    assert "国务院办公厅关于2026年部分节假日安排的通知" in page
    for words in ("2月15日至2月23日", "春节", "2月14日", "上班", "248 个工作日", "365 天"):
        assert words in page, words
    assert "暂按法律推算" not in page
    assert 'href="/work-days/year/2025"' in page
    assert 'href="/work-days/year/2027"' in page


def test_months_add_up_to_the_year(sign_in: SignIn) -> None:
    page = sign_in("clerk").text("/work-days/year/2026")
    months = [int(n) for n in re.findall(r"<small>(\d+) 个工作日</small></header>", page)]
    assert len(months) == 12
    assert f"<small>{sum(months)} 个工作日</small>" in page


def test_a_year_without_a_notice_is_marked(sign_in: SignIn) -> None:
    page = sign_in("clerk").text("/work-days/year/2027")
    assert "有 365 天暂按法律推算，未见通知。" in page
    assert "全国年节及纪念日放假办法" in page
    assert page.count("provisional") >= 365


def test_a_day_leads_to_its_row_and_back(sign_in: SignIn, world: World) -> None:
    clerk = sign_in("clerk")
    pk = world.id(WorkDay, day=date(2026, 2, 14))
    assert f'href="/work-days/{pk}"' in clerk.text("/work-days/year/2026")
    assert f"/work-days/{pk}/year" in clerk.text(f"/work-days/{pk}")
    assert "2026 年工作日历" in clerk.text(f"/work-days/{pk}/year")
    assert "2026 年工作日历" in clerk.text("/work-days/year/")  # this year


@pytest.mark.parametrize("year", ["1948", "2101", "0", "99999999999999999999", "x", "-1"])
def test_there_are_bounds_to_time(sign_in: SignIn, year: str) -> None:
    assert sign_in("clerk").get(f"/work-days/year/{year}").status_code == 404


@pytest.mark.parametrize("year", [1949, 2100])
def test_the_bounds_themselves_are_shown(sign_in: SignIn, year: int) -> None:
    assert sign_in("clerk").get(f"/work-days/year/{year}").status_code == 200


def test_the_list_leads_to_the_year_and_who_may_to_the_loading(sign_in: SignIn) -> None:
    for person, may in (("admin", True), ("clerk", False), ("auditor", False)):
        page = sign_in(person).text("/work-days/")
        assert "/work-days/year/" in page
        assert (f'href="{LOAD}"' in page) is may, person


@pytest.mark.parametrize("person", ["clerk", "approver", "manager", "auditor"])
def test_only_who_may_enter_days_may_load_a_notice(sign_in: SignIn, database: Database, person: str) -> None:
    browser = sign_in(person)
    assert browser.get(LOAD).status_code == 403
    for path in (LOAD, CONFIRM):
        assert browser.post(path, {"text": notice(2027), "stamp": "x"}).status_code == 403
    assert browser.get("/work-days/notice/1").status_code == 403
    with database.session(everything("test")) as s:
        assert s.scalar(select(func.count(WorkDay.id)).where(WorkDay.day >= date(2027, 1, 1))) == 0


def test_the_remark_on_the_workbench_leads_there(sign_in: SignIn, clock: Clock) -> None:
    clock.moment = datetime(2026, 11, 26, 2, 0, tzinfo=UTC)
    words = "2027年"
    admin = sign_in("admin").text("/")
    assert re.search(rf'<a href="{LOAD}">[^<]*{words}', admin)
    clerk = sign_in("clerk").text("/")
    assert words in clerk
    assert LOAD not in clerk


# --- a notice -------------------------------------------------------------------------------------------------------


def test_paste_look_confirm_and_see_what_moved(
    sign_in: SignIn, database: Database, worker: Worker, case: int, app: Flask
) -> None:
    admin = sign_in("admin")
    page = body(admin.post(LOAD, {"text": notice(2027)}))
    assert "预览：尚未写入" in page
    for words in ("2月14日星期日", "2月17日", "2月12日", "暂定", "调休上班"):
        assert words.replace("星期", "周") in page or words in page, words
    with database.session(everything("test")) as s:
        assert s.scalar(select(func.count(WorkDay.id)).where(WorkDay.day >= date(2027, 1, 1))) == 0
    answer = admin.post(CONFIRM, hidden(page))
    assert answer.status_code == 302
    place = answer.headers["Location"]
    assert app.extensions["yizhan_queue"].given == [int(place.rpartition("/")[2])]
    waiting = admin.text(place)
    assert "正在后台重新计算期限" in waiting
    worker.run_due()
    done = admin.text(place)
    assert f'href="/cases/{case}"' in done
    assert "2月12日" in done
    assert "2月17日" in done
    year = admin.text("/work-days/year/2027")
    assert "暂按法律推算" not in year
    assert f'href="{place}"' in year
    assert "已导入《国务院办公厅关于2027年部分节假日安排的通知》" in admin.text("/messages/")
    assert "按工作日历重新计算期限" in admin.text(f"/cases/{case}?tab=history")
    again = body(admin.post(LOAD, {"text": notice(2027)}))
    assert "工作日历已与通知一致" in again


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_text_file_is_read(sign_in: SignIn, encoding: str) -> None:
    data = (io.BytesIO(notice(2027).encode(encoding)), "通知.txt")
    page = body(sign_in("admin").post(LOAD, {"file": data}, content_type="multipart/form-data"))
    assert "预览：尚未写入" in page


def test_a_page_and_a_word_document_are_read(sign_in: SignIn) -> None:
    admin = sign_in("admin")
    paragraphs = "".join(f"<p>{line}</p>" for line in notice(2027).splitlines())
    web = f"<!DOCTYPE html><html><head><title>x</title><style>p{{}}</style></head><body>{paragraphs}</body></html>"
    runs = "".join(f"<w:p><w:r><w:t>{line}</w:t></w:r></w:p>" for line in notice(2027).splitlines())
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as z:
        z.writestr("word/document.xml", f'<?xml version="1.0"?><w:document xmlns:w="{space}">{runs}</w:document>')
    for data in (web.encode(), packed.getvalue()):
        page = body(admin.post(LOAD, {"file": (io.BytesIO(data), "x")}, content_type="multipart/form-data"))
        assert "预览：尚未写入" in page


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"%PDF-1.7 ...", "无法读取 PDF"),
        (b"PK\x03\x04 nothing", "无法读取该 Word 文档"),
        (b"\xff\xfe\xff\xff\x81", "GB 18030"),
        (b"\x00\x01\x02", "文本文件"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_and_the_text_kept(sign_in: SignIn, data: bytes, words: str) -> None:
    sent = {"file": (io.BytesIO(data), "x"), "text": "已经粘贴的内容"}
    answer = sign_in("admin").post(LOAD, sent, content_type="multipart/form-data")
    assert answer.status_code == 422
    assert words in body(answer)
    assert "已经粘贴的内容" in body(answer)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "请粘贴通知正文"),
        ("你好", "没有找到放假通知的标题"),
        (notice(2027).replace("共9天", "共8天"), "天数不符，实为 9 天"),
        (notice(2027).replace("1月31日（周日）", "1月31日（周六）"), "实为星期日"),
        ("x" * 100_001, "100000"),
    ],
)
def test_what_is_wrong_is_told_beside_the_text(sign_in: SignIn, text: str, words: str) -> None:
    answer = sign_in("admin").post(LOAD, {"text": text}, content_type="multipart/form-data")
    assert answer.status_code == 422
    page = body(answer)
    assert words in page[page.index('id="text-why"') :]
    assert text.strip()[:200].splitlines()[0:1] == [] or text.strip().splitlines()[0] in page


def test_doubts_are_shown_before_it_is_confirmed(sign_in: SignIn) -> None:
    page = body(sign_in("admin").post(LOAD, {"text": notice(2027).replace("、2月14日（周日）", "")}))
    assert "需要核对" in page
    assert "可能有遗漏" in page


def test_a_calendar_that_changed_meanwhile_is_looked_at_again(
    sign_in: SignIn, database: Database, clock: Clock
) -> None:
    admin = sign_in("admin")
    sent = hidden(body(admin.post(LOAD, {"text": notice(2027)})))
    with database.session(everything("test"), write=True) as s:
        values = {"day": date(2027, 1, 4), "workday": True, "source": "测试", "provisional": True}
        assert not save(s, WorkDay(), values, now=clock()).errors
    answer = admin.post(CONFIRM, sent)
    assert answer.status_code == 409
    assert "请重新核对" in body(answer)
    assert admin.post(CONFIRM, hidden(body(answer))).status_code == 302


def test_days_of_another_document_stay_unless_one_asks(sign_in: SignIn, database: Database, clock: Clock) -> None:
    with database.session(everything("test"), write=True) as s:
        values = {"day": date(2027, 3, 1), "workday": False, "source": "泉城市停工通知", "provisional": False}
        assert not save(s, WorkDay(), values, now=clock()).errors
    admin = sign_in("admin")
    page = body(admin.post(LOAD, {"text": notice(2027)}))
    assert "已由其他文件确定，保持不变" in page
    assert "泉城市停工通知" in page
    admin.post(CONFIRM, hidden(page))
    with database.session(everything("test")) as s:
        assert s.scalars(select(WorkDay.source).where(WorkDay.day == date(2027, 3, 1))).one() == "泉城市停工通知"
    replaced = body(admin.post(LOAD, {"text": notice(2027), "replace": "1"}))
    assert admin.post(CONFIRM, {**hidden(replaced), "replace": "1"}).status_code == 302
    with database.session(everything("test")) as s:
        assert s.scalars(select(WorkDay.workday).where(WorkDay.day == date(2027, 3, 1))).one() is True


def test_markup_in_a_notice_is_shown_as_text(sign_in: SignIn) -> None:
    page = body(sign_in("admin").post(LOAD, {"text": "<script>alert(1)</script>关于</textarea><b>"}))
    assert "<script>alert" not in page
    assert "</textarea><b>" not in page


def test_confirming_twice_is_done_once(sign_in: SignIn, database: Database, case: int, worker: Worker) -> None:
    admin = sign_in("admin")
    sent = hidden(body(admin.post(LOAD, {"text": notice(2027)})))
    assert admin.post(CONFIRM, sent).status_code == 302
    assert admin.post(CONFIRM, sent).status_code in (302, 409)
    worker.run_due()
    with database.session(everything("test")) as s:
        assert s.scalar(select(func.count(Outbox.id)).where(Outbox.kind == "limits")) == 1
        assert s.scalar(select(func.count(Message.id)).where(Message.subject_type == "work-days")) == 1


def test_what_moved_out_of_reach_is_only_counted(
    sign_in: SignIn, database: Database, worker: Worker, world: World, case: int
) -> None:
    """The work keeps what rows are called; whoever may not see a row does not learn it from there."""
    admin = sign_in("admin")
    admin.post(CONFIRM, hidden(body(admin.post(LOAD, {"text": notice(2027)}))))
    worker.run_due()
    with database.session(everything("test"), write=True) as s:
        todo = s.scalars(select(Outbox).where(Outbox.kind == "limits")).one()
        told = [*todo.data["moved"], ["cases", 999_999, "不可见的办件", "Promised limit", "2027-02-01", "2027-02-02"]]
        todo.data = {**todo.data, "moved": told}
        pk = todo.id
    page = admin.text(f"/work-days/notice/{pk}")
    assert "不可见的办件" not in page
    assert "另有 1 个不在您的查看范围内。" in page
    assert admin.get("/work-days/notice/999999").status_code == 404
