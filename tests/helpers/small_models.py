"""Small random models with real tokenizers, saved with `save_pretrained`, for the tests that load models.

Sizes are unequal (layers, heads, widths, lengths), so that a swap of two axes fails a test. The default initialisation
gives nearly uniform attention, where a wrong scale or mask could be smaller than the tolerance. So `sharpen` scales
every matrix until the scores have a standard deviation of about 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
from tokenizers import models as pieces
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    BartConfig,
    BertConfig,
    BloomConfig,
    DebertaV2Config,
    DistilBertConfig,
    FalconConfig,
    Gemma2Config,
    GPT2Config,
    GptOssConfig,
    LlamaConfig,
    ModernBertConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    T5Config,
)

CORPUS = [
    "The cat sat on the mat because it was tired.",
    "The quick brown fox jumps over the lazy dog.",
    "She sells sea shells on the sea shore, and the shells she sells are surely sea shells.",
    "An encoder reads the whole sentence at once; a decoder reads from left to right.",
] * 3
SENTENCE = "The cat sat on the mat because the lazy dog was tired, and the quick brown fox was not."
TARGET = "The fox reads a sentence."


@cache
def wordpiece() -> Tokenizer:
    """BERT's: lower case, `##` inside words, [CLS] and [SEP], pairs with token types."""
    tokenizer = Tokenizer(pieces.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=157, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return tokenizer


@cache
def byte_level() -> Tokenizer:
    """GPT-2's: byte-level BPE, a leading space is `Ġ`, no special tokens around the text."""
    tokenizer = Tokenizer(pieces.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(
            vocab_size=307,
            special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    return tokenizer


@cache
def byte_level_marked() -> Tokenizer:
    """RoBERTa's and BART's: the same pieces between `<s>` and `</s>`."""
    tokenizer = Tokenizer.from_str(byte_level().to_str())
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return tokenizer


@cache
def unigram() -> Tokenizer:
    """T5's: a unigram model on `▁words`, `</s>` at the end."""
    tokenizer = Tokenizer(pieces.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(
        CORPUS,
        trainers.UnigramTrainer(vocab_size=97, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>"),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return tokenizer


@cache
def byte_fallback() -> Tokenizer:
    """Llama's: BPE on `▁words`, unknown characters as bytes such as `<0xE7>`, `<s>` before the text."""
    tokenizer = Tokenizer(pieces.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=353, special_tokens=special))
    described = tokenizer.to_str()
    tokenizer = Tokenizer.from_str(described)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    return tokenizer


BERT_NAMES = {
    "unk_token": "[UNK]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
ROBERTA_NAMES = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}


@dataclass(frozen=True)
class Family:
    """How to build one family: its config, its tokenizer, its special tokens, and what the card must say."""

    config: PreTrainedConfig
    tokenizer: Callable[[], Tokenizer]
    special: dict[str, str]
    kinds: tuple[str, ...] = ("encoder",)
    capture: str = "replayed"


def _bert_like(**more: Any) -> dict[str, Any]:
    return {
        "vocab_size": 157,
        "hidden_size": 42,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 53,
        "max_position_embeddings": 89,
        **more,
    }


def _decoder_like(**more: Any) -> dict[str, Any]:
    return {
        "vocab_size": 307,
        "hidden_size": 60,
        "num_hidden_layers": 3,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "head_dim": 10,
        "intermediate_size": 76,
        "max_position_embeddings": 127,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "pad_token_id": None,
        **more,
    }


FAMILIES: dict[str, Callable[[], Family]] = {
    "bert": lambda: Family(BertConfig(**_bert_like()), wordpiece, BERT_NAMES),
    "roberta": lambda: Family(
        RobertaConfig(**_bert_like(vocab_size=307, max_position_embeddings=91, type_vocab_size=1)),
        byte_level_marked,
        ROBERTA_NAMES,
    ),
    "distilbert": lambda: Family(
        DistilBertConfig(vocab_size=157, dim=42, n_layers=2, n_heads=3, hidden_dim=53, max_position_embeddings=89),
        wordpiece,
        BERT_NAMES,
    ),
    "modernbert": lambda: Family(
        ModernBertConfig(
            **_bert_like(vocab_size=307, num_hidden_layers=4, max_position_embeddings=127),
            local_attention=6,  # 3 tokens to each side: much shorter than the text
            global_attn_every_n_layers=3,
            pad_token_id=1,
            bos_token_id=0,
            eos_token_id=2,
            cls_token_id=0,
            sep_token_id=2,
        ),
        byte_level_marked,
        ROBERTA_NAMES,
    ),
    "deberta-v2": lambda: Family(
        DebertaV2Config(
            **_bert_like(),
            relative_attention=True,
            position_buckets=7,
            pos_att_type=["p2c", "c2p"],
            position_biased_input=False,
            norm_rel_ebd="layer_norm",
            share_att_key=True,
            type_vocab_size=0,
        ),
        wordpiece,
        BERT_NAMES,
        capture="materialised",
    ),
    "gpt2": lambda: Family(
        GPT2Config(vocab_size=307, n_embd=42, n_layer=2, n_head=3, n_positions=97, bos_token_id=0, eos_token_id=2),
        byte_level,
        {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "</s>"},
        ("decoder",),
    ),
    "llama": lambda: Family(
        LlamaConfig(**_decoder_like(vocab_size=353, bos_token_id=1)),
        byte_fallback,
        {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
        ("decoder",),
    ),
    "gemma2": lambda: Family(
        Gemma2Config(**_decoder_like(sliding_window=5, attn_logit_softcapping=1.5, query_pre_attn_scalar=10)),
        byte_level,
        {"bos_token": "<s>", "eos_token": "</s>"},
        ("decoder",),
    ),
    "gpt_oss": lambda: Family(
        GptOssConfig(**_decoder_like(sliding_window=5, num_local_experts=3, num_experts_per_tok=2)),
        byte_level,
        {"bos_token": "<s>", "eos_token": "</s>"},
        ("decoder",),
    ),
    "bloom": lambda: Family(
        BloomConfig(vocab_size=307, hidden_size=42, n_layer=2, n_head=3, bos_token_id=0, eos_token_id=2),
        byte_level,
        {"bos_token": "<s>", "eos_token": "</s>"},
        ("decoder",),
        capture="materialised",
    ),
    "falcon": lambda: Family(
        FalconConfig(vocab_size=307, hidden_size=42, num_hidden_layers=2, num_attention_heads=3, eos_token_id=2),
        byte_level,
        {"bos_token": "<s>", "eos_token": "</s>"},
        ("decoder",),
        capture="materialised",
    ),
    "bart": lambda: Family(
        BartConfig(
            vocab_size=307,
            d_model=42,
            encoder_layers=2,
            decoder_layers=3,
            encoder_attention_heads=3,
            decoder_attention_heads=7,
            encoder_ffn_dim=53,
            decoder_ffn_dim=59,
            max_position_embeddings=83,
            decoder_start_token_id=2,
            forced_eos_token_id=2,
        ),
        byte_level_marked,
        ROBERTA_NAMES,
        ("encoder", "decoder", "cross"),
    ),
    "t5": lambda: Family(
        T5Config(
            vocab_size=101,
            d_model=42,
            d_kv=11,
            d_ff=53,
            num_layers=2,
            num_decoder_layers=3,
            num_heads=5,
            relative_attention_num_buckets=13,
            relative_attention_max_distance=19,
            decoder_start_token_id=0,
        ),
        unigram,
        {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"},
        ("encoder", "decoder", "cross"),
    ),
}


def sharpen(module: nn.Module, seed: int) -> None:
    """Initialise every matrix so that it doubles the variance of its input, which makes attention far from uniform."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = {id(part.weight) for part in module.modules() if isinstance(part, nn.Embedding)}
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "sinks" in name:
                parameter.normal_(0.0, 1.0, generator=generator)
            elif id(parameter) in embeddings:
                parameter.normal_(0.0, 0.7, generator=generator)
            elif parameter.dim() >= 2:
                # GPT-2's Conv1D is [in, out]; T5 does not divide scores by sqrt(d_head), so its queries are smaller.
                width = parameter.shape[0 if ".c_" in name else -1]
                share = 11 if "SelfAttention.q" in name or "EncDecAttention.q" in name else 1
                parameter.normal_(0.0, (2 / (width * share)) ** 0.5, generator=generator)


def build(name: str, folder: Path, *, seed: int = 7) -> Path:
    """Save a small random model of a family with its tokenizer, and return the folder."""
    family = FAMILIES[name]()
    torch.manual_seed(seed)
    auto = AutoModelForSeq2SeqLM if family.config.is_encoder_decoder else AutoModel
    module = auto.from_config(family.config)
    sharpen(module, seed)
    module.save_pretrained(folder)
    # T5 itself has no maximum length: its tokenizer sets one.
    longest = {"model_max_length": 211} if name == "t5" else {}
    PreTrainedTokenizerFast(tokenizer_object=family.tokenizer(), **family.special, **longest).save_pretrained(folder)
    return folder


def with_head(name: str, folder: Path) -> Path:
    """Save a decoder of `FAMILIES` with its language-model head."""
    family = FAMILIES[name]()
    torch.manual_seed(11)
    module = AutoModelForCausalLM.from_config(family.config)
    sharpen(module, 11)
    module.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=family.tokenizer(), **family.special).save_pretrained(folder)
    return folder
