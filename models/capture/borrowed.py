"""A module that belongs to the caller: set as its capture needs it during a pass, and as it was after the pass."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from models.capture.turns import announce_layers

# What a capture may have to change in a configuration: the attention function, and outputs with names.
_CHANGED = ("_attn_implementation_internal", "return_dict")
# How transformers marks a module on which it left hooks.
_HOOKED = "_output_capturing_hooks_installed"
_Settings = list[tuple[PreTrainedConfig, dict[str, Any]]]


@dataclass
class _Use:
    """The passes that run on a module now, whether it is being loaded, and its owner's settings until both end."""

    n_passes: int = 0
    loading: bool = False
    back: ExitStack = field(default_factory=ExitStack)


_uses: WeakKeyDictionary[nn.Module, _Use] = WeakKeyDictionary()
_changed = threading.Condition()


class Borrowed:
    """A module in memory. `verified` are the settings that its capture needs, known at the end of `loading`.

    Passes on one module may overlap, because a short one may run between the layers of a long one. The first one sets
    the module, the last one resets it.
    """

    def __init__(self, module: PreTrainedModel) -> None:
        self._module = module
        self._verified: _Settings = []
        self._announced: nn.Module | None = None

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Keep the owner's settings while the verification switches them in this context; no pass runs meanwhile."""
        use = self._use()
        with _changed:
            _changed.wait_for(lambda: not use.n_passes and not use.loading)
            use.loading = True
        try:
            with _kept(self._module):
                for config in _configs(self._module):
                    config.return_dict = True
                yield
                self._verified = _settings(self._module)
        finally:
            with _changed:
                use.loading = False
                _changed.notify_all()

    @staticmethod
    def verifying() -> AbstractContextManager[None]:
        """Return the context of a pass inside `loading`."""
        return _computing()

    def announce_layers(self, part: nn.Module) -> None:
        """Let each layer of a part of the module call `between_layers` during passes."""
        self._announced = part

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Set the module as it was verified, for one pass."""
        use = self._use()
        with _changed:
            _changed.wait_for(lambda: not use.loading)
            if not use.n_passes:
                use.back = ExitStack()
                use.back.enter_context(_kept(self._module))
                _set(self._verified)
                for handle in announce_layers(self._announced) if self._announced else ():
                    use.back.callback(handle.remove)
            use.n_passes += 1
        try:
            with _computing():
                yield
        finally:
            with _changed:
                use.n_passes -= 1
                if not use.n_passes:
                    use.back.close()
                    _changed.notify_all()

    def _use(self) -> _Use:
        with _changed:
            return _uses.setdefault(self._module, _Use())


@contextmanager
def _kept(module: nn.Module) -> Iterator[None]:
    settings = _settings(module)
    hooks = [(part, set(part._forward_hooks), _HOOKED in vars(part)) for part in module.modules()]
    try:
        yield
    finally:
        _set(settings)
        # transformers leaves hooks on a module whose weights were asked for, and then the module cannot be pickled.
        for part, own, was_hooked in hooks:
            for new in set(part._forward_hooks) - own:
                del part._forward_hooks[new]
            if _HOOKED in vars(part) and not was_hooked:
                delattr(part, _HOOKED)


@contextmanager
def _computing() -> Iterator[None]:
    # Not inference mode: a module may keep tensors of a pass, such as a table of positions, for its owner's training.
    # Compiled code would not call the attention function again, so compiled parts run as they were written.
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):
        yield


def _settings(module: nn.Module) -> _Settings:
    return [(config, {name: getattr(config, name, None) for name in _CHANGED}) for config in _configs(module)]


def _set(settings: _Settings) -> None:
    for config, values in settings:
        vars(config).update(values)


def _configs(module: nn.Module) -> list[PreTrainedConfig]:
    """Return the configurations of a model and of its parts, each once."""
    found: dict[int, PreTrainedConfig] = {}
    waiting: list[Any] = [part.config for part in module.modules() if isinstance(part, PreTrainedModel)]
    while waiting:
        config = waiting.pop()
        if isinstance(config, PreTrainedConfig) and id(config) not in found:
            found[id(config)] = config
            waiting += [getattr(config, name, None) for name in config.sub_configs]
    return list(found.values())
