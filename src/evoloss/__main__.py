"""``python -m evoloss``, and the ``evoloss`` command."""

import os
import signal
import sys
from types import FrameType


def interrupted(signum: int, frame: FrameType | None) -> None:
    """End quietly; what follows is imports, and :mod:`evoloss.cli.process` takes over in their midst."""
    os.write(2, b"evoloss: interrupted\n")
    os._exit(130)


def program() -> int:
    """Run the command line as a process of its own."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a job in the background ignores it
        signal.signal(signal.SIGINT, interrupted)
    from evoloss.cli import main

    return main()


if __name__ == "__main__":
    sys.exit(program())
