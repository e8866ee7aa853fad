"""Writing dates: "the 3rd of March 1998", in several languages and in Chinese, to 1998-03-03, letter by letter."""

from __future__ import annotations

import re
from random import Random

from models.scratch.tasks.settings import Settings
from models.scratch.tasks.task import END, SPECIAL, Solution
from models.scratch.tasks.translation import TranslationTask

# Months by language, January first, and how a date is written; {d} day, {o} day with its ending, {m} month, {y} year.
_MONTHS = {
    "english": "january february march april may june july august september october november december",
    "german": "januar februar märz april mai juni juli august september oktober november dezember",
    "french": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "spanish": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "italian": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "dutch": "januari februari maart april mei juni juli augustus september oktober november december",
}
_FORMS = {
    "english": ("the {o} of {m} {y}", "{m} {d}, {y}", "{d} {m} {y}"),
    "german": ("{d}. {m} {y}", "der {d}. {m} {y}"),
    "french": ("le {d} {m} {y}", "{d} {m} {y}"),
    "spanish": ("{d} de {m} de {y}", "el {d} de {m} de {y}"),
    "italian": ("{d} {m} {y}", "il {d} {m} {y}"),
    "dutch": ("{d} {m} {y}", "op {d} {m} {y}"),
    "chinese": ("{y}年{d_month}月{d}日", "{c_y}年{c_m}月{c_d}日"),
}
_CHINESE = "〇一二三四五六七八九"
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_NUMBER_OF = {name: number for names in _MONTHS.values() for number, name in enumerate(names.split(), 1)}
_NAMES = "|".join(sorted(_NUMBER_OF, key=len, reverse=True))
_DAY = r"(?P<day>[0-9]{1,2})(?:st|nd|rd|th|\.)?"
_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:the |der |le |el |il |op )?{_DAY} (?:of |de )?(?P<month>{_NAMES}) (?:de )?(?P<year>[0-9]{{4}})",
        rf"(?P<month>{_NAMES}) {_DAY}, (?P<year>[0-9]{{4}})",
        r"(?P<year>[0-9]{4})年(?P<month>[0-9]{1,2})月(?P<day>[0-9]{1,2})日",
        rf"(?P<year>[{_CHINESE}]{{4}})年(?P<month>[一二三四五六七八九十]{{1,2}})月(?P<day>[一二三四五六七八九十]{{1,3}})日",
    )
)
_WRITTEN = tuple("0123456789-")


class Dates(TranslationTask):
    """Write a date the way of ISO 8601."""

    def text(self, random: Random) -> str:
        """Return a date of the years 1000 to 2999."""
        month, year = random.randint(1, 12), random.randint(1000, 2999)
        day = random.randint(1, _DAYS[month - 1])
        language = random.choice(tuple(_FORMS))
        return random.choice(_FORMS[language]).format(
            d=day,
            o=_ordinal(day),
            m=_MONTHS[language].split()[month - 1] if language in _MONTHS else "",
            y=year,
            d_month=month,
            c_y="".join(_CHINESE[int(digit)] for digit in str(year)),
            c_m=_chinese(month),
            c_d=_chinese(day),
        )

    def solve(self, text: str) -> Solution | None:
        """The text contains each digit of the year; month and day are read from their words or digits."""
        text = "".join(self.pieces(text))
        found = next((match for pattern in _PATTERNS if (match := pattern.fullmatch(text))), None)
        if found is None or len(text) >= self.longest:
            return None
        numbers = {name: _number(found[name]) for name in ("year", "month", "day")}
        if not 1 <= numbers["month"] <= 12 or not 1 <= numbers["day"] <= _DAYS[numbers["month"] - 1]:
            return None
        iso = f"{numbers['year']:04}-{numbers['month']:02}-{numbers['day']:02}"
        year, month, day = (list(range(*found.span(name))) for name in ("year", "month", "day"))
        # Two digits of a day are copied one by one. A number in another form is read as a whole.
        days = [{day[0]}, {day[1]}] if len(day) == 2 and found["day"].isascii() else [set(day)] * 2
        months = [{month[0]}, {month[1]}] if len(month) == 2 and found["month"].isdecimal() else [set(month)] * 2
        sources = [*({position} for position in year), set(), *months, set(), *days, set()]
        return Solution((*iso, END), tuple(frozenset(keys) for keys in sources))


def _ordinal(day: int) -> str:
    ending = "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


def _chinese(number: int) -> str:
    """Return 1 to 99 in Chinese: 十三 is 13, 二十 is 20."""
    tens, ones = divmod(number, 10)
    return ("" if tens == 0 else "十" if tens == 1 else _CHINESE[tens] + "十") + (_CHINESE[ones] if ones else "")


def _number(written: str) -> int:
    if written.isascii():
        return int(written) if written.isdecimal() else _NUMBER_OF[written]
    if written in _NUMBER_OF:  # août, märz
        return _NUMBER_OF[written]
    if len(written) == 4:
        return int("".join(str(_CHINESE.index(sign)) for sign in written))
    numbers = {_chinese(number): number for number in range(1, 32)}
    return numbers.get(written, 0)


_LETTERS = sorted({letter for names in _MONTHS.values() for letter in names} | set("theofdrlinpk .,"))
_ALPHABET = (*_WRITTEN, *(letter for letter in _LETTERS if not letter.isspace()), " ", *"年月日十", *_CHINESE)
DATES = Dates(
    name="dates",
    title="Writing dates",
    rule="Write the date as year-month-day.",
    looks="Each written digit at the digit or the word that it comes from.",
    kind="cross",
    alphabet=_ALPHABET,
    labels=(*SPECIAL, *_ALPHABET),
    examples=("the 3rd of March 1998", "3. März 1998", "le 14 juillet 1789", "1998年3月3日", "一九九八年三月三日"),
    settings=Settings(n_layers=2, steps=4000),
    longest=36,
    keeps_spaces=True,
)
