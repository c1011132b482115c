"""``python -m evoloss``."""

import sys

from evoloss.cli import main

sys.exit(main())
