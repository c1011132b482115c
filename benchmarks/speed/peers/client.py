"""The peers' programs from the driver's side."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[3]

# By name: module, variant, and whether it needs the peers' environment.
PEERS: dict[str, tuple[str, str, bool]] = {
    "evosax": ("evosax_engine", "tuned", True),
    "evosax, vmap": ("evosax_engine", "vmap", True),
    "EvoTorch": ("evotorch_engine", "tuned", True),
    "EvoTorch, vmap": ("evotorch_engine", "vmap", True),
    "EvoX": ("evox_engine", "tuned", True),
    "EvoX, whole step": ("evox_engine", "whole", True),
    "PyTorch, compiled": ("torch_engine", "compiled", False),
    "PyTorch, batched": ("torch_engine", "batched", False),
    "PyTorch, loop": ("torch_engine", "naive", False),
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
        module, variant, _ = PEERS[name]
        self.name, self.log = name, workload / f"{module}-{variant}.log"
        command = [
            python,
            "-m",
            f"benchmarks.speed.peers.{module}",
            "--workload",
            workload,
            "--variant",
            variant,
        ]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*map(str, command), "--threads", str(threads)],
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
        """See ``Subject`` of :mod:`benchmarks.speed.engine`."""
        return float(self.ask(f"run {generations}")["seconds"])

    def centres(self, generations: int, seed: int, every: int) -> np.ndarray:
        """See ``Subject`` of :mod:`benchmarks.speed.engine`."""
        return np.array(self.ask(f"centres {generations} {seed} {every}")["centres"], dtype=np.float32)

    def fitness(self, path: Path) -> np.ndarray:
        """See ``Subject`` of :mod:`benchmarks.speed.engine`."""
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
