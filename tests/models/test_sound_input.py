"""Whisper's attention over a sound is the model's own: encoder, decoder and cross-attention, from its own prompt."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import torch
from transformers import WhisperForConditionalGeneration, WhisperProcessor
from transformers.models.whisper.modeling_whisper import shift_tokens_right

import models
from models.capture.cost import Budget
from models.errors import BrokenModel, HeadlightError, NoAttention, NoText, NoTokenizer, TooLong
from tests.helpers.corrupt import configure
from tests.helpers.rounding import OF_PASSES
from tests.helpers.sound_models import TARGET, save_whisper, vowels
from tests.zoo import sounds

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_whisper(tmp_path_factory.mktemp("sound") / "whisper")


@pytest.fixture(scope="module")
def model(folder):
    return models.load_model(folder)


@pytest.fixture(scope="module")
def own(folder):
    """The model and the processor as their owner loads them."""
    module = WhisperForConditionalGeneration.from_pretrained(folder, attn_implementation="eager").eval()
    return module, WhisperProcessor.from_pretrained(folder)


def features(processor, samples):
    return processor.feature_extractor(samples, sampling_rate=16_000, return_tensors="pt").input_features


def own_prompt(module, processor, samples, **given):
    """The prompt as transformers' own pipeline makes it: what `generate` starts with."""
    made = module.generate(
        features(processor, samples), max_new_tokens=2, return_dict_in_generate=True, task="transcribe", **given
    )
    return made.sequences[0].tolist()


def test_the_card_says_what_the_model_reads(model):
    assert (model.card.modality, model.card.kinds) == ("sound", ("encoder", "decoder", "cross"))
    assert model.card.sizes == {"encoder": (2, 3), "decoder": (3, 5), "cross": (3, 5)}
    assert (model.card.capture, model.card.notices) == ("replayed", ())
    assert model.module.config.max_source_positions == model.module.model.encoder.embed_positions.num_embeddings == 1500


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_weight_of_every_kind_is_the_models_own(language, model, own):
    module, processor = own
    samples = vowels()
    trace = model.trace(audio=samples, target=TARGET, src_lang=language)
    processor.tokenizer.set_prefix_tokens(language=language, task="transcribe")
    labels = torch.tensor([processor.tokenizer(TARGET).input_ids])
    # The usual training cuts the start token that the tokenizer adds, and the model's shift adds it again.
    start, end = module.config.decoder_start_token_id, module.config.eos_token_id
    ids = shift_tokens_right(labels[:, 1:], end, start)
    assert [token.id for token in trace["cross"].query_tokens] == ids[0].tolist()
    with torch.no_grad():
        given = module(input_features=features(processor, samples), decoder_input_ids=ids, output_attentions=True)
    fields = {"encoder": given.encoder_attentions, "decoder": given.decoder_attentions, "cross": given.cross_attentions}
    for kind, expected in fields.items():
        assert trace[kind].n_layers == len(expected)
        worst = max(float(np.abs(trace[kind].layer(n) - one[0].numpy()).max()) for n, one in enumerate(expected))
        print(f"{kind}: worst difference {worst:.1e}")
        assert worst <= OF_PASSES
        assert float(expected[0].max()) > 10 / expected[0].shape[-1]  # not uniform


def test_without_a_language_the_prompt_is_the_models_own(model, own):
    module, processor = own
    trace = model.trace(audio=vowels(), target=TARGET)
    ids = [token.id for token in trace["decoder"].query_tokens]
    assert ids[:4] == own_prompt(module, processor, vowels())[:4]
    assert ids[4:] == processor.tokenizer(TARGET, add_special_tokens=False).input_ids
    assert any(notice.startswith("The decoder starts with the model's own prompt") for notice in trace.notices)


def test_without_a_target_the_decoder_reads_its_own_transcript(model, own):
    module, processor = own
    trace = model.trace(audio=vowels(), src_lang="zh")
    made = (
        module.generate(
            features(processor, vowels()),
            max_new_tokens=48,
            return_dict_in_generate=True,
            task="transcribe",
            language="zh",
        )
        .sequences[0]
        .tolist()
    )
    made = made[:-1] if made[-1] == module.generation_config.eos_token_id else made
    tokens = trace["cross"].query_tokens
    assert [token.id for token in tokens] == made
    assert [token.generated for token in tokens] == [False] * 4 + [True] * (len(made) - 4)
    assert trace.source.generated == processor.tokenizer.decode(made[1:])


def test_a_language_that_the_tokenizer_was_saved_with_is_kept(tmp_path):
    model = models.load_model(save_whisper(tmp_path / "german", language="german"))
    shown = [token.text for token in model.trace(audio=vowels(), target=TARGET)["decoder"].query_tokens[:4]]
    assert shown == ["<|startoftranscript|>", "<|de|>", "<|transcribe|>", "<|notimestamps|>"]


def test_a_model_of_one_language_has_a_short_prompt(tmp_path):
    model = models.load_model(save_whisper(tmp_path / "english", multilingual=False))
    tokens = model.trace(audio=vowels(), target=TARGET)["decoder"].query_tokens
    assert [token.text for token in tokens[:3]] == ["<|startoftranscript|>", "<|notimestamps|>", "H"]
    with pytest.raises(NoText, match="one language only"):
        model.trace(audio=vowels(), target=TARGET, src_lang="en")


def test_frames_have_times_and_those_after_the_end_are_special(model):
    trace = model.trace(audio=vowels(2.31), target=TARGET)
    keys = trace["cross"].key_tokens
    assert len(keys) == 1500
    assert [key.seconds for key in keys[:3]] == [0.0, 0.02, 0.04]
    assert [key.display for key in keys[115:117]] == ["2.30 s", "2.32 s"]
    assert [key.special for key in keys] == [False] * 116 + [True] * 1384
    assert trace["encoder"].query_tokens == trace["encoder"].key_tokens == keys
    assert any("ends at 2.31 s. The other 1,384 of 1,500 frames are padding" in notice for notice in trace.notices)
    hidden = trace["cross"].hide(special=True)
    assert not hidden.weights(0, 0)[:, 116:].any()


def test_the_time_of_a_frame_is_where_the_sound_changes_it(model):
    """A click at 1.00 s changes the first layer's keys around frame 50 and no other."""
    quiet, click = vowels(2.0), vowels(2.0)
    click[16_000:16_080] += 0.9
    plain, changed = (model.trace(audio=each, target=TARGET)["encoder"]._layers[0].key for each in (quiet, click))
    moved = (plain - changed).abs().amax(dim=(0, 2)).numpy()
    # The extractor raises its floor with the loudest sound, which moves all frames a little.
    most = np.flatnonzero(moved > 0.5 * moved.max())
    assert 48 <= most.min() <= 50 <= most.max() <= 53


def test_a_trace_keeps_its_sound_and_its_source(model):
    trace = model.trace(audio=vowels(), target=TARGET, src_lang="de")
    sound = trace["cross"].annotations["sound"]
    assert np.array_equal(sound.samples, vowels())
    assert trace["cross"].words().annotations["sound"] is sound
    assert (trace.source.audio, trace.source.target) == (f"sha256:{sound.digest}", TARGET)
    assert trace.source.src_lang == "de"


def test_a_long_sound_is_cut_as_the_model_cuts_it(model, own):
    module, processor = own
    samples = vowels(31.4)
    trace = model.trace(audio=samples, target=TARGET, src_lang="en")
    assert not any(key.special for key in trace["cross"].key_tokens)
    assert "The first 30 of 31.4 seconds are shown: this is the maximum that is read at once." in trace.notices
    with torch.no_grad():
        given = module.model.encoder(features(processor, samples), output_attentions=True).attentions
    assert np.abs(trace["encoder"].weights(0, 0) - given[0][0, 0].numpy()).max() <= OF_PASSES


def test_the_estimate_admits_or_refuses_before_the_pass(model):
    estimate = model.estimate(audio=vowels(), target=TARGET)
    assert estimate.n_tokens >= 1500 + 16
    with pytest.raises(TooLong):
        model.trace(audio=vowels(), target=TARGET, budget=Budget(seconds=1e-9))


ASKED = {
    "a text": {"text": "hello"},
    "nothing": {},
    "a text beside the sound": {"text": "hello", "audio": vowels()},
    "a picture": {"image": np.zeros((8, 8, 3), np.uint8)},
    "a picture beside the sound": {"image": np.zeros((8, 8, 3), np.uint8), "audio": vowels()},
    "a continuation": {"audio": vowels(), "generate": 3},
    "an unknown language": {"audio": vowels(), "src_lang": "tlh"},
    "an empty target": {"audio": vowels(), "target": ""},
    "no sound": {"audio": "missing.wav"},
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_what_the_model_does_not_read_is_refused(asked, model):
    with pytest.raises(HeadlightError) as caught:
        model.trace(**asked)
    assert str(caught.value).endswith(".")


def test_a_model_of_texts_says_that_it_reads_no_sounds():
    with pytest.raises(NoText, match="reads texts, not sounds"):
        models.load_model("minilm").trace(audio=vowels())


@pytest.mark.parametrize("damage", ["no extractor", "other length", "other height", "absurd"])
def test_a_feature_extractor_that_does_not_fit_is_refused_at_loading(damage, folder, tmp_path, caplog):
    caplog.set_level(logging.CRITICAL)
    copied = save_whisper(tmp_path / "whisper")
    path = copied / "processor_config.json"
    if damage == "no extractor":
        path.unlink()
        kind = NoTokenizer
    else:
        nested = {"other length": ("chunk_length", 20), "other height": ("feature_size", 64)}
        name, value = nested.get(damage, ("n_fft", 10**9))
        described = json.loads(path.read_text())
        described["feature_extractor"][name] = value
        path.write_text(json.dumps(described))
        kind = BrokenModel
    with pytest.raises(kind, match=r"feature extractor|processor_config\.json"):
        models.load_model(copied)


def test_a_checkpoint_without_the_output_head_is_still_read(folder, tmp_path):
    """WhisperModel, saved without `proj_out`, which is tied."""
    copied = save_whisper(tmp_path / "whisper")
    configure(copied, architectures=["WhisperModel"])
    assert models.load_model(copied).card.kinds == ("encoder", "decoder", "cross")


@pytest.mark.parametrize("family", ["wav2vec2", "moonshine", "audio-spectrogram-transformer", "whisper"])
def test_the_shortest_sounds_are_read_or_refused_in_one_sentence(family, tmp_path):
    config = sounds.save(family, tmp_path / family)
    model = models.load_model(tmp_path / family)
    target = {"target": "the fox"} if config.is_encoder_decoder else {}
    for n_samples in (1, 5, 160, 400):
        try:
            trace = model.trace(audio=np.full(n_samples, 0.1, np.float32), **target)
        except HeadlightError as error:
            assert "give a longer one" in str(error)  # noqa: PT017
        else:
            assert trace[trace.kinds[0]].n_key >= 1


def test_a_language_is_refused_where_the_decoder_has_no_prompt_for_it(tmp_path):
    sounds.save("moonshine", tmp_path / "moonshine")
    with pytest.raises(NoText, match="leave out src_lang"):
        models.load_model(tmp_path / "moonshine").trace(audio=vowels(0.5), src_lang="en")


@pytest.mark.parametrize(
    ("kind", "architecture", "reason"),
    [
        ("vision-encoder-decoder", "VisionEncoderDecoderModel", "reads a picture and writes a text"),
        ("speecht5", "SpeechT5ForTextToSpeech", "writes a sound and does not read one"),
        ("encodec", "EncodecModel", "packs sounds into codes"),
    ],
)
def test_what_reads_no_sound_is_refused_for_its_real_reason(kind, architecture, reason, tmp_path):
    """Before any weight is read: the folder has none."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind, "architectures": [architecture]}))
    with pytest.raises(NoAttention, match=reason):
        models.load_model(tmp_path)
