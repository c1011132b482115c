"""``python -m evoloss``."""

import sys

from evoloss.cli import main

if __name__ == "__main__":
    sys.exit(main())
