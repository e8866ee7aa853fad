"""What a trace costs next to the same model's plain forward pass, and next to eager `output_attentions`."""

import torch
from transformers import AutoModel

from benchmarks.table import repeat, show
from models import bundled, load_model

LENGTHS = (20, 128, 512)


def main() -> None:
    model = load_model("minilm", device="cpu")
    folder = bundled.minilm_folder()
    plain = AutoModel.from_pretrained(folder, attn_implementation="sdpa").eval()
    eager = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    rows = []
    for length in LENGTHS:
        text = "the cat sat on the mat and " * length
        words = " ".join(text.split()[: length - 2])
        ids = torch.tensor([[token.id for token in model.trace(words)["encoder"].query_tokens]])
        with torch.inference_mode():
            sdpa = repeat(lambda ids=ids: plain(input_ids=ids), 15)
            held = repeat(lambda ids=ids: eager(input_ids=ids, output_attentions=True), 15)
        traced = repeat(lambda words=words: model.trace(words), 15)
        numbers = [ids.shape[1], *(f"{seconds * 1000:.1f} ms" for seconds in (sdpa, traced, held))]
        rows.append([*numbers, f"{traced / sdpa:.2f}", f"{traced / held:.2f}"])
    header = ("tokens", "plain SDPA forward", "Headlight trace (with tokenising)", "eager output_attentions")
    show("Extraction, MiniLM", (*header, "trace / plain", "trace / eager"), rows)
