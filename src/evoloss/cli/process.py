"""The process of the command line: standard streams, interrupts, and how it ends."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_ERROR, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 2, 130, 141  # as shells have them
_SAID = b"evoloss: interrupted\n"


class Interrupts:
    """SIGINT in the life of the program.

    While modules are imported there is nothing to save, and an exception that lands inside of an import may
    come out as another one: the process ends at once. When work has begun it is ``KeyboardInterrupt``.
    """

    def __init__(self) -> None:
        self.seen = False
        self._working = False

    def install(self) -> None:
        """Take SIGINT over, unless it is ignored, as for a job in the background."""
        main_thread = threading.current_thread() is threading.main_thread()
        if main_thread and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._handle)

    def begin_work(self) -> None:
        """Let an interrupt be an exception from now on."""
        self._working = True

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        self.seen = True
        if not self._working:
            os.write(2, _SAID)
            os._exit(EXIT_INTERRUPTED)
        raise KeyboardInterrupt


@contextmanager
def as_program(interrupts: Interrupts) -> Iterator[None]:
    """Make the process fit to run a command, and end it in order.

    Streams that are closed lead nowhere, characters that an encoding lacks are escaped, and what is still
    to be written is written.

    Raises:
        SystemExit: with 141 where nobody reads what is printed any more, with 2 where it cannot be written,
            and with 130 where an interrupt came out of the command as another exception.
    """
    interrupts.install()
    _prepare_streams()
    try:
        yield
        _flush()
    except SystemExit:
        _flush()
        raise
    except BrokenPipeError:
        _lead_nowhere(1)
        raise SystemExit(EXIT_BROKEN_PIPE) from None
    except Exception:
        if interrupts.seen:
            print(_SAID.decode(), file=sys.stderr, end="")
            raise SystemExit(EXIT_INTERRUPTED) from None
        raise


def is_output_gone() -> bool:
    """Tell whether the pipe that broke is standard output, which nobody reads any more."""
    watch = select.poll()
    watch.register(1, select.POLLERR)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in watch.poll(0))


def _prepare_streams() -> None:
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # a closed one: the next file to be opened must not become standard output
    os.close(handle)
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _lead_nowhere(1)
        raise SystemExit(EXIT_BROKEN_PIPE) from None
    except OSError as error:  # a full disk
        _lead_nowhere(1)
        print(f"evoloss: error: {error.strerror}: standard output", file=sys.stderr)
        raise SystemExit(EXIT_ERROR) from None


def _lead_nowhere(number: int) -> None:
    """Send what is left of a stream nowhere, or Python complains when it closes it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
