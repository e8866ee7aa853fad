"""A text with a picture as the input of a model that reads both; a text alone is read as by a model of text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import torch
from PIL import Image
from transformers import PreTrainedModel

from models.capture.cost import Estimate
from models.capture.forward import text_part
from models.card import Card
from models.errors import NoText
from models.images import probe_picture, refuse_narrow
from models.input_builder import MAX_CONTINUATION, InputBuilder
from models.model_input import ModelInput, check_ids
from models.patches import name_patches
from models.pictures import as_picture
from models.request import Message, Request
from models.source import Source
from models.text_picture import PictureReading, TextPictureReader
from models.tokens import Token, TokenReader, TokenSequence

ALONE = "The model also reads a picture with the text; none was given (image=)."
PROBE_PROMPT = "What is in the picture, and where?"


class PicturedInputBuilder(InputBuilder):
    """Builds the inputs of a model that reads a text with a picture."""

    reads_pictures = True

    def __init__(
        self, module: PreTrainedModel, card: Card, reader: TokenReader | None, pictures: TextPictureReader
    ) -> None:
        super().__init__(module, card, reader)
        self._pictures = pictures

    def tokenize(self, request: Request) -> ModelInput:
        """Return the tokens of a text with a picture, or of a text alone.

        Raises:
            NoText: nothing to read, another input in addition, or more than the model reads at once.
            BrokenModel: the places of the picture's patches are not known.
        """
        if request.image is None:
            given = super().tokenize(request)
            return replace(given, notices=(*given.notices, ALONE))
        prompt, added = self._write_prompt(request)
        image = self._open(request.image)
        reading = self._pictures.read(prompt, image, special=request.add_special_tokens)
        n_tokens = len(reading.offsets)
        self._refuse_long(n_tokens)
        tokens = self._name_tokens(reading)
        check_ids(self._module, tokens, self._card.name)
        sequence = TokenSequence(tokens, reading.rows, n_tokens, 0, None, 0)
        digest = sha256(f"{image.size}".encode() + image.tobytes()).hexdigest()[:12]
        source = replace(self._source(request, prompt), image=f"sha256:{digest}")
        notices = (added,) if added else ()
        tensors = picture_tensors(self._module, reading)
        return ModelInput(source, sequence, notices, tensors=tensors, patches=reading.patches, seen=reading.seen)

    def count_tokens(self, request: Request) -> int:
        """Return about the largest number of positions of a request, without the pixels of its picture."""
        if request.image is None:
            return super().count_tokens(request)
        prompt, _ = self._write_prompt(request)
        n_tokens = self._pictures.count(prompt, self._open(request.image).size)
        self._refuse_long(n_tokens)
        return n_tokens + max(0, min(request.generate, MAX_CONTINUATION, (self._card.max_tokens or 10**9) - n_tokens))

    def add_cost(self, request: Request, estimate: Estimate) -> Estimate:
        """Return an estimate with the cost of the part of the model that sees the picture."""
        if request.image is None:
            return estimate
        size = self._open(request.image).size
        n_bytes, share = vision_cost(self._module, self._pictures, size)
        per_token = estimate.seconds / max(1, estimate.n_tokens)
        return Estimate(estimate.n_tokens, estimate.n_bytes + n_bytes, estimate.seconds + per_token * share)

    def add_continuation(self, given: ModelInput, n_tokens: int) -> ModelInput:
        """Return the input with the tokens that the model generates after the text, at most `n_tokens`."""
        found = super().add_continuation(given, n_tokens)
        n_new, new_type = len(found.sequence.tokens) - len(given.sequence.tokens), self._pictures.layout.new_type
        types = found.sequence.inputs.get("token_type_ids")
        if not n_new or new_type is None or types is None or not given.patches:
            return found
        inputs = {**found.sequence.inputs, "token_type_ids": [*types[:-n_new], *[new_type] * n_new]}
        return replace(found, sequence=replace(found.sequence, inputs=inputs))

    def end_continuation(self, ids: list[int], given: ModelInput) -> list[int]:
        """Return generated ids up to a placeholder, which a pass would take for a part of the picture.

        The model can write one, since it is a word of its vocabulary.
        """
        if not given.patches:
            return ids
        processor, n_read = self._pictures.processor, len(given.sequence.tokens)
        marks = {*processor.image_token_ids, *processor.video_token_ids}
        return ids[: next((at for at in range(n_read, len(ids)) if ids[at] in marks), len(ids))]

    def _write_prompt(self, request: Request) -> tuple[str, str]:
        request.refuse_beside("A picture with a text", allowed=("image", "text", "messages", "generate"))
        if request.messages is not None:
            if request.text is not None:
                raise NoText("A conversation is read alone: leave out the text or the messages.")
            return self._pictures.write_prompt("", [as_mapping(one) for one in request.messages])
        text = request.read_text().text
        if text.strip() and text != self._pictures.mark:
            self.reader.tokenize(text)  # refuses what cannot be read
        return self._pictures.write_prompt(text if text.strip() else "")

    def _open(self, given: Any) -> Image.Image:
        image = as_picture(given)
        refuse_narrow(image, self._pictures.processor.image_processor)
        return image

    def _refuse_long(self, n_tokens: int) -> None:
        most = self._card.max_tokens
        if most is not None and n_tokens > most:
            raise NoText(
                f"The text with the picture has {n_tokens:,} tokens, and the model reads {most:,} at once: shorten the "
                "text, or give a smaller picture."
            )

    def _name_tokens(self, reading: PictureReading) -> tuple[Token, ...]:
        names, found = name_patches(reading.patches), []
        for position, token in enumerate(self.reader.from_ids(reading.rows["input_ids"])):
            if position in names:
                name = names[position]
                token = Token(f"patch {name}", token.id, None, None, False, name)
            elif reading.offsets[position] is not None and not token.special:
                start, end = reading.offsets[position]  # type: ignore[misc]
                token = replace(token, start=start, end=end)
            found.append(token)
        return tuple(found)

    def _source(self, request: Request, prompt: str) -> Source:
        messages = None
        if request.messages is not None:
            messages = tuple(
                (str(one.get("role", "")), _written(one.get("content"))) for one in map(as_mapping, request.messages)
            )
        source = self.make_source(replace(request, text=prompt, messages=None))
        return replace(source, messages=messages, add_special_tokens=request.add_special_tokens)


def picture_tensors(module: PreTrainedModel, reading: PictureReading) -> dict[str, torch.Tensor]:
    """Return a picture on the model's device, its pixels in the model's dtype."""
    return {
        name: values.to(module.device, module.dtype if values.is_floating_point() else None)
        for name, values in reading.tensors.items()
    }


def probe_with_picture(module: PreTrainedModel, pictures: TextPictureReader) -> dict[str, torch.Tensor]:
    """Return a short text with a small picture as the inputs of a model, which the verification at loading reads."""
    prompt, _ = pictures.write_prompt(PROBE_PROMPT)
    reading = pictures.read(prompt, probe_picture(), small=True)
    rows = {name: torch.tensor([values], device=module.device) for name, values in reading.rows.items()}
    return {**rows, **picture_tensors(module, reading)}


def vision_cost(module: PreTrainedModel, pictures: TextPictureReader, size: tuple[int, int]) -> tuple[int, float]:
    """Return the bytes of the part that sees a picture, and its time in tokens of the whole model."""
    whole = sum(parameter.numel() for parameter in module.parameters())
    seeing = whole - sum(parameter.numel() for parameter in text_part(module).parameters())
    config: Any = module.config.vision_config
    width = next(
        (value for name in ("embed_dim", "hidden_size") if isinstance(value := getattr(config, name, 0), int)), 0
    )
    n_layers = getattr(config, "num_hidden_layers", 1)
    n_tiles, n_patches = pictures.count_patches(size, config)
    pairs = 2 * width * n_layers * n_tiles * n_patches**2
    n_bytes = 4 * n_tiles * n_patches * (30 * (width or 0) + 3 * 4 * 256)
    return n_bytes, (seeing * n_tiles * n_patches + pairs) / max(1, whole)


def _written(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content or () if isinstance(part, dict))


def as_mapping(message: Message) -> Mapping[str, Any]:
    """Return a message, which may be a pair of role and content, as its parts by name."""
    if isinstance(message, Mapping):
        return message
    role, content = message
    return {"role": role, "content": content}
