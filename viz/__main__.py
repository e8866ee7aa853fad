"""`python -m viz`: see viz/cli/main.py."""

import os
import sys

# Set before torch is imported: a command that writes one file needs no thread pool warnings, and its waiting threads
# leave a busy machine to others.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from viz.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
