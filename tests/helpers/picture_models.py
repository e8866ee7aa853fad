"""Small random models of text and picture with their real processors, saved with `save_pretrained`.

The processors of Qwen-VL and SmolVLM also read videos, which needs torchvision. They are saved as their files are on
the hub: the image processor, the tokenizer, and the settings of the processor.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers as tf
from tokenizers import AddedToken, Tokenizer

from tests.helpers.small_models import byte_level, sharpen

TEXT = {
    "vocab_size": 360,
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "intermediate_size": 56,
    "max_position_embeddings": 512,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 1,
}
VISION = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40}
CHAT = (
    "{% for message in messages %}<s>{{ message['role'] }}: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE{% else %}{{ part['text'] }}{% endif %}{% endfor %}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant:{% endif %}"
)
QWEN_MARKS = ("<|vision_start|>", "<|image_pad|>", "<|vision_end|>", "<|video_pad|>")
SMOL_MARKS = (
    "<image>",
    "<fake_token_around_image>",
    "<global-img>",
    "<end_of_utterance>",
    *(f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)),
)


@dataclass(frozen=True)
class PictureFamily:
    """How to build one family: its config from the ids of its marks, its image processor, and the processor's settings.

    `marks` are the special tokens of its tokenizer, `image` those that stand for a picture in a chat template.
    """

    config: Callable[[dict[str, int]], Any]
    images: Callable[[], Any]
    marks: tuple[str, ...]
    image: str
    settings: dict[str, Any]


def tokenizer(marks: tuple[str, ...]) -> Any:
    """Return a tokenizer of bytes with special tokens for pictures."""
    found = Tokenizer.from_str(byte_level().to_str())
    found.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in marks])
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    return tf.PreTrainedTokenizerFast(tokenizer_object=found, **names)


def _llava(ids: dict[str, int]) -> Any:
    vision = tf.CLIPVisionConfig(**VISION, image_size=30, patch_size=6, projection_dim=16)
    return tf.LlavaConfig(vision_config=vision, text_config=tf.LlamaConfig(**TEXT), image_token_index=ids["<image>"])


_PINPOINTS = [[30, 60], [60, 30], [60, 60]]


def _llava_next(ids: dict[str, int]) -> Any:
    vision = tf.CLIPVisionConfig(**VISION, image_size=30, patch_size=6, projection_dim=16)
    return tf.LlavaNextConfig(
        vision_config=vision,
        text_config=tf.LlamaConfig(**TEXT),
        image_token_index=ids["<image>"],
        image_grid_pinpoints=_PINPOINTS,
    )


def _qwen(kind: str) -> Callable[[dict[str, int]], Any]:
    def make(ids: dict[str, int]) -> Any:
        vision: dict[str, Any] = {"depth": 2, "num_heads": 4, "patch_size": 6, "hidden_size": 48, "out_hidden_size": 48}
        if kind == "Qwen2VL":
            vision.update(embed_dim=32, mlp_ratio=2)
        elif kind == "Qwen2_5_VL":
            vision.update(hidden_size=32, intermediate_size=40, window_size=24, fullatt_block_indexes=[1])
        else:
            vision.update(hidden_size=32, intermediate_size=40)
            vision.update(num_position_embeddings=64, deepstack_visual_indexes=[0])
        rope = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 1, 1]}
        marks = {"image_token_id": ids["<|image_pad|>"], "video_token_id": ids["<|video_pad|>"]}
        marks.update(vision_start_token_id=ids["<|vision_start|>"], vision_end_token_id=ids["<|vision_end|>"])
        text = {**TEXT, "rope_parameters": rope}
        if kind == "Qwen3VLMoe":
            text.update(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=20)
        return getattr(tf, f"{kind}Config")(text_config=text, vision_config=vision, **marks)

    return make


def _idefics(kind: str) -> Callable[[dict[str, int]], Any]:
    def make(ids: dict[str, int]) -> Any:
        vision = {**VISION, "image_size": 24, "patch_size": 4}
        text = {**TEXT, "model_type": "llama"}
        config = getattr(tf, f"{kind}Config")
        return config(text_config=text, vision_config=vision, image_token_id=ids["<image>"], scale_factor=2)

    return make


def _gemma3(ids: dict[str, int]) -> Any:
    vision = {**VISION, "image_size": 24, "patch_size": 4, "model_type": "siglip_vision_model"}
    text = {
        **TEXT,
        "query_pre_attn_scalar": 8,
        "sliding_window": 8,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    }
    marks = {"image_token_id": ids["<image_soft_token>"], "boi_token_index": ids["<start_of_image>"]}
    marks.update(eoi_token_index=ids["<end_of_image>"], mm_tokens_per_image=9)
    return tf.Gemma3Config(text_config=text, vision_config=vision, **marks)


def _paligemma(ids: dict[str, int]) -> Any:
    vision = {**VISION, "image_size": 24, "patch_size": 4, "model_type": "siglip_vision_model", "projection_dim": 48}
    text = {**TEXT, "vocab_size": 1700, "model_type": "gemma"}
    return tf.PaliGemmaConfig(
        vision_config=vision, text_config=text, image_token_index=ids["<image>"], projection_dim=48, hidden_size=48
    )


def _qwen_images(kind: str = "Qwen2VL") -> Any:
    return getattr(tf, f"{kind}ImageProcessorPil")(
        patch_size=6, merge_size=2, size={"shortest_edge": 36 * 24, "longest_edge": 36 * 4 * 40}
    )


def _idefics_images(kind: str) -> Any:
    sizes = {"size": {"longest_edge": 72}, "max_image_size": {"longest_edge": 24}}
    return getattr(tf, f"{kind}ImageProcessorPil")(**sizes)


_SQUARE = {"height": 24, "width": 24}
FAMILIES: dict[str, PictureFamily] = {
    "llava": PictureFamily(
        _llava,
        lambda: tf.CLIPImageProcessorPil(size={"shortest_edge": 30}, crop_size={"height": 30, "width": 30}),
        ("<image>",),
        "<image>\n",
        {"patch_size": 6, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1},
    ),
    "llava_next": PictureFamily(
        _llava_next,
        lambda: tf.LlavaNextImageProcessorPil(
            size={"shortest_edge": 30}, crop_size={"height": 30, "width": 30}, image_grid_pinpoints=_PINPOINTS
        ),
        ("<image>",),
        "<image>\n",
        {"patch_size": 6, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1},
    ),
    **{
        kind: PictureFamily(_qwen(name), _qwen_images, QWEN_MARKS, "".join(QWEN_MARKS[:3]), {})
        for kind, name in {
            "qwen2_vl": "Qwen2VL",
            "qwen2_5_vl": "Qwen2_5_VL",
            "qwen3_vl": "Qwen3VL",
            "qwen3_vl_moe": "Qwen3VLMoe",
        }.items()
    },
    **{
        kind: PictureFamily(
            _idefics(name), lambda name=name: _idefics_images(name), SMOL_MARKS, "<image>", {"image_seq_len": 9}
        )
        for kind, name in {"idefics3": "Idefics3", "smolvlm": "SmolVLM"}.items()
    },
    "gemma3": PictureFamily(
        _gemma3,
        lambda: tf.Gemma3ImageProcessorPil(size=_SQUARE),
        ("<start_of_image>", "<image_soft_token>", "<end_of_image>"),
        "<start_of_image>",
        {"image_seq_length": 9},
    ),
    "paligemma": PictureFamily(
        _paligemma,
        lambda: tf.SiglipImageProcessorPil(size=_SQUARE, image_seq_length=36),
        ("<image>",),
        "<image>",
        {},
    ),
}
_GEMMA = dict(zip(("boi_token", "image_token", "eoi_token"), FAMILIES["gemma3"].marks, strict=True))
_NAMES = {"gemma3": _GEMMA}


def build_text_picture(name: str, folder: Path, *, seed: int = 7, template: bool = True) -> Path:
    """Save a small random model of a family with the files of its processor, and return the folder."""
    family = FAMILIES[name]
    words = tokenizer(family.marks)
    ids = {mark: words.convert_tokens_to_ids(mark) for mark in family.marks}
    config = family.config(ids)
    torch.manual_seed(seed)
    module = tf.AutoModelForImageTextToText.from_config(config)
    sharpen(module, seed)
    module.save_pretrained(folder)
    if name in _NAMES:
        words = tf.PreTrainedTokenizerFast(
            tokenizer_object=words.backend_tokenizer,
            **{key: str(value) for key, value in words.special_tokens_map.items() if isinstance(value, str)},
            extra_special_tokens=_NAMES[name],
        )
    words.save_pretrained(folder)
    family.images().save_pretrained(folder)
    if family.settings:
        (folder / "processor_config.json").write_text(json.dumps(family.settings), encoding="utf-8")
    if template:
        (folder / "chat_template.jinja").write_text(CHAT.replace("IMAGE", family.image), encoding="utf-8")
    return folder
