"""What a visitor can do with a trained model: download it, or open it in Inspect."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from models.checkpoints import bundled
from models.scratch.tasks import TASKS
from ui.services.settings import allowed_models
from ui.services.training_process import FINISHED, TrainingProcess
from ui.state.watch import WatchChoice


def offer_trained_model(choice: WatchChoice, own: TrainingProcess | None, status: str) -> None:
    """Offer the visitor's finished training as a file, and the task's bundled model as a link to Inspect."""
    with st.container(horizontal=True, gap="small"):
        if own is not None and status == FINISHED:
            st.download_button(
                "Download the trained model",
                own.model_zip,
                f"headlight-{own.request.task}.zip",
                "application/zip",
                key="watch download",
                help="Config, safetensors, tokenizer and training.json: unpack the folder and open it in Inspect.",
                on_click="ignore",
            )
        name = f"{bundled.SCRATCH_PREFIX}{choice.task}"
        allowed = allowed_models()
        if name in bundled.scratch_names() and (allowed is None or name in allowed):
            text = {"text": choice.text} if TASKS[choice.task].has_truth else {}
            st.link_button("Open the trained model in Inspect", f"./?{urlencode({'model': name, **text})}")
