"""The networks of this package in transformers' auto classes, so that `load_model` opens them like any other model."""

from __future__ import annotations

from transformers import AutoConfig, AutoModel, AutoModelForSeq2SeqLM

from models.scratch.encoder_decoder import ScratchEncoderDecoder, ScratchEncoderDecoderConfig
from models.scratch.networks import ScratchEncoder, ScratchEncoderConfig
from models.scratch.vision import ScratchVisionConfig, ScratchVisionEncoder

for _config in (ScratchEncoderConfig, ScratchEncoderDecoderConfig, ScratchVisionConfig):
    AutoConfig.register(_config.model_type, _config)
AutoModel.register(ScratchEncoderConfig, ScratchEncoder)
AutoModel.register(ScratchVisionConfig, ScratchVisionEncoder)
AutoModelForSeq2SeqLM.register(ScratchEncoderDecoderConfig, ScratchEncoderDecoder)
