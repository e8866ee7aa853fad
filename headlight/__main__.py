"""`python -m headlight`: see headlight/command.py."""

import sys

from headlight.command import main

if __name__ == "__main__":
    sys.exit(main())
