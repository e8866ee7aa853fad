"""The weight by which a layer projects the output of its heads, found while a pass runs.

No list of module names and no hook on the shared model: a mode of torch sees, in this thread only, every function that
reads the attention's output. The weight is known if exactly one function reads it, if that is a product with a matrix,
and if its argument is the output unchanged. A gate or a norm in between changes it, and the layer is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# Called with the weight `[head * d_value, width]` of the projection.
OnWeight = Callable[[Tensor], None]
# Called when nothing can read the output any more, with the reason why the weight is not known, or "".
OnEnd = Callable[[str], None]
# Functions that give the same numbers in another shape, place or type; in evaluation mode dropout is one of them.
_REARRANGE = frozenset(
    {"bfloat16", "clone", "contiguous", "cpu", "cuda", "detach", "double", "dropout", "flatten", "float", "half"}
    | {"movedim", "permute", "reshape", "squeeze", "swapaxes", "swapdims", "to", "transpose", "type", "type_as"}
    | {"unflatten", "unsqueeze", "view", "view_as", "__getitem__"}
)


class Projections(TorchFunctionMode):
    """Follows the output of each attention call to the product that reads it; use it as a context around the pass."""

    def __init__(self) -> None:
        super().__init__()
        self._reading: _Reading | None = None

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Compute a function, and note it if it reads the output that is followed."""
        result = func(*args, **(kwargs or {}))
        if self._reading is not None:
            self._reading.note(func, args, kwargs or {}, result)
        return result

    def follow(self, output: Float[Tensor, "row query head d_value"], on_weight: OnWeight, on_end: OnEnd) -> None:
        """Follow an output until the next one: `on_weight` gets the weight, `on_end` then why it is not known or ""."""
        self._finish()
        self._reading = _Reading(output, on_weight, on_end)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._finish()

    def _finish(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.end()


class _Reading:
    """Who reads one output. Tensors that hold its numbers are kept, so that no other takes their place in memory."""

    def __init__(self, output: Tensor, on_weight: OnWeight, on_end: OnEnd) -> None:
        self._on_weight, self._on_end = on_weight, on_end
        self._width = output.shape[-2] * output.shape[-1]
        self._held = [output]
        self._places = {_place(output)} - {None}
        # A copy: a function that works in place would change the output itself.
        self._output: Tensor | None = output.detach().clone().reshape(-1, self._width)
        self._n_found, self._other = 0, ""

    def note(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        """Note a function that was computed."""
        if not any(_place(each) in self._places for each in _tensors((args, kwargs))):
            return
        name = getattr(func, "__name__", "")
        made = [each for each in _tensors(result) if each.is_floating_point() and _place(each) not in self._places]
        if not made:
            return
        if name in _REARRANGE:
            self._held += made
            self._places |= {_place(each) for each in made}
            return
        read = _PRODUCTS.get(name)
        given, weight = read(args, kwargs) if read else (None, None)
        if given is None or weight is None or not self._is_projection(given, weight):
            self._other = self._other or name
            return
        self._n_found += 1
        if self._n_found == 1:
            self._on_weight(weight)
            self._output = None

    def _is_projection(self, given: Tensor, weight: Tensor) -> bool:
        """Return whether a product is of the unchanged output and of a matrix."""
        if self._n_found:  # a second product: the layer reads its output in two ways
            return True
        same = given.shape[-1] == self._width and weight.dim() == 2 and weight.shape[0] == self._width
        same = same and self._output is not None and given.numel() == self._output.numel()
        if not same:
            return False
        assert self._output is not None
        given, output = given.reshape(-1, self._width), self._output.to(given.dtype)
        return bool(((given == output) | (given.isnan() & output.isnan())).all())

    def end(self) -> None:
        """Say why the weight is not known, or "" if it is."""
        reason = ""
        if self._other:
            reason = f"another function ({self._other.strip('_')}) reads the output of the heads"
        elif self._n_found != 1:
            reason = f"{'no matrix reads' if not self._n_found else 'several matrices read'} the output of the heads"
        self._on_end(reason)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from _tensors(each)
    elif isinstance(value, dict):
        yield from _tensors(tuple(value.values()))


def _place(tensor: Tensor) -> int | None:
    """Return where a tensor's numbers are in memory; None for a kind of tensor that has no such place."""
    if type(tensor) not in (Tensor, nn.Parameter) or tensor.layout != torch.strided:
        return None
    return tensor.untyped_storage().data_ptr()


_Product = Callable[[tuple[Any, ...], dict[str, Any]], tuple[Tensor | None, Tensor | None]]


def _of_linear(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Tensor | None, Tensor | None]:
    given = args[0] if args else kwargs.get("input")
    weight = args[1] if len(args) > 1 else kwargs.get("weight")
    return given, None if weight is None or weight.dim() != 2 else weight.T


def _of_addmm(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Tensor | None, Tensor | None]:
    return (args[1], args[2]) if len(args) == 3 and not kwargs else (None, None)


def _of_matmul(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Tensor | None, Tensor | None]:
    return (args[0], args[1]) if len(args) == 2 and not kwargs else (None, None)


_PRODUCTS: dict[str, _Product] = {
    "linear": _of_linear,
    "addmm": _of_addmm,
    "matmul": _of_matmul,
    "mm": _of_matmul,
    "__matmul__": _of_matmul,
}
