"""What is measured: the bundled MiniLM, and ModernBERT's shape with random weights; texts of an exact length."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

import torch
from tokenizers import Tokenizer, pre_tokenizers, processors
from tokenizers.models import WordLevel
from transformers import AutoModel, ModernBertConfig, PreTrainedTokenizerFast

from tests.helpers.whole_minilm import save_whole_minilm

# Each a single token in MiniLM's vocabulary, so that a text has as many tokens as it has words, and two.
SENTENCE = "the cat sat on the mat because it was tired and then a quick brown fox jumped over the lazy dog"
SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}


def text_of(n_tokens: int, first: str = "the") -> str:
    """Return a text of `n_tokens` tokens, `[CLS]` and `[SEP]` among them."""
    return " ".join([first, *islice(cycle(SENTENCE.split()), n_tokens - 3)])


@contextmanager
def minilm() -> Iterator[str]:
    """Give a folder with MiniLM that reads all its 512 positions; as published it reads 256 tokens."""
    with tempfile.TemporaryDirectory() as folder:
        yield str(save_whole_minilm(Path(folder) / "minilm-512"))


@contextmanager
def modernbert_folder() -> Iterator[str]:
    """Save a model of ModernBERT-base's configuration (22 layers, 12 heads, 768 wide) with random weights."""
    vocabulary = {token: number for number, token in enumerate([*SPECIAL.values(), *sorted(set(SENTENCE.split()))])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    torch.manual_seed(0)
    config = ModernBertConfig(
        **{f"{name}_id": vocabulary[token] for name, token in SPECIAL.items() if "unk" not in name}
    )
    with tempfile.TemporaryDirectory() as folder:
        AutoModel.from_config(config).save_pretrained(folder)
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL).save_pretrained(folder)
        yield folder
