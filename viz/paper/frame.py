"""Room on paper: how wide texts are, and axes with a colour bar in a figure whose width is given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from viz.colours import scale_ticks
from viz.labels import runs_left

# Points. Smaller letters cannot be read on paper.
SMALLEST, LARGEST = 6.0, 9.0
MARGIN = 0.05  # inches
LINE = 1.3  # height of a line of text in its size
BAR_GAP, BAR_WIDTH = 0.1, 0.13  # inches
BAR_NUMBERS, BAR_TITLE = 7.0, 8.0  # points
TICK = 0.09  # inches from the axes to a label


def text_width(text: str, size: float) -> float:
    """Return the width of a text in inches."""
    width: float = text_to_path.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)[0]
    return width / 72


def widest(texts: Iterable[str], size: float) -> float:
    """Return the width of the widest text in inches."""
    return max((text_width(text, size) for text in texts), default=0.0)


def bar_room(scale: str, top: float = 1.0) -> float:
    """Return the width in inches that a colour bar with its numbers and its title takes beside the axes."""
    numbers = widest((text for _, text in scale_ticks(scale, top)), BAR_NUMBERS)
    return BAR_GAP + BAR_WIDTH + 0.08 + numbers + 0.06 + BAR_TITLE * LINE / 72 + MARGIN


def thin(n_tokens: int, length: float, most: int) -> tuple[int, float]:
    """Return how many of the tokens along `length` inches get a label at most, and the size of the labels in points."""
    shown = max(1, min(most, n_tokens, int(72 * length / (SMALLEST * 1.2))))
    step = -(-n_tokens // shown)
    # Where not all tokens have a label, small letters let more of them have one.
    return shown, min(LARGEST, max(SMALLEST, 72 * length / n_tokens * 0.8)) if step == 1 else SMALLEST


def count_labels(n_labels: int, n_tokens: int, side: str) -> str:
    """Return how many tokens of a side have a label, empty if all have one."""
    return "" if n_labels == n_tokens else f"{n_labels} of {n_tokens} {side}"


@dataclass(frozen=True)
class Frame:
    """Inches around axes."""

    left: float
    right: float
    below: float
    above: float = 0.0

    def place(self, figure: Figure, axes: Axes, wide: float, high: float, lines: list[str], *, size: float) -> None:
        """Set the size of the figure, so that its axes have `wide` x `high` inches below the title."""
        width = self.left + wide + self.right
        figure.set_figwidth(width)
        title = add_title(figure, lines, size=size)
        height = title + self.above + high + self.below
        figure.set_figheight(height)
        axes.set_position((self.left / width, self.below / height, wide / width, high / height))
        figure._suptitle.set_y(1 - MARGIN / height)  # type: ignore[attr-defined]


def add_title(figure: Figure, lines: Iterable[str], *, size: float) -> float:
    """Set the title at the top and return the inches that it takes: lines too wide for the figure are broken."""
    room = figure.get_figwidth() - 2 * MARGIN
    broken = [part for line in lines for part in break_line(line, room, size)]
    # A line that begins with Hebrew or Arabic would run from right to left as a whole.
    text = "\n".join(f"\u200e{line}" if runs_left(line) else line for line in broken)
    figure.suptitle(text, fontsize=size, va="top", linespacing=1.15)
    return len(broken) * size * LINE / 72 + 2 * MARGIN


def break_line(text: str, room: float, size: float) -> list[str]:
    """Return a text as lines that are no wider than `room` inches, broken between words, or within a longer word."""
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= room:
            lines[-1] = longer
            continue
        while len(word) > 1 and text_width(word, size) > room:
            kept = next(n for n in range(len(word) - 1, 0, -1) if n == 1 or text_width(word[:n], size) <= room)
            lines.append(word[:kept])
            word = word[kept:]
        lines.append(word)
    return lines
