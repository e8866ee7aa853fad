"""What the tests of the installation need."""

from pathlib import Path

import pytest

from tests.helpers.chat_templates import save_chat_model


@pytest.fixture(scope="session")
def folder_of_chat_model(tmp_path_factory) -> Path:
    """The folder of a small chat model, whose template a child process renders."""
    return save_chat_model(tmp_path_factory.mktemp("chat") / "tiny-chat")
