"""The build rewrites the imports of our packages, and nothing else of a source."""

import ast

import pytest

from headlight.build_wheel import requirements, rewrite_imports, wheel_files
from tests.helpers.paths import ROOT


@pytest.mark.parametrize(
    ("source", "rewritten"),
    [
        ("from models.x import y", "from headlight.models.x import y"),
        ("import viz", "import headlight.viz as viz"),
        ("import viz.html.steps as pictures", "import headlight.viz.html.steps as pictures"),
        ("import os, viz as v, models", "import os, headlight.viz as v, headlight.models as models"),
        (
            'é = "ü"; from ui import state; import ui',
            'é = "ü"; from headlight.ui import state; import headlight.ui as ui',
        ),
        ("def f():\n    from  analysis import (\n        a,\n    )", None),
        ("try:\r\n    import models\r\nexcept ImportError:\r\n    pass", None),
        ("from . import models\nfrom .viz import a\nimport vizier, modelsmith", "same"),
        ('"""from models import a"""\ns = "import viz"\n# import viz', "same"),
    ],
)
def test_imports_are_rewritten_where_they_are(source: str, rewritten: str | None) -> None:
    made = rewrite_imports(source)
    ast.parse(made)
    if rewritten is None:
        assert made.replace("headlight.", "").replace(" as models", "") == source
        assert made.count("headlight.") == 1
    else:
        assert made == (source if rewritten == "same" else rewritten)


def test_an_import_that_would_bind_another_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"line 2: write `import viz\.html as name`"):
        rewrite_imports("import os\nimport viz.html")


@pytest.mark.slow
def test_every_source_can_be_rewritten() -> None:
    """A failure here names the file; the build would only fail."""
    for path in wheel_files(ROOT).values():
        if path.suffix == ".py":
            tree = ast.parse(rewrite_imports(path.read_text(encoding="utf-8")))
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and node.level == 0:
                    assert str(node.module).split(".")[0] not in ("models", "analysis", "viz", "ui"), path


def test_the_requirements_are_exact_versions() -> None:
    found = requirements(ROOT)
    assert "torch==2.13.0" in found
    assert all(each.count("==") == 1 and " " not in each for each in found)
