"""Node, which runs the browser's modules without a browser: the machine's, or that of the environment."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.paths import ROOT


def node(*arguments: str, given: str = "") -> str:
    """Run Node in the project's folder with this standard input, and return what it writes."""
    own = Path(sys.prefix) / "bin" / "node"
    program = str(own) if own.exists() else shutil.which("node")
    if program is None:
        pytest.fail("No Node: run `make javascript`, which brings one.")
    done = subprocess.run([program, *arguments], cwd=ROOT, input=given, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout


def call(code: str, data: Any) -> Any:
    """Run the body of an ES module that turns `data` into `result`, both JSON."""
    module = f"import {{ readFileSync }} from 'node:fs';\nconst data = JSON.parse(readFileSync(0, 'utf-8'));\n{code}\n"
    module += "process.stdout.write(JSON.stringify(result));"
    return json.loads(node("--input-type=module", "--eval", module, given=json.dumps(data)))
