"""A small tokenizer of every kind that transformers can save and that needs no other package."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sentencepiece
import transformers as tf
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import bytes_to_unicode

from tests.helpers import small_models as small

SOURCE_TEXT = "the quick cat sat on the mat because it was tired of the naïve fox"
TARGET_TEXT = "der schnelle hund schläft auf dem sofa und der fuchs springt"
PIECES = ["▁the", "▁cat", "▁sat", "▁a", "▁hund", *"abcdefghijklmnopqrstuvwxyz▁"]
SCORED = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((p, -2.0 - n) for n, p in enumerate(PIECES))]
FOUR = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}


def sentencepiece_file(folder: Path, name: str, text: str, seed: int = 0, **options: Any) -> Path:
    """Train a sentencepiece model on a text and return its file."""
    (folder / f"{name}.txt").write_text("\n".join([text, *text.split()[seed:]] * 20), encoding="utf-8")
    path = folder / name
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / f"{name}.txt"),
        model_prefix=str(path),
        vocab_size=70,
        hard_vocab_limit=False,
        character_coverage=1.0,
        minloglevel=2,
        **options,
    )
    return path.with_suffix(".model")


def pieces_of(path: Path) -> list[str]:
    """Return the ordinary pieces of a sentencepiece model."""
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return [model.id_to_piece(number) for number in range(3, model.get_piece_size())]


def numbered(path: Path, pieces: list[str]) -> str:
    """Write a vocabulary, the special tokens first, as JSON."""
    path.write_text(json.dumps({piece: number for number, piece in enumerate(pieces)}), encoding="utf-8")
    return str(path)


def marian(folder: Path, *, separate: bool) -> PreTrainedTokenizerBase:
    """Return a Marian tokenizer; `separate` vocabularies give the same ids to other pieces."""
    source, target = (
        sentencepiece_file(folder, name, text) for name, text in (("en", SOURCE_TEXT), ("de", TARGET_TEXT))
    )
    special = ["</s>", "<unk>"]
    one, other = pieces_of(source), pieces_of(target)
    if not separate:
        shared = numbered(folder / "v.json", [*special, *dict.fromkeys([*one, *other]), "<pad>"])
        return tf.MarianTokenizer(str(source), str(target), shared)
    longest = max(len(one), len(other))
    filled = [[*side, *(f"madeup{n}" for n in range(longest - len(side)))] for side in (one, other[::-1])]
    vocabularies = [numbered(folder / f"{n}.json", [*special, *side, "<pad>"]) for n, side in enumerate(filled)]
    return tf.MarianTokenizer(str(source), str(target), *vocabularies, separate_vocabs=True)


def m2m(folder: Path) -> PreTrainedTokenizerBase:
    model = sentencepiece_file(folder, "m", f"{SOURCE_TEXT} {TARGET_TEXT}")
    return tf.M2M100Tokenizer(numbered(folder / "v.json", [*FOUR, *pieces_of(model)]), str(model), tgt_lang="de")


def speech_to_text(folder: Path) -> PreTrainedTokenizerBase:
    model = sentencepiece_file(folder, "s", f"{SOURCE_TEXT} {TARGET_TEXT}")
    return tf.Speech2TextTokenizer(numbered(folder / "v.json", [*FOUR, *pieces_of(model)]), str(model))


def of_sentencepiece(name: str, **options: Any) -> Callable[[Path], PreTrainedTokenizerBase]:
    def build(folder: Path) -> PreTrainedTokenizerBase:
        ids = {"pad_id": 3, "unk_id": 0, "bos_id": 1, "eos_id": 2}
        model = sentencepiece_file(folder, "spiece", f"{SOURCE_TEXT} {TARGET_TEXT}", **ids)
        return getattr(tf, name)(str(model), **options)

    return build


def of_merges(name: str, suffix: str, **options: Any) -> Callable[[Path], PreTrainedTokenizerBase]:
    """Return a slow BPE tokenizer, whose pieces end with a suffix where a word ends, or where it goes on."""

    def build(folder: Path) -> PreTrainedTokenizerBase:
        letters = sorted({*SOURCE_TEXT, *TARGET_TEXT} - {" "})
        merges = ["t h", "th e</w>", "c a"]
        joined = ["th", "the</w>", "ca"]
        pieces = [*letters, *joined, *(f"{letter}</w>" for letter in letters)]
        if suffix == "@@":
            pieces = [f"{piece}@@" for piece in [*letters, "th", "ca"]] + [*letters, "the"]
        known = [
            *FOUR,
            "<special0>",
            "<special1>",
            "__start__",
            "__end__",
            "__unk__",
            "__null__",
            *dict.fromkeys(pieces),
        ]
        vocabulary = folder / "vocab.json"
        if name in ("PhobertTokenizer", "BertweetTokenizer"):
            vocabulary.write_text("\n".join(f"{piece} 1" for piece in dict.fromkeys(pieces)), encoding="utf-8")
        else:
            numbered(vocabulary, known)
        (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *(f"{m} 9" for m in merges), ""]))
        if name not in ("PhobertTokenizer", "BertweetTokenizer"):
            (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
        return getattr(tf, name)(str(vocabulary), str(folder / "merges.txt"), **options)

    return build


def of_wordpieces(name: str) -> Callable[[Path], PreTrainedTokenizerBase]:
    def build(folder: Path) -> PreTrainedTokenizerBase:
        letters = sorted({*SOURCE_TEXT, *TARGET_TEXT} - {" "})
        pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[X_SEP]", "[EMPTY]", "the", "cat"]
        (folder / "vocab.txt").write_text("\n".join([*pieces, *letters, *(f"##{letter}" for letter in letters)]))
        return getattr(tf, name)(str(folder / "vocab.txt"))

    return build


def fast(build: Callable[[], Any], special: dict[str, Any]) -> Callable[[Path], PreTrainedTokenizerBase]:
    return lambda folder: PreTrainedTokenizerFast(tokenizer_object=build(), **special)


def myt5(folder: Path) -> PreTrainedTokenizerBase:
    (folder / "byte_maps.json").write_text(json.dumps({"decompose_map": {}, "merge_map": {}}))
    return tf.MyT5Tokenizer(str(folder / "byte_maps.json"))


def whisper(folder: Path) -> PreTrainedTokenizerBase:
    names = ("endoftext", "startoftranscript", "en", "de", "translate", "transcribe", "notimestamps")
    special = [f"<|{name}|>" for name in names]
    vocabulary = {piece: number for number, piece in enumerate([*bytes_to_unicode().values(), *special])}
    return tf.WhisperTokenizer(
        vocab=vocabulary, merges=[], language="en", task="transcribe", additional_special_tokens=special[1:]
    )


def save_translator(folder: Path) -> Path:
    """Save a small random mBART that translates from English to German, and return its folder."""
    tokenizer = KINDS["mBART"](folder)
    sizes = {"d_model": 24, "encoder_layers": 1, "decoder_layers": 1, "max_position_embeddings": 64}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    module = tf.MBartForConditionalGeneration(tf.MBartConfig(**sizes, **heads, vocab_size=len(tokenizer) + 9))
    small.sharpen(module, 3)
    module.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


KINDS: dict[str, Callable[[Path], PreTrainedTokenizerBase]] = {
    "wordpiece": fast(small.wordpiece, small.BERT_NAMES),
    "bytes": fast(small.byte_level_marked, small.ROBERTA_NAMES),
    "unigram": fast(small.unigram, small.FAMILIES["t5"]().special),
    "byte fallback": fast(small.byte_fallback, small.FAMILIES["llama"]().special),
    "mBART": lambda folder: tf.MBartTokenizer(vocab=SCORED, src_lang="en_XX", tgt_lang="de_DE"),
    "mBART-50": lambda folder: tf.MBart50Tokenizer(vocab=SCORED, src_lang="en_XX", tgt_lang="de_DE"),
    "NLLB": lambda folder: tf.NllbTokenizer(
        vocab={**FOUR, **{piece: 4 + at for at, piece in enumerate(PIECES)}}, merges=[], tgt_lang="deu_Latn"
    ),
    "SeamlessM4T": lambda folder: tf.SeamlessM4TTokenizer(
        vocab={**FOUR, **{piece: 4 + at for at, piece in enumerate(PIECES)}},
        merges=[],
        additional_special_tokens=["__eng__", "__fra__"],
    ),
    "M2M100": m2m,
    "PLBart": of_sentencepiece("PLBartTokenizer", language_codes="base", src_lang="java", tgt_lang="en_XX"),
    "Marian": functools.partial(marian, separate=False),
    "Marian, separate": functools.partial(marian, separate=True),
    "Speech2Text": speech_to_text,
    "Siglip": of_sentencepiece("SiglipTokenizer"),
    "BertGeneration": of_sentencepiece("BertGenerationTokenizer"),
    "SpeechT5": of_sentencepiece("SpeechT5Tokenizer"),
    "GPT-SW3": of_sentencepiece("GPTSw3Tokenizer"),
    "CTRL": of_merges("CTRLTokenizer", "@@"),
    "BlenderbotSmall": of_merges("BlenderbotSmallTokenizer", "@@"),
    "PhoBERT": of_merges("PhobertTokenizer", "@@"),
    "BERTweet": of_merges("BertweetTokenizer", "@@"),
    "ProphetNet": of_wordpieces("ProphetNetTokenizer"),
    "ESM": of_wordpieces("EsmTokenizer"),
    "ByT5": lambda folder: tf.ByT5Tokenizer(),
    "MyT5": myt5,
    "Perceiver": lambda folder: tf.PerceiverTokenizer(),
    "Whisper": whisper,
    "CANINE": lambda folder: tf.CanineTokenizer(),
}
