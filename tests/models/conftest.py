"""Each small model is built and loaded once for all tests of this room."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import small_models

import models


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The saved folder of a family of `small_models.FAMILIES`: do not change it, copy it."""
    built: dict[str, Path] = {}

    def find(family: str) -> Path:
        if family not in built:
            built[family] = small_models.build(family, tmp_path_factory.mktemp("models") / family)
        return built[family]

    return find


@pytest.fixture(scope="session")
def loaded(folder_of: Callable[[str], Path]) -> Callable[[str], models.Model]:
    """The loaded model of a family."""
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
