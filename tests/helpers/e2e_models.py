"""Small random models with real tokenizers, saved to folders, for features that the bundled encoder lacks."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    ModernBertConfig,
    ModernBertModel,
    PreTrainedTokenizerFast,
    ViTConfig,
    ViTImageProcessorPil,
    ViTModel,
)

PAYLOADS = (
    "<img/src=x/onerror=window.pwned=1>",
    "</script><script>window.pwned=1</script>",
    "![x](http://127.0.0.1:9/pwned.png)",
    "<b>bold</b>",
    "$x$",
    "_a_",
    "&lt;i&gt;",
    "=1+1",
    "[link](javascript:window.pwned=1)",
)
WORDS = ("the", "cat", "sat", "she", "likes", "coffee", "你", "好", "世", "界", "سلام", "שלום", "🙂", "👩‍👩‍👧")


def _tokenizer(start: str, end: str, longest: int = 61) -> PreTrainedTokenizerFast:
    pieces = ["[PAD]", "[UNK]", start, end, *WORDS, *PAYLOADS]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = [(start, vocabulary[start]), (end, vocabulary[end])]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", pair=f"{start} $A {end} $B {end}", special_tokens=special
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        bos_token=start,
        eos_token=end,
        model_max_length=longest,
    )


def save_markup_bert(folder: Path) -> Path:
    tokenizer = _tokenizer("[CLS]", "[SEP]")
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=30,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=37,
        max_position_embeddings=61,
        initializer_range=0.6,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_bart(folder: Path) -> Path:
    tokenizer = _tokenizer("<s>", "</s>")
    torch.manual_seed(5)
    config = BartConfig(
        vocab_size=len(tokenizer),
        d_model=30,
        encoder_layers=2,
        decoder_layers=3,
        encoder_attention_heads=5,
        decoder_attention_heads=3,
        encoder_ffn_dim=37,
        decoder_ffn_dim=41,
        max_position_embeddings=61,
        init_std=0.6,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        decoder_start_token_id=3,
        forced_eos_token_id=None,
    )
    BartForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_long_bert(folder: Path, n_layers: int = 4, n_heads: int = 4, longest: int = 8192) -> Path:
    """A small ModernBERT that reads 8,192 tokens: some layers attend to all of them, some to a band."""
    tokenizer = _tokenizer("[CLS]", "[SEP]", longest)
    torch.manual_seed(11)
    config = ModernBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16 * n_heads,
        num_hidden_layers=n_layers,
        num_attention_heads=n_heads,
        intermediate_size=37,
        max_position_embeddings=longest,
        local_attention=128,
        initializer_range=0.6,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        cls_token_id=2,
        sep_token_id=3,
    )
    ModernBertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_gpt(folder: Path) -> Path:
    """A decoder that can continue a text."""
    tokenizer = _tokenizer("<s>", "</s>")
    torch.manual_seed(7)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=30,
        n_layer=2,
        n_head=3,
        n_positions=61,
        initializer_range=0.6,
        bos_token_id=2,
        eos_token_id=3,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_vit(folder: Path) -> Path:
    """A vision transformer that reads a [CLS] token and then 8 rows and 12 columns of patches."""
    torch.manual_seed(13)
    config = ViTConfig(
        hidden_size=30,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=37,
        image_size=(128, 192),
        patch_size=16,
        initializer_range=0.3,
    )
    ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 128, "width": 192}).save_pretrained(folder)
    return folder
