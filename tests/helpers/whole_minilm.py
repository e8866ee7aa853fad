"""The bundled encoder for texts of all its 512 positions.

As published, sentence-transformers cuts texts at 256 tokens, and Headlight follows it. Tests of long texts open the
same weights in a folder without the settings of sentence-transformers.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from models.checkpoints.bundled import minilm_folder


def save_whole_minilm(folder: Path) -> Path:
    """Link the files of the transformer alone into a new folder, and return it."""
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        try:
            os.link(minilm_folder() / name, folder / name)
        except OSError:  # another file system
            shutil.copy(minilm_folder() / name, folder / name)
    return folder
