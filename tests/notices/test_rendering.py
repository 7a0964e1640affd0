"""The letters as a reader has them: words, pages, fonts, and the same bytes for the same case."""

from __future__ import annotations

import hashlib
import html
import io
import json
import os
import pickle
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pymupdf
import pypdf
import pytest
import segno

from notices import NoticeError, Skip, catalog, kinds, render
from notices.letter import balanced, cn_date, rows
from notices.linebreak import NO_END, NO_START

from .conftest import ADDRESS, CODE, NUMBERS, RARE, WHEN, letters

REASON = (
    "经审查，拟设场所位于泉城市历山区滨江大道100号1—6层，建筑面积12,345.67 m²；其中“公共浴室”"
    "“游泳场（馆）”两项，依据《公共场所卫生管理条例》第二条第（一）项、第（四）项，应当分别申请……"
    "详见GB 37488—2019。"
)


def pages(pdf: bytes) -> list[str]:
    """The text of each page, by pymupdf."""
    return [letters(page.get_text()) for page in pymupdf.open(stream=pdf)]


def lines(pdf: bytes) -> list[str]:
    found = [line.strip() for page in pymupdf.open(stream=pdf) for line in page.get_text().splitlines()]
    return [line for line in found if line]


def shown(source: str) -> str:
    """What the HTML says, with page number 1 and without its title element and style sheet."""
    source = re.sub(r"(?s)<head>.*?</head>", "", source).replace("<pdf:pagenumber/>", "1")
    return letters(html.unescape(re.sub(r"<[^>]+>", "", source)))


def test_the_kinds_are_found_by_their_folders():
    assert {name: kind.code for name, kind in kinds().items()} == {"acceptance": "受", "refusal": "不受"}
    assert all(kind.title.isascii() for kind in kinds().values())


@pytest.mark.parametrize("kind", sorted(NUMBERS))
def test_every_word_can_be_read_back_and_no_other(write, kind):
    letter = write(kind, applicant=RARE, applicant_kind="person", is_licence=False, materials=[], competent=None)
    assert letter.pages == 1
    wanted = Counter(shown(letter.html))
    assert Counter("".join(pages(letter.pdf))) == wanted
    by_pypdf = pypdf.PdfReader(io.BytesIO(letter.pdf)).pages[0].extract_text()
    assert Counter(letters(by_pypdf)) == wanted
    assert RARE + "：" in letters(by_pypdf)


def test_acceptance_of_a_licence_cites_the_law_and_both_clocks(write):
    text = "".join(pages(write().pdf))
    for words in (
        "行政许可申请受理通知书",
        "泉审批受〔2026〕123号",
        "示例酒店管理有限公司：",
        "你单位于2026年3月2日",
        "《中华人民共和国行政许可法》第三十二条第一款第（五）项",
        "受理日期为2026年3月3日",
        "本机关承诺自受理之日起5个工作日内办结（至2026年3月10日止）；",
        "法定办结时限为自受理之日起20个工作日（至2026年3月31日止）。",
        "听证、招标、拍卖、检验、检测、检疫、鉴定和专家评审",
        "已收到申请材料2项：",
        "查验码：" + CODE,
        "办件编号：QS-2026-03-000123",
        "第1页共2页",
        "第2页共2页",
        "（印章处）",
        "演示文书，不具法律效力。",
        "一式两份",
        "签收时间",
    ):
        assert letters(words) in text, words
    assert "节假日安排推算" not in text


def test_other_services_are_not_accepted_under_the_licensing_law(write):
    for kind in NUMBERS:
        text = "".join(pages(write(kind, is_licence=False, item_type="公共服务").pdf))
        assert "行政许可" not in text
        assert "政务服务事项" in text


def test_what_is_not_known_is_left_out(write):
    text = "".join(
        pages(
            write(
                materials=[],
                promise_days=None,
                promise_due=None,
                statutory_days=None,
                statutory_due=None,
                handler="",
                contact_phone=None,
            ).pdf
        )
    )
    for words in ("申请材料2项", "承诺自", "法定办结时限", "联系人", "None", "138"):
        assert words not in text
    assert "当场办结；" in "".join(pages(write(promise_days=0, promise_due=None).pdf))
    assert "节假日安排推算" in "".join(pages(write(due_provisional=True).pdf))


def test_refusal_says_why_who_is_competent_and_what_can_be_done(write):
    text = "".join(pages(write("refusal").pdf))
    for words in (
        "不予受理通知书",
        "依法不属于本机关职权范围",
        "第三十二条第一款第（二）项",
        "由泉城市历山区市场监督管理局负责办理",
        "六十日内向泉城市历山区人民政府申请行政复议",
        "六个月内向泉城市历山区人民法院提起行政诉讼",
    ):
        assert words in text, words
    bare = "".join(pages(write("refusal", competent=None, reconsider_body=None, court=None).pdf))
    assert "第一款" not in bare
    assert "六十日内依法申请行政复议" in bare
    assert "六个月内依法向人民法院提起行政诉讼" in bare


def test_a_refusal_without_reasons_is_not_written(write):
    with pytest.raises(NoticeError) as refused:
        write("refusal", reason=" \n ")
    assert (refused.value.code, refused.value.problem.field) == ("no_reason", "reason")


def test_sixty_materials_run_over_pages_with_their_heads(write):
    letter = write(
        materials=[
            {"name": f"第{i}项材料，" + "公共场所平面布局图" * (i % 4 + 1), "form": "复印件", "copies": i}
            for i in range(1, 61)
        ]
    )
    found = pages(letter.pdf)
    assert letter.pages == len(found) > 3
    table = [page for page in found if re.search(r"第\d+项材料", page)]
    assert all("序号材料名称形式份数" in page for page in table)
    text = "".join(found)
    assert all(f"第{i}项材料" in text for i in range(1, 61))
    assert [f"第{n}页共{len(found)}页" in page for n, page in enumerate(found, 1)] == [True] * len(found)


@pytest.mark.parametrize("count", range(1, 24))
def test_agency_and_date_are_never_parted(write, count):
    found = pages(write("refusal", reason="\n".join(["正文一行。"] * count), materials=[]).pdf)
    last = found[-1]
    assert letters("特此通知。") in last
    assert re.search("特此通知。.*泉城市历山区行政审批服务局2026年3月3日.*一式两份", last)


def test_no_line_begins_or_ends_with_the_wrong_mark(write):
    found: list[str] = []
    for start in range(0, 42, 14):  # every mark comes to stand at every place of a line
        reason = "\n".join("甲" * shift + REASON for shift in range(start, start + 14))
        found += lines(write("refusal", reason=reason).pdf)
    assert len(found) > 200
    wrong = [line for line in found if line[0] in NO_START or line[-1] in NO_END]
    assert wrong == []


def test_a_paragraph_over_two_pages_keeps_its_text(write):
    reason = "依据 the quick brown fox 规定，建筑面积12,345.67平方米。" * 60
    document = pymupdf.open(stream=write("refusal", reason=reason).pdf)
    area = pymupdf.Rect(79, 104, 523, 743)  # the type area, in points
    text = [line for page in document for line in page.get_text(clip=area).splitlines() if line != "演示"]
    assert letters(reason) in letters("".join(text))
    # blanks between words are dropped at the end of a line and nowhere else
    assert not [line for line in text if re.search("thequick|quickbrown|brownfox", line)]


def test_fonts_are_embedded_and_ours(write):
    for page in pymupdf.open(stream=write("refusal", reason=REASON).pdf):
        used = page.get_fonts()
        assert used
        for _, ext, kind, name, *_ in used:
            assert (ext, kind) == ("ttf", "TrueType"), name
            assert re.fullmatch(r"[A-Z]{6}\+Noto(Serif|Sans)SC-Regular", name)


def test_the_file_says_what_it_is(write):
    reader = pypdf.PdfReader(io.BytesIO(write().pdf))
    assert reader.metadata.title == "行政许可申请受理通知书"
    assert reader.metadata.author == "泉城市历山区行政审批服务局"
    assert reader.metadata.subject == NUMBERS["acceptance"]
    assert reader.metadata.creation_date == WHEN
    assert reader.root_object["/Lang"] == "zh-CN"
    assert [round(float(side) / 72 * 25.4) for side in reader.pages[0].mediabox[2:]] == [210, 297]


def test_the_qr_code_carries_the_address(write):
    """Each module of the printed symbol, sampled in its middle, is that of the symbol for the address."""
    page = pymupdf.open(stream=write().pdf)[0]
    box = page.get_image_rects(page.get_images()[0][0])[0]
    symbol = segno.make(ADDRESS, error="m", micro=False, boost_error=False)
    wanted = [list(row) for row in symbol.matrix_iter(border=2)]
    picture = page.get_pixmap(clip=box, dpi=600, colorspace=pymupdf.csGRAY)
    step_x, step_y = picture.width / len(wanted), picture.height / len(wanted)
    found = [
        [int(picture.pixel(int((x + 0.5) * step_x), int((y + 0.5) * step_y))[0] < 128) for x in range(len(wanted))]
        for y in range(len(wanted))
    ]
    assert found == [[int(bool(dark)) for dark in row] for row in wanted]
    assert round(box.width / 72 * 25.4) == 20


def test_the_same_case_gives_the_same_bytes(write):
    first, second = write(), write()
    assert first == second
    assert first.sha256 == hashlib.sha256(first.pdf).hexdigest()
    other = write(handler="李四")
    assert other.pdf != first.pdf
    assert (other.template_hash, other.data_hash == first.data_hash) == (first.template_hash, False)
    assert "SOURCE_DATE_EPOCH" not in os.environ


def test_another_process_gives_the_same_bytes(write, data, font_cache, tmp_path):
    script = (
        "import pickle, sys, pathlib\n"
        "from notices import render\n"
        "kind, data, rest = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())\n"
        "print(render(kind, data, **rest).sha256)\n"
    )
    rest = {
        "number": NUMBERS["acceptance"],
        "code": CODE,
        "verify_url": ADDRESS,
        "when": WHEN,
        "fonts": font_cache,
        "demo": True,
    }
    (tmp_path / "case").write_bytes(pickle.dumps(("acceptance", data, rest)))
    root = Path(__file__).parents[2]
    out = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "case")],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": "7"},
    )
    assert out.stdout.strip() == write().sha256


def test_the_snapshot_is_canonical_and_complete(write):
    letter = write()
    kept = json.loads(letter.data)
    assert letter.data == json.dumps(kept, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert letter.data_hash == hashlib.sha256(letter.data.encode()).hexdigest()
    assert (kept["kind"], kept["code"], kept["when"]) == ("acceptance", CODE, "2026-03-03T09:30:00+08:00")
    assert kept["values"]["received"] == "2026年3月2日"


@pytest.mark.parametrize("kind", sorted(NUMBERS))
def test_a_missing_key_is_named(data, font_cache, kind):
    common = {
        "agency",
        "applicant",
        "applicant_kind",
        "identifier",
        "contact_phone",
        "item",
        "item_code",
        "item_type",
        "is_licence",
        "received_on",
        "decided_on",
        "legal_basis",
        "case_number",
        "handler",
        "department_phone",
        "address",
        "materials",
    }
    special = {
        "acceptance": {"promise_days", "promise_due", "statutory_days", "statutory_due", "due_provisional"},
        "refusal": {"reason", "competent", "reconsider_body", "court"},
    }
    for key in sorted(common | special[kind]):
        less = {name: value for name, value in data.items() if name != key}
        with pytest.raises(NoticeError) as refused:
            render(
                kind, less, number=NUMBERS[kind], code=CODE, verify_url=ADDRESS, when=WHEN, fonts=font_cache, demo=True
            )
        assert (refused.value.code, refused.value.problem.field) == ("missing", key)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"demo": False}, "signing"),
        ({"when": datetime(2026, 3, 3)}, "when"),
        ({"number": "泉审批受字〔2026〕第000123号"}, "number"),
        ({"number": "泉审批受[2026]1号"}, "number"),
        ({"number": "泉审批受〔2026〕0号"}, "number"),
        ({"code": "<b>"}, "code"),
        ({"verify_url": "javascript:alert(1)"}, "verify_url"),
        ({"verify_url": "https://例.gov.cn/"}, "verify_url"),
        ({"verify_url": "https://a.gov.cn/" + "x" * 200}, "verify_url"),
        ({"kind": "../refusal"}, "kind"),
    ],
)
def test_what_must_not_be_issued_is_refused(data, font_cache, changes, code):
    given = {
        "kind": "acceptance",
        "number": NUMBERS["acceptance"],
        "code": CODE,
        "verify_url": ADDRESS,
        "when": WHEN,
        "fonts": font_cache,
        "demo": True,
    } | changes
    with pytest.raises(NoticeError) as refused:
        render(given.pop("kind"), data, **given)
    assert refused.value.code == code


def test_a_letter_that_is_not_due_says_why(write, monkeypatch):
    def not_due(_):
        raise Skip("当场办结，不另行出具受理通知书")

    kind = replace(catalog.kind("acceptance"), context=not_due)
    monkeypatch.setattr(catalog, "kind", lambda _: kind)
    with pytest.raises(Skip) as skipped:
        write()
    assert skipped.value.reason == "当场办结，不另行出具受理通知书"


def test_long_names_stay_on_the_page(write):
    letter = write(
        agency="泉城市历山高新技术产业开发区管理委员会行政审批和政务服务管理局",
        applicant="示例（泉城）文化旅游产业投资发展集团有限公司历山区第一分公司" * 2,
        identifier="9" * 60,
        item="挖掘城市道路审批（跨区域、含临时占用）" * 4,
        address="政务路" * 60,
    )
    for page in pymupdf.open(stream=letter.pdf):
        for block in page.get_text("dict")["blocks"]:
            for line in block.get("lines", []):
                left, _, right, bottom = line["bbox"]
                assert left > 28 / 25.4 * 72 - 1
                assert right < (28 + 156) / 25.4 * 72 + 1
                assert bottom < 290 / 25.4 * 72


def test_dates_titles_and_rows():
    assert cn_date(date(2026, 3, 2), "day") == "2026年3月2日"
    for wrong in (datetime(2026, 3, 2), "2026-03-02", None):
        with pytest.raises(NoticeError):
            cn_date(wrong, "day")
    assert balanced("一" * 20, 20) == ["一" * 20]
    assert [len(line) for line in balanced("一" * 21, 20)] == [11, 10]
    assert balanced("", 20) == []
    assert rows([("a", "1", False), ("b", "", False), ("c", "3", False), ("d", "4", True)]) == [
        {"label": "a", "value": "1", "label2": "c", "value2": "3"},
        {"label": "d", "value": "4", "label2": "", "value2": ""},
    ]
