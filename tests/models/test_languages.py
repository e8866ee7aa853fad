"""Languages of one trace: read as a tokenizer set to them reads, which stays as it was for everybody else."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import transformers as tf

from models import Model, load_model
from models.capture.generation import shift_labels
from models.errors import NoText
from models.languages import check_language, language_token, languages_of
from models.tokens import TokenReader
from tests.helpers import small_models
from tests.helpers.tokenizer_kinds import KINDS

pytestmark = pytest.mark.slow

TEXT, TARGET = "the cat sat", "a hund"
SIZES = {
    **{"d_model": 24, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2},
    **{"decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "max_position_embeddings": 64},
    "decoder_start_token_id": 2,
}
# The kind of tokenizer, its model, and a source and a target language that are not its own.
MADE = {
    "mBART": (tf.MBartConfig, tf.MBartForConditionalGeneration, "fr_XX", "ro_RO"),
    "mBART-50": (tf.MBartConfig, tf.MBartForConditionalGeneration, "fr_XX", "ro_RO"),
    "NLLB": (tf.M2M100Config, tf.M2M100ForConditionalGeneration, "fra_Latn", "ron_Latn"),
    "M2M100": (tf.M2M100Config, tf.M2M100ForConditionalGeneration, "fr", "ro"),
    "PLBart": (tf.PLBartConfig, tf.PLBartForConditionalGeneration, "python", "java"),
}
OWN = {"mBART": "en_XX", "mBART-50": "en_XX", "NLLB": "eng_Latn", "M2M100": "en", "PLBart": "__java__"}


@pytest.fixture(scope="module", params=MADE)
def translator(request, tmp_path_factory) -> tuple[str, Model]:
    folder = tmp_path_factory.mktemp("translator")
    config, kind, *_ = MADE[request.param]
    tokenizer = KINDS[request.param](folder)
    (folder / "saved").mkdir()
    tokenizer.save_pretrained(folder / "saved")
    module = kind(config(**SIZES, vocab_size=max(tokenizer.get_vocab().values()) + 120))
    small_models.sharpen(module, 3)
    module.save_pretrained(folder / "saved")
    return request.param, load_model(folder / "saved")


def set_to(model: Model, source: str | None = None, target: str | None = None) -> tf.PreTrainedTokenizerBase:
    """Return a copy of a model's tokenizer that is set to languages, the way its documentation says."""
    tokenizer = copy.deepcopy(model.tokenizer)
    if source is not None:
        tokenizer.src_lang = source
    if target is not None:
        tokenizer.tgt_lang = target
    return tokenizer


def state(model: Model) -> tuple:
    tokenizer, backend = model.tokenizer, getattr(model.tokenizer, "backend_tokenizer", None)
    names = ("src_lang", "tgt_lang", "prefix_tokens", "suffix_tokens", "cur_lang_code")
    parts = () if backend is None else (backend.post_processor.__getstate__(), str(backend.truncation))
    return *(str(getattr(tokenizer, name, None)) for name in names), *parts


def read(model: Model, kind: str, side: str = "query", **inputs) -> list[int]:
    return [token.id for token in getattr(model.trace(TEXT, **inputs)[kind], f"{side}_tokens")]


def test_a_text_is_read_in_its_language(translator):
    kind, model = translator
    _, _, source, target = MADE[kind]
    before = state(model)
    expected = set_to(model, source)(TEXT)["input_ids"]
    assert read(model, "encoder", src_lang=source, tgt_lang=target, target=TARGET) == expected
    assert state(model) == before
    assert read(model, "encoder", tgt_lang=target, target=TARGET) == model.tokenizer(TEXT)["input_ids"] != expected


def test_a_target_is_read_in_its_language(translator):
    kind, model = translator
    target = MADE[kind][3]
    before = state(model)
    labels = set_to(model, target=target)(text_target=TARGET)["input_ids"]
    trace = model.trace(TEXT, target=TARGET, tgt_lang=target)
    assert [token.id for token in trace["decoder"].key_tokens] == shift_labels(model.module, labels, kind)
    assert trace.source.tgt_lang == target
    assert state(model) == before
    estimate = model.estimate(TEXT, target=TARGET, tgt_lang=target)
    assert estimate.n_tokens == len(trace["cross"].query_tokens) + len(trace["cross"].key_tokens)


def test_a_text_that_the_model_writes_begins_with_its_language(translator):
    kind, model = translator
    target = MADE[kind][3]
    written = f"__{target}__" if kind in ("M2M100", "PLBart") else target
    language = model.tokenizer.convert_tokens_to_ids(written)
    inputs = model.tokenizer(TEXT, return_tensors="pt")
    with torch.inference_mode():
        expected = model.module.generate(
            **inputs, forced_bos_token_id=language, max_new_tokens=24, do_sample=False, num_beams=1, use_cache=False
        )[0].tolist()
    found = read(model, "decoder", tgt_lang=target)
    assert found[1] == language
    assert found == expected[: len(found)]


def test_unknown_languages_are_refused_with_known_ones(translator):
    kind, model = translator
    before, near = state(model), MADE[kind][2]
    for asked in ({"src_lang": near[:2] + "qq"}, {"tgt_lang": near[:2] + "qq"}, {"src_lang": ""}):
        for call in (model.trace, model.estimate):
            with pytest.raises(NoText, match="has no language") as refused:
                call(TEXT, target=TARGET, **asked)
        if asked != {"src_lang": ""}:
            assert near in str(refused.value)
    assert state(model) == before


def test_threads_do_not_see_each_other_s_languages(translator):
    kind, model = translator
    _, _, source, _ = MADE[kind]
    reader = model._inputs.reader
    languages = [source, None] * 30
    expected = {each: set_to(model, each)(TEXT)["input_ids"] for each in (source, None)}
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda each: reader.tokenize(TEXT, src_lang=each).inputs["input_ids"], languages))
    assert found == [expected[each] for each in languages]


def test_a_language_that_is_set_on_the_tokenizer_counts_at_once(translator):
    kind, model = translator
    source = MADE[kind][2]
    long_text = TEXT + " a" * 3000
    own = model.tokenizer.src_lang
    for text in (TEXT, long_text):
        reader = model._inputs.reader
        before = reader.tokenize(text).inputs["input_ids"]
        model.tokenizer.src_lang = source
        try:
            after = reader.tokenize(text).inputs["input_ids"]
        finally:
            model.tokenizer.src_lang = own
        assert after != before
        assert reader.tokenize(text).inputs["input_ids"] == before


def test_the_state_is_set_back_after_a_failure(translator, monkeypatch):
    kind, model = translator
    before = state(model)

    def fail(*given, **options):
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(type(model.tokenizer), "_encode_plus", fail)
        with pytest.raises(NoText, match="tokenizer fails on the text"):
            model.trace(TEXT, target=TARGET, src_lang=MADE[kind][2], tgt_lang=MADE[kind][3])
    assert state(model) == before


def test_the_languages_of_a_model(translator):
    kind, model = translator
    assert {language.strip("_") for language in MADE[kind][2:]} <= set(model.languages)
    assert OWN[kind].strip("_") in model.languages
    assert len(set(model.languages)) == len(model.languages)


def test_a_target_without_a_language_says_what_to_give(tmp_path):
    reader = TokenReader(KINDS["M2M100"](tmp_path), None)
    reader.tokenizer.tgt_lang = None
    with pytest.raises(NoText, match=r"has no language for the target: give tgt_lang, such as af\.$"):
        reader.tokenize(TARGET, as_target=True)


def test_a_language_is_not_taken_for_a_word(tmp_path):
    """M2M100 has the language "de" and may have the piece "de"."""
    tokenizer = KINDS["M2M100"](tmp_path)
    tokenizer.encoder["de"] = 5
    assert language_token(tokenizer, "de") == tokenizer.get_lang_id("de") != 5


@pytest.mark.parametrize("name", ["bert", "bart", "gpt2"])
def test_a_tokenizer_without_languages_refuses_them(loaded, name):
    model = loaded(name)
    assert model.languages == ()
    for argument in ("src_lang", "tgt_lang"):
        with pytest.raises(NoText, match=rf"has no languages, so it cannot use {argument}: leave it out\.$"):
            model.trace("the cat", **{argument: "en_XX"})


def test_marian_says_where_the_language_is_written(tmp_path):
    tokenizer = KINDS["Marian"](tmp_path)
    assert languages_of(tokenizer) == ()
    tokenizer.supported_language_codes = [">>fra<<"]
    with pytest.raises(NoText, match="begin the text with the language, as >>fra<<"):
        check_language(tokenizer, "tgt_lang", "fr", "opus")
