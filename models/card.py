"""What is known of a loaded model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from models.arguments import checked
from models.errors import no_such_kind


@dataclass(frozen=True)
class Card:
    """What a visitor needs to know of a model before trusting its pictures.

    `modality` is the input that the model reads, "text", "image", "sound" or "text and image"; `writes` says whether it
    can continue a text; `chats` says whether its tokenizer has a chat template, which makes a text of a conversation;
    `task` is the name of the task with known answers that it was trained on (models/scratch/tasks), or "". `sizes` has
    for each kind the number of layers and of heads (the largest one if layers differ, see `Attention.heads_in`);
    `n_layers` and `n_heads` are those of the first kind. `proof` is the largest difference between the captured weights
    and the model's own ones at loading; `why` says why weights are materialised, "" if they are not.
    """

    name: str
    revision: str
    architecture: str
    n_layers: int
    n_heads: int
    n_parameters: int
    max_tokens: int | None
    device: str
    dtype: str
    kinds: tuple[str, ...]
    capture: str
    proof: float
    notices: tuple[str, ...] = ()
    modality: str = "text"
    writes: bool = False
    chats: bool = False
    task: str = ""
    why: str = ""
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    @checked
    def kind(self, asked: str) -> str:
        """Return a kind of attention that is asked for, the first one if it is "".

        Raises:
            BadSelection: the model has none of that kind.
        """
        if asked and asked not in self.kinds:
            raise no_such_kind(asked, self.kinds)
        return asked or self.kinds[0]
