"""A text and a picture to the input of a model that reads both, through the processor that it was trained with."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from models.chat_template import ChatTemplate
from models.errors import BrokenModel, NoText, short_message
from models.images import undo_normalisation
from models.patches import Patches
from models.picture_layouts import Layout, Run

# What a notice says of a model whose pictures cannot be read, before the reason.
READ_ALONE = "also reads pictures, and is read here as a model of text alone"
_NOT_THIS = "The model's processor does not read this text with this picture"
# A picture is kept for drawing at this many pixels on its longer side.
SHOWN_SIDE = 1_024
# What a processor returns for each position in addition to what the model reads.
_NOT_READ = ("labels", "offset_mapping", "text_replacement_offsets", "special_tokens_mask")


@dataclass(frozen=True)
class PictureReading:
    """A text with a picture as the model reads it.

    `rows` have one number for each position, `tensors` are the picture. `offsets` are the characters of the prompt that
    each position is read from, None for those of the picture. `seen` is the picture that the boxes of `patches` refer
    to.
    """

    rows: dict[str, list[int]]
    tensors: dict[str, Tensor]
    offsets: list[tuple[int, int] | None]
    patches: tuple[Patches, ...]
    seen: UInt8[np.ndarray, "row column 3"]


class TextPictureReader:
    """Reads texts with a picture through one processor.

    `processor` has the method `expand`, which `models.checkpoints.picture_processor` adds: it returns what the
    processor makes of a text and a picture, and the text before and after its placeholder was repeated.
    """

    def __init__(self, processor: Any, layout: Layout) -> None:
        self.processor = processor
        self.layout = layout
        self.mark: str = processor.image_token
        self._one_at_a_time = threading.Lock()
        self._known = ""
        self._template = ChatTemplate(processor.tokenizer, "the model")

    def write_prompt(self, text: str, messages: Sequence[Mapping[str, Any]] | None = None) -> tuple[str, str]:
        """Return the text with one mark where the picture is, and a sentence on what was added, "" if nothing.

        A text that has the mark is read as it is. Else the text is a message of a user, in the processor's chat
        template, after the picture; without a template the mark is put before the text.

        Raises:
            NoText: there are several marks.
        """
        if messages is None and self.mark in text:
            if text.count(self.mark) > 1:
                raise NoText(f"The text has {text.count(self.mark)} marks for a picture ({self.mark}): leave one.")
            return text, ""
        if messages is None:
            parts = [{"type": "image"}, *([{"type": "text", "text": text}] if text else [])]
            prompt = self._apply_template([{"role": "user", "content": parts}])
        else:
            prompt = self._apply_template(_with_picture(messages))
        if prompt is not None:
            added = "The picture and the text are read as the message of a user, in the model's own chat template."
            return prompt, added if messages is None else ""
        if messages is not None:
            raise NoText("The model has no chat template that takes a picture: give the text, not messages.")
        return self.mark + text, "The picture is read before the text: the model has no chat template that takes one."

    def _apply_template(self, messages: Sequence[Mapping[str, Any]]) -> str | None:
        template = self.processor.chat_template
        if isinstance(template, dict):
            template = template.get("default")
        if not template:
            return None
        if template != self._known:
            self._known = str(template)
            self._template = ChatTemplate(self.processor.tokenizer, "the model", self._known)
        try:
            prompt = self._template.render([dict(one) for one in messages], add_generation_prompt=True)
        except (NoText, TypeError, ValueError):  # it takes no picture, never ends, or a message is no JSON
            return None
        return prompt if prompt.count(self.mark) == 1 else None

    def count(self, prompt: str, size: tuple[int, int]) -> int:
        """Return about how many positions a prompt has with a picture of `size` (width, height).

        Raises:
            NoText: the processor refuses a picture of this size.
        """
        n_text = len(self.processor.tokenizer(prompt, verbose=False)["input_ids"])
        images = self.processor.image_processor
        try:
            counted = self.processor._get_num_multimodal_tokens(image_sizes=[size[::-1]])
            return n_text - 1 + counted["num_image_tokens"][0]
        except ValueError as error:
            raise NoText(f"{_NOT_THIS} ({short_message(error)}).") from error
        except (AttributeError, KeyError, TypeError):  # SmolVLM does not say it
            n_tiles = images.get_number_of_image_patches(size[1], size[0], {})[0]
            return n_text - 1 + max(1, n_tiles) * (self.processor.image_seq_len + 3)

    def count_patches(self, size: tuple[int, int], config: Any) -> tuple[int, int]:
        """Return how many pictures the vision encoder sees for one of `size`, and the patches of each.

        `config` is the vision encoder's.
        """
        images = self.processor.image_processor
        n_tiles = 1
        if hasattr(images, "get_number_of_image_patches"):
            counted = images.get_number_of_image_patches(size[1], size[0], {})
            if isinstance(counted, int):
                return 1, counted
            n_tiles = max(1, counted[0])
        elif hasattr(images, "image_grid_pinpoints"):
            n_tiles = 5
        side, patch = getattr(config, "image_size", 336), getattr(config, "patch_size", 14)
        return n_tiles, (side // patch) ** 2 if isinstance(side, int) and isinstance(patch, int) else 1024

    def read(self, prompt: str, image: Image.Image, *, special: bool = True, small: bool = False) -> PictureReading:
        """Return a prompt with one mark, and a picture in three colours, as the model reads them.

        `special` is False if the tokenizer must add no special tokens; `small` reads a picture of several tiles as one.

        Raises:
            NoText: the processor refuses the picture.
            BrokenModel: the positions of the picture are not the grids that are known of this family.
        """
        bos = self.processor.tokenizer.bos_token
        options = dict(self.layout.settings) if small else {}
        if not special or (bos and prompt.startswith(bos)):
            options["add_special_tokens"] = False
        with self._one_at_a_time:
            try:
                given, before, after, span = self.processor.expand(prompt, image, **options)
            except Exception as error:
                raise NoText(f"{_NOT_THIS} ({short_message(error)}).") from error
        ids = given["input_ids"][0].tolist()
        offsets = _offsets(given, (prompt, before, after), span, len(ids))
        pieces = [str(piece) for piece in self.processor.tokenizer.convert_ids_to_tokens(ids)]
        patches = self._find_patches(given, ids, pieces)
        rows, tensors = {"input_ids": ids}, {}
        for name, values in given.items():
            if name not in _NOT_READ and isinstance(values, Tensor):
                if values.shape == (1, len(ids)):
                    rows[name] = values[0].tolist()
                else:
                    tensors[name] = values
        return PictureReading(rows, tensors, offsets, patches, self._seen(given, image))

    def _find_patches(self, given: Mapping[str, Any], ids: list[int], pieces: list[str]) -> tuple[Patches, ...]:
        placeholders = set(self.processor.image_token_ids)
        runs: list[Run] = []
        for position, number in enumerate(ids):
            if number in placeholders:
                follows = bool(runs) and sum(runs[-1]) == position
                runs[-1:] = [(runs[-1][0], runs[-1][1] + 1)] if follows else [*runs[-1:], (position, 1)]
        try:
            patches = self.layout.find(self.processor, given, runs, pieces)
        except (ValueError, KeyError, ZeroDivisionError, TypeError, AttributeError) as error:
            raise BrokenModel(f"The places of the picture's patches are not known ({short_message(error)}).") from error
        own = {position for grid in patches for position in grid.positions}
        if not own or {ids[position] for position in own} - placeholders:
            raise BrokenModel(
                "The places of the picture's patches are not known: its grids are not those of its family."
            )
        return patches

    def _seen(self, given: Mapping[str, Any], image: Image.Image) -> UInt8[np.ndarray, "row column 3"]:
        if self.layout.cropped:
            return undo_normalisation(self.processor.image_processor, given["pixel_values"][0])
        shown = image.copy()
        shown.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
        seen = np.array(shown)
        seen.flags.writeable = False
        return seen


def _with_picture(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return messages whose contents are lists of parts, with the picture in the first message of a user."""
    whole: list[dict[str, Any]] = []
    for message in messages:
        content = message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not isinstance(parts, list) or not all(isinstance(part, Mapping) for part in parts):
            raise NoText(
                'The content of a message is a text, or a list of parts: [{"type": "image"}, {"type": "text", "text": '
                '"What is this?"}].'
            )
        whole.append({**message, "content": parts})
    if not any(part.get("type") == "image" for message in whole for part in message["content"]):
        first = next((message for message in whole if message.get("role") == "user"), None)
        if first is None:
            raise NoText("No message is of a user, who shows the picture: give one with the role user.")
        first["content"] = [{"type": "image"}, *first["content"]]
    return whole


def _offsets(
    given: Mapping[str, Any], texts: tuple[str, str, str], span: tuple[int, int], n_ids: int
) -> list[tuple[int, int] | None]:
    """Return the characters of the prompt that each position is read from.

    `texts` are the prompt, the text that the processor makes of it, and that with the placeholder repeated at `span`.
    """
    prompt, before, after = texts
    found = given.get("offset_mapping")
    if found is None:
        return [None] * n_ids
    start, end = span
    mark_end = len(before) - (len(after) - end)
    # PaliGemma's processor puts a start token between the picture and the text, and a new line after it.
    moved = max(mark_end, before.find(prompt[mark_end:], mark_end))
    offsets: list[tuple[int, int] | None] = []
    for low, high in found[0].tolist():
        if high <= low or (low < end and high > start):
            offsets.append(None)
        elif high <= start:
            offsets.append((low, high))
        else:
            shift = (len(after) - len(before)) + moved - mark_end
            place = (low - shift, high - shift)
            offsets.append(place if mark_end <= place[0] and place[1] <= len(prompt) else None)
    return offsets
