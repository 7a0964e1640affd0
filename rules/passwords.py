"""What a password that a person chooses must be. Length and what guesses it, not kinds of characters: those make people
write ``Password1!``, which every list of guesses begins with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from zxcvbn import zxcvbn

from rules.words import N_, Problem

SHORTEST = 10
LONGEST = 200
# Decimal digits of the number of guesses: a billion. zxcvbn knows common passwords, rows of keys, dates, repetitions.
HARD = 9.0
READ = 72  # zxcvbn takes its time with longer texts, and these are hard to guess for their length alone
# What guessers here try first and zxcvbn does not know: pinyin and numbers that sound like words.
LOCAL = (
    *("woaini", "wo", "aini", "nihao", "zhongguo", "beijing", "shanghai", "jinan", "zhengwu", "zhengfu", "dating"),
    *("mima", "guanli", "guanliyuan", "shenpi", "banshi", "fuwu", "yizhan", "gongan", "xinxi", "gongzuo"),
    *("520", "1314", "5201314", "1314520", "521", "666", "888", "168", "admin", "passw0rd", "p@ssw0rd", "qwer", "asdf"),
)


def problems(new: str, *, old: str | None, username: str, names: Iterable[str]) -> Iterator[Problem]:
    """At most one sentence against *new*. old: the present password, where it was asked and is known to be right."""
    own = [part.casefold() for part in (username, *names) if len(part) >= 2]
    if len(new) < SHORTEST:
        yield Problem("new", "too_short", N_("At least %(length)d characters."), {"length": SHORTEST})
    elif len(new) > LONGEST:
        yield Problem("new", "too_long", N_("At most %(length)d characters."), {"length": LONGEST})
    elif not new.isprintable():
        yield Problem("new", "characters", N_("This text holds a character that cannot be stored."))
    elif old is not None and new == old:
        yield Problem("new", "same", N_("This is the password you have already. Choose a different one."))
    elif any(part in new.casefold() for part in own):
        yield Problem("new", "own_name", N_("Your user name or your own name must not be part of it."))
    elif len(set(new)) < 5 or easily_guessed(new, own):
        yield Problem(
            "new",
            "guessable",
            N_("This is easily guessed: common words, rows of keys, dates and repetitions are tried first."),
        )


def easily_guessed(password: str, own: Iterable[str] = ()) -> bool:
    found = zxcvbn(password[:READ], user_inputs=[*own, *LOCAL])
    return float(found["guesses_log10"]) < HARD
