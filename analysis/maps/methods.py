"""The methods by which an attention is shown: what each is, what it hides, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.maps import cost
from analysis.maps.papers import ABNAR, CHEFER, KOBAYASHI, VASWANI, Paper
from models import Attention, Model
from models.arguments import checked
from models.capture.cost import Estimate


@dataclass(frozen=True)
class Method:
    """A method: its `title`, what it `shows` and `hides` in a sentence each, its `equation` in LaTeX, and its `paper`.

    A method that `needs_model` runs the text through the model again; the others read a trace. One that `has_layers`
    has one head for each layer, from its tokens down to the input, and reads queries and keys of the same text. One
    that `has_target` explains an answer, which may be chosen. `remedy` says what to do where it costs too much.
    """

    name: str
    title: str
    shows: str
    hides: str
    equation: str
    paper: Paper
    needs_model: bool = False
    has_layers: bool = False
    has_target: bool = False
    remedy: str = "shorten the text or choose a smaller model"

    @checked
    def refusal(self, att: Attention, model: Model | None = None) -> str:
        """Return why the method does not fit an attention, as one sentence with the remedy, or "" if it fits.

        `model` is the model that made it, None for a trace from a file.
        """
        if self.name == "attention":
            return ""
        if refusal := self.refuse_model(model):
            return refusal
        if att.is_view:
            return (
                f"{self.title} is made of all tokens and heads: choose it first, then join words, hide tokens or "
                "combine heads of it."
            )
        if att.method != "attention":
            return f"{self.title} is made of the attention itself, not of another map: give the attention of the trace."
        if self.has_layers and (att.kind == "cross" or att.query_tokens != att.key_tokens):
            return (
                f"{self.title} follows a text through its own layers, and here one text attends to another: choose "
                "the attention of the encoder or of the decoder."
            )
        if self.has_layers and att.annotations.get("head_numbers"):
            return (
                f"{self.title} needs all heads of all layers, and this file holds some of them: save the whole trace "
                "with AttentionTrace.save."
            )
        return ""

    @checked
    def refuse_model(self, model: Model | None) -> str:
        """Return why a method that needs the model cannot be made with this one, or ""."""
        if self.needs_model and model is None:
            return f"{self.title} needs the model, and a trace has only weights: open the text with its model."
        if self.needs_model and model is not None and model.card.capture != "replayed":
            return (
                f"{self.title} needs the values of each layer, and {model.card.name} returns only its weights: choose "
                "another model, such as minilm."
            )
        return ""

    @checked
    def fits(self, att: Attention, model: Model | None = None) -> bool:
        """Return whether the method can be made of an attention; `refusal` says why not."""
        return not self.refusal(att, model)

    @checked
    def estimate(self, att: Attention, model: Model | None = None) -> Estimate:
        """Return the tokens, bytes and seconds of the whole map."""
        return cost.estimate(self.name, att, model)


_METHODS = (
    Method(
        "attention",
        "Attention",
        "Each row shows how a head divides the attention of one token among all tokens.",
        "It leaves out what is read there: a token with a large weight may pass on nearly nothing.",
        r"\alpha = \mathrm{softmax}\!\left(\frac{q k^\top}{\sqrt{d}}\right)",
        VASWANI,
    ),
    Method(
        "value-weighted",
        "Value-weighted",
        "Each weight is multiplied by the length of the vector that it lets through, so it shows how much is read.",
        "It leaves out the directions of the vectors, which may cancel, and what the layer does after the attention.",
        r"\lVert \alpha_{ij} f(x_j) \rVert,\quad f(x) = (x W^V + b^V) W^O",
        KOBAYASHI,
        needs_model=True,
    ),
    Method(
        "rollout",
        "Rollout",
        "The layers up to this one are multiplied, so each row shows how much of each input token may have arrived.",
        "It leaves out the single heads, the values and the feed-forward layers; rows of later layers become alike.",
        r"\tilde{A}_l = A_l\,\tilde{A}_{l-1},\quad A_l = r I + (1 - r)\,\mathrm{mean}_h W_{l,h}",
        ABNAR,
        has_layers=True,
        remedy="shorten the text, or choose Attention or Value-weighted, which read long texts",
    ),
    Method(
        "flow",
        "Flow",
        "Each weight is a capacity, and each cell shows the most that can flow from an input token up to a token.",
        "It leaves out the single heads and the values; each cell is a limit on its own, as if nothing else flowed.",
        r"\max_f \sum_j f_{ij}\quad\text{with}\quad 0 \le f \le A_l,\; A_l = r I + (1 - r)\,\mathrm{mean}_h W_{l,h}",
        ABNAR,
        has_layers=True,
        remedy="shorten the text, or choose Rollout, which answers the same question and is fast",
    ),
    Method(
        "gradient",
        "Gradient",
        "Each weight is multiplied by how much the answer's score would rise with it, so it shows what speaks for it.",
        "It leaves out what speaks against the answer, and holds only for small changes of the weights.",
        r"\left(\alpha \odot \frac{\partial y}{\partial \alpha}\right)^{+}",
        CHEFER,
        needs_model=True,
        has_target=True,
    ),
)
METHODS = {method.name: method for method in _METHODS}
