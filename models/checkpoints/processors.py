"""What turns a text or a picture into a model's inputs, and the short input that the verification reads."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

import torch
from torch import nn
from transformers import MODEL_MAPPING, AutoImageProcessor, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from models.capture.cost import sliding_windows
from models.capture.forward import model_inputs, text_part
from models.checkpoints.limits import refuse_absurd_pictures
from models.checkpoints.locate import ModelFolder
from models.checkpoints.picture_processor import load_picture_reader, reads_pictures_too
from models.checkpoints.sounds import load_sound_processors, reads_sounds
from models.checkpoints.tokenizer import load_tokenizer
from models.errors import NoTokenizer
from models.images import ImageReader
from models.model_input import check_ids
from models.pooling import MEAN, Pooling
from models.sound_reader import SoundReader
from models.text_picture import TextPictureReader
from models.tokens import TokenReader

log = logging.getLogger("headlight.models")

PROBE_TEXT = "The quick brown fox jumps over the lazy dog. "
# A text longer than a layer's sliding window shows whether the window is replayed. Longer probes would take too long.
MAX_PROBE_TOKENS = 512


@dataclass(frozen=True)
class InputProcessors:
    """What a model reads with: a tokenizer for texts, or a reader of pictures, or one of sounds beside a tokenizer.

    `pictures` reads pictures with a text; `notices` say why it is missing in a model that reads both. `pooling` makes
    sentence embeddings.
    """

    tokenizer: PreTrainedTokenizerBase | None = None
    images: ImageReader | None = None
    sounds: SoundReader | None = None
    pictures: TextPictureReader | None = None
    notices: tuple[str, ...] = ()
    pooling: Pooling = MEAN


def load_processors(folder: ModelFolder, config: PreTrainedConfig) -> InputProcessors:
    """Return the image processor of a model that reads pictures, else the tokenizer.

    Raises:
        NoTokenizer: there is none that loads.
        BrokenModel: the image processor makes pictures far larger than any model's.
    """
    if reads_sounds(config):
        return InputProcessors(*load_sound_processors(folder, config))
    kind = MODEL_MAPPING.get(type(config), None)
    if getattr(kind, "main_input_name", "") != "pixel_values" or not hasattr(config, "patch_size"):
        tokenizer = load_tokenizer(folder, config)
        if not reads_pictures_too(config):
            return InputProcessors(tokenizer)
        found = load_picture_reader(folder, config, tokenizer)
        return (
            InputProcessors(tokenizer, notices=(found,))
            if isinstance(found, str)
            else InputProcessors(tokenizer, pictures=found)
        )
    refuse_absurd_pictures(folder.path, folder.name)
    try:
        processor = AutoImageProcessor.from_pretrained(folder.path, config=config, local_files_only=True)
    except Exception as error:
        log.exception("image processor of %s", folder.name)
        raise NoTokenizer(
            f"{folder.name} reads pictures and has no image processor that loads: save the one it was trained with "
            "into the same folder (processor.save_pretrained)."
        ) from error
    return InputProcessors(images=ImageReader(processor, config))


def count_readable_tokens(module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Return how many tokens the model can read, None where nothing limits it."""
    limits = [tokenizer.model_max_length] if tokenizer.model_max_length < 10**9 else []
    for name, part in text_part(module).named_modules():  # a part that sees pictures has other positions
        if isinstance(part, nn.Embedding) and re.search(r"(embed_positions|position_embeddings?|wpe)$", name):
            # RoBERTa counts positions from padding_idx + 1; BART's embedding gives its own offset.
            offset = getattr(part, "offset", None)
            used = offset if offset is not None else (part.padding_idx + 1 if part.padding_idx is not None else 0)
            limits.append(part.num_embeddings - used)
    stated = getattr(module.config.get_text_config(), "max_position_embeddings", None)
    if isinstance(stated, int) and stated > 0:
        limits.append(stated)
    return min(limits) if limits else None


def probe_inputs(module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str) -> dict[str, torch.Tensor]:
    """Return a short text as the inputs of a model: tensors `[1, token]`.

    Raises:
        BrokenModel: the tokenizer gives an id that the model has no embedding for.
    """
    limit = count_readable_tokens(module, tokenizer)
    reader = TokenReader(tokenizer, min(limit or MAX_PROBE_TOKENS, MAX_PROBE_TOKENS))
    sequence = reader.tokenize(PROBE_TEXT * _count_repetitions(module, len(reader.tokenize(PROBE_TEXT).tokens)))
    check_ids(module, sequence.tokens, name)
    inputs = model_inputs(module, sequence.inputs)
    if module.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = inputs["input_ids"][:, :5]
    return inputs


def _count_repetitions(module: PreTrainedModel, n_tokens: int) -> int:
    """Return how many copies of the probe are longer than any sliding window, 1 if that would take too long."""
    widest = max((2 * window for window in sliding_windows(module)), default=0)
    return 1 + widest // n_tokens if widest < MAX_PROBE_TOKENS else 1
