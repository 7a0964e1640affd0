"""Documents → text: what a reader would see, and nothing that harms."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forms.texts import LARGEST, text_of
from rules.words import RuleError

SPACE = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def word(inside: str, name: str = "word/document.xml", head: str = '<?xml version="1.0"?>') -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr(name, f'{head}<w:document xmlns:w="{SPACE}">{inside}</w:document>')
    return packed.getvalue()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("放假\n上班".encode(), "放假\n上班"),
        ("放假".encode("gb18030"), "放假"),
        ("\ufeff放假".encode(), "放假"),
        ("<html><p>放<b>假</b></p><p>上班&nbsp;&lt;</p></html>".encode(), "放假\n上班\xa0<"),
        ("<html><script>上班</script><style>x</style><div>放假<br>上班</div></html>".encode(), "放假\n上班"),
        ("<p>放\n假</p>".encode(), "放 假"),
        (b"1 < 2 > 1", "1 < 2 > 1"),  # no page
        (word("<w:p><w:r><w:t>放</w:t></w:r><w:r><w:t>假</w:t></w:r></w:p><w:p><w:t>上班</w:t></w:p>"), "放假\n上班"),
    ],
)
def test_text_is_what_a_reader_sees(data: bytes, text: str) -> None:
    assert text_of(data) == text


BOMB = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"x" * (LARGEST + 1), "too_large"),
        (b"%PDF-1.7", "not_text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "not_text"),
        (b"a\x00b", "not_text"),
        (b"\xff\xfe\xff", "encoding"),
        (b"PK\x03\x04", "not_word"),
        (word("", name="other.xml"), "not_word"),
        (word("<w:p>"), "not_word"),
        (word("<w:p><w:t>&b;</w:t></w:p>", head=BOMB), "not_word"),
        (word("<w:p>" + " " * (LARGEST + 1) + "</w:p>"), "not_word"),  # a few kilobytes, packed
        (word("<w:p/>")[:-30], "not_word"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(data: bytes, code: str) -> None:
    with pytest.raises(RuleError) as error:
        text_of(data)
    assert [(p.field, p.code) for p in error.value.problems] == [("file", code)]


@given(st.binary(max_size=200), st.sampled_from([b"", b"PK\x03\x04", b"<html>", word("<w:p/>")[:80]]))
def test_no_file_is_an_error_of_ours(data: bytes, head: bytes) -> None:
    try:
        text = text_of(head + data)
    except RuleError as error:
        text = str(error)
    assert text.startswith("file: ") or head in (b"", b"<html>")
