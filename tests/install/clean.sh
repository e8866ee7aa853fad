#!/usr/bin/env sh
# Install Headlight as a stranger does, with its libraries, into an empty environment, and use it offline.
# Usage: sh tests/install/clean.sh [FOLDER]; without a folder, a temporary one that is deleted.
set -eu
repository=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-$(mktemp -d)}
server=
finish() {
  test -z "$server" || kill "$server"
  test "$temporary" = no || rm -rf "$folder"
}
temporary=$(test -n "${1:-}" && echo no || echo yes)
trap finish EXIT
mkdir -p "$folder/work"
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install "$repository"
cd "$folder/work"
# A proxy that nobody answers: a library that asks another server fails. tests/e2e/test_installed.py refuses sockets.
export PATH="$folder/venv/bin:$PATH" HF_HUB_OFFLINE=1
export http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 no_proxy=localhost,127.0.0.1
headlight --version
headlight export heatmap --text "The cat sat on the mat." --layer 3 --head 1 -o head.png
test -s head.png
headlight minilm --no-browser > told.txt 2>&1 &
server=$!
python - <<'PYTHON'
import re, sys, time, urllib.request
from pathlib import Path

for _ in range(600):
    found = re.search(r"Headlight is at (http://localhost:\d+/)", Path("told.txt").read_text())
    if found:
        break
    time.sleep(0.2)
else:
    sys.exit(f"The page was not served: {Path('told.txt').read_text()}")
with urllib.request.urlopen(found[1], timeout=20) as answer:
    page = answer.read().decode()
# Only our server adds this link, to the code of the instrument.
if "/vendor/" not in page:
    sys.exit(f"This is not the page of Headlight: {page[:500]}")
print("The page is served at", found[1])
for name in ("models", "analysis", "viz", "ui"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    sys.exit(f"The installation shadows {name}.")
PYTHON
