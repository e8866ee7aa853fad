"""What every test needs: the named axes are checked, and nothing asks a network."""

import os
import re
import shutil
from collections.abc import Callable
from logging import getLogger
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
# What tests expect to the bit is the CPU's; `python -m benchmarks device --device cuda` compares a GPU with it.
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# For the processes that tests start, as app.py does it: beside other tests, threads that spin take four times the CPU.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

if TYPE_CHECKING:
    import models

# The shapes in the annotations of models/ are checked at every call.
install_import_hook(["models"], "beartype.beartype")

# A run depends on the code that changed, not on chance; `pytest --hypothesis-profile=explore` tries new examples.
settings.register_profile("same every time", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=3000, deadline=None)
settings.load_profile("same every time")


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the libraries, except in the process that only distributes tests: importing them takes seconds."""
    if not hasattr(config, "workerinput") and config.getoption("numprocesses", None):
        return
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(1)
    _load_one_at_a_time()


def _load_one_at_a_time() -> None:
    """Let tests that load a plain model of transformers wait for a job of Headlight that loads one.

    While transformers loads a model, `tie_weights` of all models does nothing. Of two that load at the same time, the
    later one to end would put back what the first one put there, and tie no weights for the rest of the process.
    """
    from transformers import PreTrainedModel

    from models.checkpoints.load import one_at_a_time

    load = PreTrainedModel.from_pretrained.__func__

    def load_alone(cls: type, *arguments: object, **options: object) -> object:
        with one_at_a_time:
            return load(cls, *arguments, **options)

    PreTrainedModel.from_pretrained = classmethod(load_alone)


_MARK_OF_ALL = re.compile(r"^pytestmark = pytest\.mark\.(\w+)$", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out files all of whose tests `-m` leaves out: every process would import them, and what they import."""
    expression = config.getoption("markexpr")
    if not expression or collection_path.suffix != ".py":
        return None
    source = collection_path.read_text(encoding="utf-8")
    mark = _MARK_OF_ALL.search(source)
    if mark and f"not {mark[1]}" in expression:
        return True
    return True if expression == "e2e" and "mark.e2e" not in source else None


@pytest.fixture(autouse=True)
def _log_again():
    """The command line silences our log for its process, which here is that of every later test."""
    log = getLogger("headlight")
    level = log.level
    yield
    log.setLevel(level)


@pytest.fixture(autouse=True)
def _weights_are_tied():
    """Name the test that leaves transformers unable to tie weights: otherwise later tests of other files fail."""
    from transformers import PreTrainedModel

    from models.checkpoints.load import one_at_a_time

    with one_at_a_time:  # a page may have started work that still loads a model, which ties no weights meanwhile
        tied = PreTrainedModel.tie_weights
    yield
    with one_at_a_time:
        found, PreTrainedModel.tie_weights = PreTrainedModel.tie_weights, tied
    assert found is tied, f"{found} was left in place of PreTrainedModel.tie_weights"


@pytest.fixture(scope="session")
def minilm() -> "models.Model":
    """The real bundled encoder, 6 layers x 12 heads."""
    import models

    return models.load_model("minilm")


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The saved folder of a family of `small_models.FAMILIES`: do not change it, copy it."""
    from tests.helpers import small_models

    built: dict[str, Path] = {}

    def find(family: str) -> Path:
        if family not in built:
            built[family] = small_models.build(family, tmp_path_factory.mktemp("models") / family)
        return built[family]

    return find


@pytest.fixture(scope="session")
def loaded(folder_of: Callable[[str], Path]) -> "Callable[[str], models.Model]":
    """The loaded model of a family."""
    import models

    ready: dict[str, models.Model] = {}

    def find(family: str) -> models.Model:
        if family not in ready:
            ready[family] = models.load_model(str(folder_of(family)))
        return ready[family]

    return find


@pytest.fixture
def folder(folder_of: Callable[[str], Path], tmp_path: Path) -> Path:
    """A small BERT to spoil, called `spoilt`."""
    return Path(shutil.copytree(folder_of("bert"), tmp_path / "inside" / "spoilt"))
