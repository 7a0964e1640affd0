"""Holiday notices of the General Office (国务院办公厅关于2026年部分节假日安排的通知), read sentence by sentence.

:func:`read` takes the wording of the notices since 2014, and of those that amend one (关于延长2020年春节假期的通知).
Nothing is guessed silently: what does not fit together, or was not understood, is a :class:`Problem` with its line and
words.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from rules.arrangement import LONGEST_HOLIDAY, Notice, days_from
from rules.calendar import (
    ANTI_FASCIST,
    DRAGON_BOAT,
    LABOUR,
    MID_AUTUMN,
    NATIONAL,
    NEW_YEAR,
    QINGMING,
    SPRING,
    days_by_law,
    statutory_days,
)
from rules.words import N_, Problem, Problems

FIRST_YEAR, LAST_YEAR = 2014, 2100
LONGEST_TEXT = 100_000
# Days are made up for near the holiday: eleven days before it at most so far (20 September 2026).
FARTHEST = 12
_DAY = timedelta(days=1)

_FESTIVALS = {
    "元旦": NEW_YEAR,
    "春节": SPRING,
    "清明": QINGMING,
    "劳动节": LABOUR,
    "五一": LABOUR,
    "端午": DRAGON_BOAT,
    "中秋": MID_AUTUMN,
    "国庆": NATIONAL,
    "抗日战争": ANTI_FASCIST,
}
_DAYS_OF_WEEK = (
    N_("Monday"),
    N_("Tuesday"),
    N_("Wednesday"),
    N_("Thursday"),
    N_("Friday"),
    N_("Saturday"),
    N_("Sunday"),
)
_NUMBERS = {c: i for i, c in enumerate("一二三四五六七八九十", start=1)}
_WEEKDAYS = {c: i for i, c in enumerate("一二三四五六日")} | {"天": 6}

_TITLE = re.compile(r"国务院(?:办公厅)?关于(?P<what>[^。:]{1,60}?)的通知")
_YEAR = re.compile(r"(20\d\d)年")
_HEADING = re.compile(
    r"(?P<number>[一二三四五六七八九十]{1,3}、|\([一二三四五六七八九十]{1,3}\)、?|\d{1,2}[.、](?!\d))?"
    r"(?P<names>[^:。;,\d()]{2,30}):"
)
# What follows the last festival: duty rosters, then the signature with its date.
_END = re.compile(r"节假日期间|各地区、各部门|国务院(?:办公厅)?\d{4}年\d{1,2}月\d{1,2}日|\(此件公开发布\)")
_TOKEN = re.compile(
    r"(?P<count>(?:共计?|放假)(?P<n>\d{1,2}|[一二三四五六七八九十])[天日](?!\())"
    r"|(?P<date>(?:(?P<y>\d{4})年|(?P<next>次年|翌年))?(?:(?P<m>\d{1,2})月)?(?P<d>\d{1,2})日(?:\((?P<note>[^()]*)\))?)"
    r"|(?P<not>不调休|不补休|不再调休)"
    r"|(?P<resume>起(?:正常|恢复)?上班)"
    r"|(?P<work>(?:正常|照常)?上班)"
    r"|(?P<rest>放假(?:、?调休)?|调休(?:、?放假)?|补休|休息)"
    r"|(?P<weekend>[与同和]周末连休)"
    r"|(?P<extend>延长)"
    r"|(?P<to>至|到|-|—+|~|–)"
)
_ADVICE = re.compile(r"鼓励|建议|倡导|提倡|可以?结合")
_FILLING = re.compile(r"[、,和及与:()“”\"]|其中|全国|为|安排")
_WEEKDAY = re.compile(r"(?:星期|周|礼拜)([一二三四五六日天])")

NO_TITLE = N_("No title of a holiday notice was found (国务院办公厅关于……年部分节假日安排的通知).")
NO_YEAR = N_("Line %(line)d, “%(words)s”: no year from %(first)d to %(last)d is named.")
NO_DAYS = N_("No holiday was found in this text.")
NO_DATE = N_("Line %(line)d, “%(words)s”: there is no such date.")
NO_MONTH = N_("Line %(line)d, “%(words)s”: the month is not said.")
WEEKDAY = N_("Line %(line)d, “%(words)s”: this day is another day of the week (%(weekday)s).")
OTHER_YEAR = N_("Line %(line)d, “%(words)s”: this lies outside the year of the notice, %(year)d.")
YEAR_SUPPOSED = N_("Line %(line)d, “%(words)s”: the year is not said; taken for %(year)d.")
SPAN = N_("Line %(line)d, “%(words)s”: this is no run of days.")
DAYS = N_("Line %(line)d, “%(words)s”: these are %(days)d days.")
UNDECIDED = N_("Line %(line)d, “%(words)s”: it is not said whether these days are worked or not.")
UNNAMED = N_("Line %(line)d, “%(words)s”: it is not said which day.")
NOT_UNDERSTOOD = N_("Line %(line)d: “%(words)s” was not understood.")
ADVICE = N_("Line %(line)d, “%(words)s”: a recommendation, not a day of rest; it was left out.")
UNKNOWN = N_("Line %(line)d: the law knows no holiday “%(words)s”; it was taken as named here.")
TWICE = N_("Line %(line)d: “%(words)s” stands here a second time.")
NO_WEEKEND = N_("Line %(line)d, “%(words)s”: only a Saturday or a Sunday can be worked to make up.")
NO_NEIGHBOUR = N_("Line %(line)d, “%(words)s”: this day does not touch a weekend.")
BOTH = N_("Line %(line)d, “%(words)s”: this day is a day of rest elsewhere in the notice.")
MISSING = N_("%(holiday)s: by law %(day)s is a holiday, but the notice does not say so.")
BALANCE = N_(
    "The notice closes %(closed)d weekdays; by law there are %(law)d, and %(worked)d days are worked to make up. "
    "Perhaps a day is missing."
)
FAR = N_("Line %(line)d, “%(words)s”: this day lies far from the holiday it makes up for.")
NO_ITEM = N_("%(holiday)s has no line of its own in the notice.")


class _Text:
    """The text in one piece, half width and without blanks, that still knows its lines."""

    def __init__(self, text: str) -> None:
        self.starts: list[int] = []
        parts, length = [], 0
        for line in text.splitlines():
            part = "".join(unicodedata.normalize("NFKC", line).split()).translate(_INVISIBLE)
            self.starts.append(length)
            parts.append(part)
            length += len(part)
        self.joined = "".join(parts)

    def line(self, offset: int) -> int:
        return bisect_right(self.starts, offset)

    def begins_line(self, offset: int) -> bool:
        return offset in self.starts


_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"))


def read(text: str) -> Notice:
    """What the notice in *text* says, and everything doubtful about it. It never raises; with an error among the
    problems it is not to be taken over."""
    whole = _Text(text[:LONGEST_TEXT])
    found = _TITLE.search(whole.joined)
    if found is None:
        return Notice("", 0, whole=True, problems=Problems([Problem("text", "no_title", NO_TITLE)]))
    reader = _Reader(whole, found)
    reader.read()
    return reader.notice()


class _Reader:
    """One reading: goes through the sentences and keeps what they say."""

    def __init__(self, text: _Text, title: re.Match[str]) -> None:
        self.text, self.title, self.after = text, title[0], title.end()
        self.whole = "节假日" in title["what"] and not re.search("调整|延长", title["what"])
        said = _YEAR.search(title["what"]) or (None if self.whole else _YEAR.search(text.joined, title.end()))
        self.year = int(said[1]) if said else 0
        self.problems = Problems()
        self.rests: dict[date, str] = {}
        self.worked: dict[date, str] = {}
        self.made: dict[date, tuple[int, str]] = {}
        self.festivals: list[str] = []
        self.until: tuple[date, int, str] | None = None
        if not FIRST_YEAR <= self.year <= LAST_YEAR:
            self.wrong("no_year", NO_YEAR, title.start(), title[0], first=FIRST_YEAR, last=LAST_YEAR)

    def wrong(self, code: str, message: str, at: int, words: str, /, *, warning: bool = False, **params: Any) -> None:
        told = {"line": self.text.line(at), "words": words[:60], **params}
        self.problems.append(Problem("text", code, message, told, warning))

    def notice(self) -> Notice:
        return Notice(
            self.title,
            self.year,
            self.whole,
            self.rests,
            self.worked,
            tuple(dict.fromkeys(self.festivals)),
            self.until,
            self.problems,
        )

    def read(self) -> None:
        if self.problems.errors:
            return
        for names, start, stop in self.items():
            self.item(names, start, stop)
        if not self.rests and self.until is None:
            self.problems.append(Problem("text", "no_days", NO_DAYS))
            return
        self.check()

    # --- where things stand --------------------------------------------------------------------------------------

    def items(self) -> Iterator[tuple[tuple[str, ...], int, int]]:
        """(holidays, where what is said of them begins, and ends)."""
        joined = self.text.joined
        heads = [h for h in _HEADING.finditer(joined, self.after) if self.is_head(h)]
        first = heads[0].end() if heads else self.after
        ending = _END.search(joined, first)
        end = ending.start() if ending else len(joined)
        heads = [head for head in heads if head.start() < end]
        if not self.whole:
            yield self.names(self.title, self.after - len(self.title)), self.after, end
            return
        for head, following in zip(heads, [*heads, None][1:], strict=True):
            yield self.names(head["names"], head.start()), head.end(), following.start() if following else end

    def is_head(self, found: re.Match[str]) -> bool:
        before = found.start() == 0 or self.text.joined[found.start() - 1] in "。;:"
        if not (before or self.text.begins_line(found.start())):
            return False
        return bool(found["number"]) or any(name in found["names"] for name in _FESTIVALS)

    def names(self, said: str, at: int) -> tuple[str, ...]:
        known = tuple(dict.fromkeys(meant for name, meant in _FESTIVALS.items() if name in said))
        if not known:
            self.wrong("unknown_holiday", UNKNOWN, at, said, warning=True)
        for name in {*known} & {*self.festivals}:
            self.wrong("twice", TWICE, at, said, holiday=name)
        self.festivals.extend(known)
        return known or (said[:40],)

    # --- sentences -----------------------------------------------------------------------------------------------

    def item(self, names: tuple[str, ...], start: int, stop: int) -> None:
        rests, worked = {*self.rests}, {*self.worked}
        for sentence in re.finditer(r"[^。;]+", self.text.joined[start:stop]):
            _Sentence(self, names, sentence[0], start + sentence.start()).read()
        near = self.rests.keys() - rests
        for day in sorted(self.worked.keys() - worked):
            if near and min(abs(day - other) for other in near) > FARTHEST * _DAY:
                self.wrong("far", FAR, *self.made[day], warning=True)

    def check(self) -> None:
        """What the whole must fulfil."""
        for day, (at, words) in self.made.items():
            if day in self.rests:
                self.wrong("both", BOTH, at, words)
        if not self.whole:
            return
        for day, name in statutory_days(self.year).items():
            if day not in self.rests:
                self.problems.append(Problem("text", "missing", MISSING, {"holiday": name, "day": day}))
        for name in dict.fromkeys(statutory_days(self.year).values()):
            if name not in self.festivals:
                self.problems.append(Problem("text", "no_item", NO_ITEM, {"holiday": name}, warning=True))
        closed, law = sum(d.weekday() < 5 for d in self.rests), days_by_law(self.year)
        # A holiday on a day of rest is made up for by another day (第六条), so both sides are weekdays.
        if closed != law + len(self.worked):
            told = {"closed": closed, "law": law, "worked": len(self.worked)}
            self.problems.append(Problem("text", "balance", BALANCE, told, warning=True))


class _Sentence:
    """One sentence: days, and what becomes of them."""

    def __init__(self, reader: _Reader, names: tuple[str, ...], words: str, at: int) -> None:
        self.reader, self.names, self.words, self.at = reader, names, words, at
        self.pending: list[tuple[date, date]] = []
        self.rested: list[tuple[date, date]] = []
        self.month = self.year = 0
        self.open = self.lengthens = False
        self.broken = False

    def wrong(self, code: str, message: str, **params: Any) -> None:
        self.broken = True
        self.reader.wrong(code, message, self.at, self.words, **params)

    def warn(self, code: str, message: str, words: str = "", **params: Any) -> None:
        self.reader.wrong(code, message, self.at, words or self.words, warning=True, **params)

    def read(self) -> None:
        tokens = [*_TOKEN.finditer(self.words)]
        dated = [t for t in tokens if t["date"]]
        if not dated:
            said = any(t["rest"] or t["work"] for t in tokens) and not _ADVICE.search(self.words)
            if self.reader.whole and said:
                self.wrong("no_day", UNNAMED)
            return
        if _ADVICE.search(self.words):
            self.warn("advice", ADVICE)
            return
        for token in tokens:
            self.take(token)
        if self.pending and not self.broken:
            if self.lengthens:
                self.lengthen()
            else:
                self.wrong("undecided", UNDECIDED)
        self.leftover(tokens)

    def leftover(self, tokens: list[re.Match[str]]) -> None:
        left, last = [], 0
        for token in tokens:
            left.append(self.words[last : token.start()])
            last = token.end()
        left.append(self.words[last:])
        for words in left:
            if _FILLING.sub("", words) and self.reader.whole:
                self.warn("not_understood", NOT_UNDERSTOOD, words)

    def take(self, token: re.Match[str]) -> None:
        if token["date"]:
            self.take_date(token)
            return
        if token["to"]:
            self.open = bool(self.pending) or self.lengthens
            return
        self.open = False
        if token["count"]:
            if token["count"].startswith("放假"):
                self.rest()
            self.count(token["n"])
        elif token["rest"]:
            self.rest()
        elif token["work"]:
            self.work()
        elif token["weekend"]:
            self.join_weekend()
        elif token["extend"]:
            self.lengthens = True
        elif token["resume"] and self.pending:
            self.resume()

    # --- dates ---------------------------------------------------------------------------------------------------

    def take_date(self, token: re.Match[str]) -> None:
        day = self.day_of(token)
        if day is None:
            self.open = False
            return
        weekday = _WEEKDAY.search(token["note"] or "")
        if weekday is not None and _WEEKDAYS[weekday[1]] != day.weekday():
            self.wrong("weekday", WEEKDAY, weekday=_DAYS_OF_WEEK[day.weekday()])
        allowed = day.year == self.reader.year or (day.year, day.month) in (
            (self.reader.year - 1, 12),
            (self.reader.year + 1, 1),
        )
        if not allowed:
            self.wrong("other_year", OTHER_YEAR, year=self.reader.year)
            return
        if self.open and self.pending:
            first = self.pending[-1][0]
            if not first < day <= first + LONGEST_HOLIDAY * _DAY:
                self.wrong("span", SPAN)
                return
            self.pending[-1] = (first, day)
        else:
            self.pending.append((day, day))
        self.open = False

    def day_of(self, token: re.Match[str]) -> date | None:
        month = int(token["m"] or self.month)
        if not month:
            self.wrong("no_month", NO_MONTH)
            return None
        year = self.year_of(token, month)
        try:
            found = date(year, month, int(token["d"]))
        except ValueError:
            self.wrong("no_date", NO_DATE)
            return None
        self.year, self.month = year, month
        return found

    def year_of(self, token: re.Match[str], month: int) -> int:
        """The year said; else the one of the day before in this sentence, or the notice's. What is no plain reading of
        the words is said to be supposed."""
        if token["y"]:
            return int(token["y"])
        if token["next"]:
            return self.reader.year + 1
        if self.year:
            turned = self.open and month < self.month
            if turned:
                self.warn("year_supposed", YEAR_SUPPOSED, year=self.year + 1)
            return self.year + turned
        if month == 12 and NEW_YEAR in self.names:
            self.warn("year_supposed", YEAR_SUPPOSED, year=self.reader.year - 1)
            return self.reader.year - 1
        return self.reader.year

    # --- what becomes of them ------------------------------------------------------------------------------------

    def rest(self) -> None:
        if not self.pending:
            return
        self.rested, self.pending = self.pending, []
        for first, last in self.rested:
            for day in days_from(first, last):
                self.reader.rests[day] = self.called(day)

    def work(self) -> None:
        made, self.pending = self.pending, []
        for first, last in made:
            for day in days_from(first, last):
                if day.weekday() < 5:
                    self.wrong("no_weekend", NO_WEEKEND)
                    continue
                self.reader.worked[day] = self.principal()
                self.reader.made[day] = (self.at, self.words)

    def count(self, said: str) -> None:
        days = sum((last - first).days + 1 for first, last in self.rested)
        wanted = int(said) if said.isdigit() else _NUMBERS[said]
        if not self.rested:
            if not self.broken:
                self.wrong("no_day", UNNAMED)
        elif days != wanted:
            self.wrong("days", DAYS, days=days)

    def join_weekend(self) -> None:
        """Days that the weekend follows, or that follow it: its days belong to the holiday."""
        if not self.rested:
            self.wrong("no_day", UNNAMED)
            return
        joined = False
        for first, last in self.rested:
            for day, step in ((first, -_DAY), (last, _DAY)):
                near = day + step
                while near.weekday() >= 5:
                    self.reader.rests.setdefault(near, self.principal())
                    near, joined = near + step, True
            joined = joined or first.weekday() >= 5
        if not joined:
            self.wrong("no_neighbour", NO_NEIGHBOUR)

    def lengthen(self) -> None:
        """延长春节假期至2月2日."""
        if len(self.pending) != 1 or self.reader.whole or not self.reader.festivals:
            self.wrong("undecided", UNDECIDED)
            return
        self.reader.until = (self.pending.pop()[1], self.reader.text.line(self.at), self.words[:60])

    def resume(self) -> None:
        """2月3日起正常上班: the day after, which must be a plain working day."""
        day = self.pending.pop()[1]
        rested = max((last for _, last in self.rested), default=None)
        if self.lengthens and self.pending:
            rested = self.pending[-1][1]
        if (rested is not None and day != rested + _DAY) or day.weekday() >= 5:
            self.wrong("span", SPAN)

    def principal(self) -> str:
        """Of several holidays in one run, the one that has the most days."""
        law = [*statutory_days(self.reader.year).values()]
        return max(self.names, key=law.count)

    def called(self, day: date) -> str:
        name = statutory_days(day.year).get(day)
        return name if name in self.names else self.principal()
