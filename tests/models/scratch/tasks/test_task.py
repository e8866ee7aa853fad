"""The tasks: what they draw, what they answer, and where the answer stands, against solvers written another way."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from random import Random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.errors import NoText, UnknownModel
from models.scratch.tasks import TASKS, Solution, Task, task_named
from models.scratch.tasks.dates import _FORMS, _MONTHS, _chinese, _ordinal
from models.scratch.tasks.series import NOISE, PERIODS

pytestmark = pytest.mark.slow

WITH_TEXT = {name: task for name, task in TASKS.items() if task.has_truth}
N_SAMPLES = 300
Solver = Callable[[str], tuple[list[str], list[set[int]]]]


# --- every task again, by brute force: answers and true places of the pieces, special tokens left out -----------------


def previous(text: str) -> tuple[list[str], list[set[int]]]:
    letters = text.replace(" ", "")
    return ["", *letters[:-1]], [set(), *({i} for i in range(len(letters) - 1))]


def reversal(text: str) -> tuple[list[str], list[set[int]]]:
    letters = text.replace(" ", "")
    places = list(range(len(letters)))
    places.reverse()
    return [letters[place] for place in places], [{place} for place in places]


def sorting(text: str) -> tuple[list[str], list[set[int]]]:
    """Count each letter; it fills as many places."""
    letters = text.replace(" ", "")
    answers: list[str] = []
    for letter in "abcdefghijklmnopqrstuvwxyz":
        answers += letter * letters.count(letter)
    return answers, [{match.start() for match in re.finditer(letter, letters)} for letter in answers]


def brackets(text: str) -> tuple[list[str], list[set[int]]]:
    """Take out pairs that stand side by side until nothing is left."""
    left = list(enumerate(text))
    partner: dict[int, int] = {}
    while left:
        at = next(i for i in range(len(left)) if left[i][1] + left[i + 1][1] in ("()", "[]", "{}"))
        one, other = left[at][0], left[at + 1][0]
        partner[one], partner[other] = other, one
        del left[at : at + 2]
    return [str(partner[i]) for i in range(len(text))], [{partner[i]} for i in range(len(text))]


def recall(text: str) -> tuple[list[str], list[set[int]]]:
    """Scan back from each letter."""
    pieces = text.split()
    answers, places = [], []
    for i, piece in enumerate(pieces):
        earlier = [j + 1 for j in range(i) if pieces[j] == piece] if piece.isalpha() else []
        answers.append(pieces[earlier[0]] if earlier else "")
        places.append(set(earlier))
    return answers, places


def agreement(text: str) -> tuple[list[str], list[set[int]]]:
    """The subject is the first noun of the clause; every plural of the grammar ends in s, as no singular does."""
    words = text.split()
    clause = text.split(" , ")[-1].split()
    other = ["the", "that", "near", "behind", "of", "with", "to", "old", "new", "small", "tall", "quiet", "red"]
    subject = next(word for word in clause if word not in other)
    place = len(words) - len(clause) + clause.index(subject)
    blank = words.index("___")
    answers, places = [""] * len(words), [set() for _ in words]
    answers[blank], places[blank] = "are" if subject.endswith("s") else "is", {place}
    return answers, places


def series(text: str) -> tuple[list[str], list[set[int]]]:
    """Of all periods the one whose waves explain most for what they cost; by regression on columns, not by means."""
    given = np.array([float(piece) for piece in text.split()])
    n, fits = len(given), {}
    for period in PERIODS:
        columns = np.equal.outer(np.arange(n) % period, np.arange(period)).astype(float)
        wave, *_ = np.linalg.lstsq(columns, given, rcond=None)
        fits[period] = (n * np.log(np.mean((given - columns @ wave) ** 2)) + period * np.log(n), wave)
    period = min(fits, key=lambda one: fits[one][0])
    answers = [f"{fits[period][1][(i + 1) % period]:.2f}" if i + 1 >= period else "" for i in range(n)]
    return answers, [{j for j in range(i + 1) if (i + 1 - j) % period == 0} for i in range(n)]


BRUTE_FORCE: dict[str, Solver] = {
    solver.__name__: solver for solver in (previous, reversal, sorting, brackets, recall, agreement, series)
}


def bare(task: Task, solution: Solution) -> tuple[list[str], list[set[int]]]:
    """Return a framed solution without the special tokens around it, which must ask nothing; decoders have no end."""
    ends = (0,) if task.kind == "decoder" else (0, -1)
    assert all(solution.answers[end] == "" and solution.truth[end] == frozenset() for end in ends)
    inside = slice(1, None if task.kind == "decoder" else -1)
    return list(solution.answers[inside]), [{key - 1 for key in keys} for keys in solution.truth[inside]]


@pytest.mark.parametrize("name", BRUTE_FORCE)
def test_another_solver_agrees(name):
    task, solver = TASKS[name], BRUTE_FORCE[name]
    texts = [text for text, _ in task.samples(Random(23), N_SAMPLES)]
    for text in [*texts, *task.examples]:
        (found, places), (expected, right) = bare(task, task.solve(text)), solver(text)
        assert places == right, text
        if name == "series":  # another way to the same mean rounds .xx5 otherwise
            assert [float(one or 0) for one in found] == pytest.approx([float(one or 0) for one in expected], abs=0.011)
        else:
            assert found == expected, text


def test_dates_are_those_of_the_calendar():
    """Every day of a leap year in every language and form, built from `datetime`, and the places read back."""
    task, dice = TASKS["dates"], Random(29)
    for number in range(366):
        day = date.fromordinal(date(2000, 1, 1).toordinal() + number)
        year = dice.randint(1000, 2999)
        for language, forms in _FORMS.items():
            for form in forms:
                month = _MONTHS[language].split()[day.month - 1] if language in _MONTHS else ""
                parts = {
                    "d": f"{day.day}",
                    "o": _ordinal(day.day),
                    "m": month,
                    "y": f"{year}",
                    "d_month": f"{day.month}",
                    "c_y": f"{year}".translate(str.maketrans("0123456789", "〇一二三四五六七八九")),
                    "c_m": _chinese(day.month),
                    "c_d": _chinese(day.day),
                }
                text = form.format(**parts)
                solution = task.solve(text)
                assert "".join(solution.answers) == f"{year}-{day:%m-%d}[END]", text
                # What the true places spell, read together: year digit by digit, month and day as they are written.
                *digits, dash, tens, ones, second, first, last, end = solution.truth
                assert dash == second == end == frozenset()
                year_text = parts["c_y"] if "{c_y}" in form else parts["y"]
                assert spelt(text, *digits) == year_text
                months = {parts["m"], parts["d_month"], parts["c_m"]} - {""}
                assert spelt(text, tens | ones) in months
                assert spelt(text, first | last) in {parts["d"], parts["c_d"]}


def spelt(text: str, *places: frozenset[int]) -> str:
    return "".join(text[key] for keys in places for key in sorted(keys))


@pytest.mark.parametrize(
    ("number", "written"), [(1, "一"), (10, "十"), (11, "十一"), (19, "十九"), (20, "二十"), (31, "三十一")]
)
def test_chinese_numbers(number, written):
    assert _chinese(number) == written


def test_english_ordinals():
    assert [_ordinal(day) for day in (1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 30)] == (
        ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "23rd", "30th"]
    )


def test_two_digits_of_a_day_are_copied_one_by_one():
    solution = TASKS["dates"].solve("op 14 juli 1789")
    assert [sorted(keys) for keys in solution.truth] == (
        [[11], [12], [13], [14], [], [6, 7, 8, 9], [6, 7, 8, 9], [], [3], [4], []]
    )


# --- what holds for every task ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_TEXT)
def test_samples_are_what_the_tokenizer_reads_and_solve_to_themselves(name):
    task = TASKS[name]
    tokenizer, vocabulary = task.tokenizer(), task.vocabulary
    periods = 0
    for text, solution in [*task.samples(Random(31), N_SAMPLES), *((one, task.solve(one)) for one in task.examples)]:
        ids = tokenizer(text)["input_ids"]
        pieces = [vocabulary[piece] for piece in task.pieces(text)]
        assert (ids[-len(pieces) :] if task.kind == "decoder" else ids[-1 - len(pieces) : -1]) == pieces
        assert len(ids) <= task.longest
        batch = task.batch([(text, solution)])
        assert batch["input_ids"].tolist() == [ids]
        n_query = batch["decoder_input_ids" if task.kind == "cross" else "input_ids"].shape[1]
        assert len(solution.truth) == len(solution.answers) == n_query
        assert any(solution.truth)
        assert all(key < len(ids) for keys in solution.truth for key in keys)
        if name == "series":  # a text knows its period, and the signal only but for the noise
            periods += task.solve(text).truth == solution.truth
            continue
        assert task.solve(text) == solution
        assert {answer for answer in solution.answers if answer} <= set(task.labels)
    if name == "series":  # measured: 302 of 302
        assert periods >= N_SAMPLES


def test_the_answers_of_a_signal_are_its_own_up_to_the_noise():
    """From at least 2.5 periods, the mean of a phase is closer to the signal than one measurement: 1.9 to 4."""
    task = TASKS["series"]
    errors = [
        float(found) - float(true)
        for text, solution in task.samples(Random(37), 100)
        for found, true in zip(task.solve(text).answers, solution.answers, strict=True)
        if true
    ]
    assert 1.5 < float(np.std(errors)) < 0.6 * NOISE


@pytest.mark.parametrize("name", WITH_TEXT)
def test_unseen_texts_are_never_trained_on(name):
    task = TASKS[name]
    trained = {text for seed in range(3) for text, _ in task.samples(Random(f"{seed} 7"), N_SAMPLES)}
    unseen = {text for text, _ in task.samples(Random("unseen"), N_SAMPLES, held_out=True)}
    assert not trained & unseen
    assert len(unseen) > (30 if name == "previous" else 60)
    assert [text for text, _ in task.samples(Random(5), 7)] == [text for text, _ in task.samples(Random(5), 7)]


def test_unseen_pictures_are_never_trained_on():
    task = TASKS["digits"]
    unseen = task.draw(Random(1), 10_000, held_out=True)
    trained = task.draw(Random(1), 2_000)
    assert unseen["pixel_values"].shape == (360, 3, 8, 8)
    assert trained["pixel_values"].shape == (2_000, 3, 8, 8)
    assert (float(trained["pixel_values"].min()), float(trained["pixel_values"].max())) == (-1.0, 1.0)
    pictures = {row.numpy().tobytes() for row in unseen["pixel_values"]}
    assert len(pictures) == 360
    assert not any(row.numpy().tobytes() in pictures for row in trained["pixel_values"])


@pytest.mark.parametrize("number", ["abc", "-1", "360", "9" * 5000, " "])
def test_a_picture_that_is_not_there(number):
    with pytest.raises(NoText, match=r"^There is no picture '.*to watch: give a number from 0 to 359\.$"):
        TASKS["digits"].watched_batch(number)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_by_its_name(name):
    assert task_named(name) is TASKS[name]
    assert TASKS[name].settings.seed == 0


@pytest.mark.parametrize("name", ["", "nothing", "../brackets", "x" * 5000, "Brackets"])
def test_no_such_task(name):
    with pytest.raises(UnknownModel) as caught:
        task_named(name)
    assert str(caught.value) == f"There is no task {name[:40]!r}: choose one of {', '.join(TASKS)}."


# --- what is no text of a task ----------------------------------------------------------------------------------------

HOSTILE = ("", " ", "\n\t", "\0", "\x1c", "a\x1cb", "\ud800", "e" * 100_000, "( " * 50_000, "a 1 " * 25_000, "?" * 99)
HOSTILE += ("<script>alert(1)</script>", "[PAD]", "[START] [END]", "١٢٣", "ａ ｂ", "\u202ea b", "🙂", "1" * 5000)
INVALID = {
    "previous": ("a 1", "a, b", "ä", " ".join("abcdefghijklmnopqrstuvw")),
    "reversal": ("a.b", "ab" * 9),
    "sorting": ("a-b", "ab" * 7),
    "brackets": ("(", ")", "(]", "([)]", "())", "<>", "()" * 9, "(()"),
    "recall": ("a", "a 1", "1 a", "a 1 b 2", "a a", "a 1 a 2", "m 1 m 1", "a 1 b 2 c", "a 1 " * 11),
    "agreement": ("the dog", "___", "the dog ___ ___ old", "the wolf ___ old", "the ___ dog", "the dog , ___ old"),
    "dates": (
        *("3 march 98", "31 april 1998", "0 may 1998", "32 may 1998", "3 marz 1998", "march 3 1998", "1998-03-03"),
        *(
            "1998年13月3日",
            "1998年0月3日",
            "一九九八年十十月三日",
            "３ march １９９８",
            "3 march ١٩٩٨",
            "１９９８年3月3日",
        ),
        *("3 march 1998 ", "3 march 1998\n", "3  march 1998"),
    ),
    "series": ("1 2 3", "5 " * 9, "5 " * 20 + "?", "100 " * 20, "007 " * 20, "-5 " * 20, "5 " * 65),
    "digits": ("3",),
}


@pytest.mark.parametrize("name", TASKS)
def test_texts_that_are_none_of_the_task(name):
    """None, soon, and a sentence with an example for whoever wants to watch one."""
    task = TASKS[name]
    for text in (*HOSTILE, *INVALID[name]):
        assert task.solve(text) is None, text[:50]
        if task.has_truth:
            with pytest.raises(NoText) as caught:
                task.watched_batch(text)
            assert str(caught.value) == f"This is not a text of the task {task.title!r}: try {task.examples[0]!r}."


@pytest.mark.parametrize("name", WITH_TEXT)
@given(data=st.data())
def test_any_text_that_is_answered_is_read_as_it_was_answered(name, data):
    """What `solve` lets through has the tokens of the trace: one for each position of the truth."""
    task = TASKS[name]
    odd = [" ", "  ", "\n", "\x1c", "\x85", "\xa0", "\u3000", "\u0308", "A", "Ä", "K", "İ", "ẞ", "٣"]
    text = "".join(data.draw(st.lists(st.sampled_from([*task.alphabet, " ", *odd]), max_size=30)))
    if data.draw(st.booleans()):  # one odd thing in a text that is valid
        text, place = data.draw(st.sampled_from(task.examples)), data.draw(st.integers(0, 60))
        text = text[:place] + data.draw(st.sampled_from([*odd, ""])) + text[place:]
    check_reading(task, text)


def check_reading(task: Task, text: str) -> None:
    solution = task.solve(text)
    if solution is not None:
        ids = task.tokenizer()(text)["input_ids"]
        assert task.batch([(text, solution)])["input_ids"].tolist() == [ids]


@pytest.mark.parametrize("text", ["3. Ma\u0308rz 1998", "3. MÄRZ 1998", "LE 14 AOU\u0302T 1789"])
def test_letters_may_be_large_and_their_accents_apart(text):
    task = TASKS["dates"]
    assert "".join(task.solve(text).answers[:4]) == text[-4:]
    check_reading(task, text)


# --- the solution as a picture ----------------------------------------------------------------------------------------


@example(rows=[frozenset(), frozenset([0, 6])])
@given(rows=st.lists(st.frozensets(st.integers(0, 6)), min_size=1, max_size=5))
def test_the_mask_of_a_solution(rows):
    mask = Solution(("",) * len(rows), tuple(rows)).mask(7)
    assert mask.dtype == bool
    assert mask.shape == (len(rows), 7)
    assert [{key for key in range(7) if row[key]} for row in mask] == [set(row) for row in rows]


def test_the_mask_of_an_example():
    mask = TASKS["brackets"].solve("([])").mask(6)
    assert np.argwhere(mask).tolist() == [[1, 4], [2, 3], [3, 2], [4, 1]]
