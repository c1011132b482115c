"""The peers' programs from the driver's side."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[3]


class Program(NamedTuple):
    """The program of a peer.

    Attributes:
        module: in this folder.
        variant: of the module.
        needs_environment: whether it takes the peers' environment.
    """

    module: str
    variant: str
    needs_environment: bool


PEERS: dict[str, Program] = {
    "evosax": Program("evosax_engine", "tuned", True),
    "evosax, vmap": Program("evosax_engine", "vmap", True),
    "EvoTorch": Program("evotorch_engine", "tuned", True),
    "EvoTorch, vmap": Program("evotorch_engine", "vmap", True),
    "EvoX": Program("evox_engine", "tuned", True),
    "EvoX, whole step": Program("evox_engine", "whole", True),
    "PyTorch, compiled": Program("torch_engine", "compiled", False),
    "PyTorch, batched": Program("torch_engine", "batched", False),
    "PyTorch, loop": Program("torch_engine", "naive", False),
}


class PeerError(RuntimeError):
    """A peer that does not answer, or answers with an error."""


class Peer:
    """A peer's program, waiting for commands.

    Args:
        python: the interpreter.
        name: of the peer.
        workload: directory of the workload.
        threads: cores it may use.

    Raises:
        PeerError: if it does not start.
    """

    def __init__(self, python: Path, name: str, workload: Path, threads: int) -> None:
        program = PEERS[name]
        self.name, self.log = name, workload / f"{program.module}-{program.variant}.log"
        command = [python, "-m", f"benchmarks.speed.peers.{program.module}"]
        command += ["--workload", workload, "--variant", program.variant, "--threads", threads]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*map(str, command)],
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": str(threads)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            self.versions: dict[str, str] = self._read()["versions"]
        except PeerError:
            self.close()
            raise

    def run(self, generations: int) -> float:
        """See :class:`benchmarks.speed.engine.subjects.Subject`."""
        return float(self.ask(f"run {generations}")["seconds"])

    def centres(self, generations: int, seed: int, every: int) -> npt.NDArray[np.float32]:
        """See :class:`benchmarks.speed.engine.subjects.Subject`."""
        return np.array(self.ask(f"centres {generations} {seed} {every}")["centres"], dtype=np.float32)

    def fitness(self, path: Path) -> npt.NDArray[np.float64]:
        """See :class:`benchmarks.speed.engine.subjects.Subject`."""
        return np.array(self.ask(f"fitness {path}")["fitness"])

    def ask(self, command: str) -> dict[str, Any]:
        """Send one command and wait for the answer.

        Raises:
            PeerError: if there is none, or it is an error.
        """
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise PeerError(self._ended()) from error
        return self._read()

    def close(self) -> None:
        """End the program."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise PeerError(self._ended())
        content: dict[str, Any] = json.loads(line)
        if "error" in content:
            raise PeerError(f"{self.name}: {content['error']}")
        return content

    def _ended(self) -> str:
        last = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        return f"{self.name} ended: {' '.join(last) or 'without a word'}"
