"""The processor of a model that reads a text and a picture together, from the files in its folder.

Some of these processors also read videos, which needs torchvision, so transformers' own loading fails without it. Here
the same class is made without its reader of videos: what it makes of a text and a picture does not depend on that.
"""

from __future__ import annotations

import logging
import sys
from functools import cache
from typing import Any

from transformers import AutoImageProcessor, PreTrainedConfig, PreTrainedTokenizerBase, ProcessorMixin
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES, processor_class_from_name

from models.checkpoints.limits import read_settings, refuse_absurd_pictures
from models.checkpoints.locate import ModelFolder
from models.errors import BrokenModel, short_message
from models.picture_layouts import LAYOUTS
from models.text_picture import READ_ALONE, TextPictureReader

log = logging.getLogger("headlight.models")

_FILES = ("preprocessor_config.json", "processor_config.json")
_SIGNS_OF_PICTURES = ("vision_config", "vq_config", "image_size", "image_token_id", "image_token_index")
_NO_VIDEO = "Headlight reads pictures, not videos."


def reads_pictures_too(config: PreTrainedConfig) -> bool:
    """Return whether the model of a configuration reads a text with a picture, whether or not Headlight can."""
    # transformers also lists a few models of text alone there.
    sees = any(getattr(config, name, None) is not None for name in _SIGNS_OF_PICTURES)
    return sees and config.model_type in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES


def load_picture_reader(
    folder: ModelFolder, config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase
) -> TextPictureReader | str:
    """Return what reads a text with a picture for a model, or the sentence on why its pictures cannot be read.

    Raises:
        BrokenModel: the image processor makes pictures far larger than any model's.
    """
    start = f"{folder.name} {READ_ALONE}:"
    layout = LAYOUTS.get(config.model_type)
    if layout is None:
        return f"{start} Headlight does not know where its family ({config.model_type}) puts the patches of a picture."
    if not any((folder.path / file).exists() for file in _FILES):
        return f"{start} its folder has no image processor. Save it into the folder (processor.save_pretrained)."
    refuse_absurd_pictures(folder.path, folder.name)
    try:
        processor = _make_processor(folder, config, tokenizer)
        return TextPictureReader(processor, layout)
    except Exception as error:
        log.exception("processor of %s", folder.name)
        return (
            f"{start} its processor does not load ({short_message(error)}). Save it again (processor.save_pretrained)."
        )


def _make_processor(folder: ModelFolder, config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> Any:
    kind = processor_class_from_name(PROCESSOR_MAPPING_NAMES[config.model_type])
    images = AutoImageProcessor.from_pretrained(folder.path, config=config, local_files_only=True)
    path = folder.path / "processor_config.json"
    if path.exists() and "audio_tokenizer" in read_settings(path):
        raise BrokenModel("its processor names another model for sound")
    settings, _ = kind.get_processor_dict(folder.path, local_files_only=True)
    if "chat_template" not in settings and tokenizer.chat_template:
        settings["chat_template"] = tokenizer.chat_template
    parts = {"image_processor": images, "tokenizer": tokenizer}
    made = _expanding(kind)
    return made.from_args_and_dict([parts.get(name) for name in made.get_attributes()], settings)


@cache
def _expanding(kind: type[ProcessorMixin]) -> type[ProcessorMixin]:
    """Return a processor class that may lack a reader of videos, and that can say where it puts the placeholders."""

    class Expanding(kind):  # type: ignore[misc]
        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            if argument_name == "video_processor":
                return None
            return super().check_argument_for_proper_class(argument_name, argument)

        def get_text_with_replacements(self, text: list[str], *args: Any, **kwargs: Any) -> Any:
            before = list(text)  # it is changed in place
            after, places = super().get_text_with_replacements(text, *args, **kwargs)
            self._texts = (before[0], after[0], tuple(places[0][0]["new_span"]))
            return after, places

        def expand(self, text: str, image: Any, **options: Any) -> tuple[Any, str, str, tuple[int, int]]:
            """Return what the processor makes of a text with one picture.

            Then come the text with one placeholder, the text with all of them, and their characters in it.
            """
            offsets = {"return_offsets_mapping": True} if self.tokenizer.is_fast else {}
            given = self(images=image, text=text, return_tensors="pt", **offsets, **options)
            return given, *self._texts

    module = sys.modules[kind.__module__]
    if getattr(module, "num2words", "") is None:
        # SmolVLM's class demands a package for the names of numbers, which only its reading of videos uses.
        module.num2words = _name_number  # type: ignore[attr-defined]
    Expanding.__name__ = kind.__name__
    return Expanding


def _name_number(number: int) -> str:
    raise ImportError(f"{_NO_VIDEO} Install num2words for videos.")
