"""evosax (JAX) as a peer: its SNES, whole searches compiled into one loop.

    python -m benchmarks.speed.peers.evosax_engine --workload DIR --variant tuned|vmap --threads 2

``vmap`` evaluates the population by ``jax.vmap``, as evosax's documents do, 0.7 to 0.9 s a generation of 256
candidates and 4,096 pairs on two cores. ``tuned`` came out of these steps, each on the same machine:

- ``lax.map`` over candidates with ``jax.nn.silu``: 0.25 s in the layout ``(hidden, N C)``, 0.30 s in
  ``(N C, hidden)``; pieces of the pairs no faster;
- the exponential written out (:func:`silu_base_2`), half the time of XLA's: 0.20 s and 0.16 s;
- the factors of the base folded into the weights, the first bias a third row of the first product: 0.15 s;
- the population shared by two host devices, one core each, instead of two threads inside each operation,
  by ``shard_map``: 0.13 s;
- slower: the products unrolled into elementwise operations and fused (0.17 s at best, and 0.3 to 1.2 s with
  XLA's own exponential), the first layer elementwise and then transposed (0.23 s), the last layer as a sum,
  the class sum inside a product of 160 columns (0.30 s), hyperbolic tangent instead of the exponential;
- flags: fast maths, oneDNN, no XNNPACK, the optimisation preset for run time: within 3 %, the old emitters
  and the experimental fusions slower; so all flags are XLA's defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.speed.peers.serving import Workload, main

Array = Any  # jax.Array; JAX is imported after its environment is set
Fitness = Callable[[Array, Array, Array, Array], Array]  # population, inputs, order, comparable to (P,)

_LOG2_E, _LN_2 = np.float32(1 / np.log(2)), np.float32(np.log(2))
# 2**r for r in [-1/2, 1/2] to 1e-7: the polynomial through the Chebyshev nodes, lowest power first.
_EXP2 = (
    np.polynomial.chebyshev.Chebyshev.interpolate(lambda r: 2.0**r, 5, domain=[-0.5, 0.5])
    .convert(kind=np.polynomial.Polynomial)
    .coef.astype(np.float32)
)


def environment(threads: int) -> Mapping[str, str]:
    """One host device a core."""
    return {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={threads}",
    }


def silu_base_2(y: Array) -> Array:
    """``y / (1 + 2**y)``: with ``y = -z log2(e)`` this is ``silu(z)`` times ``-log2(e)``.

    ``2**y`` is a polynomial in the distance to the next integer, and that integer in the exponent's bits;
    good to 1e-7 as ``jax.nn.silu`` is.
    """
    import jax
    import jax.numpy as jnp

    bounded = jnp.clip(y, -126.0, 126.0)
    whole = jnp.round(bounded)
    rest = bounded - whole
    power = _EXP2[-1]
    for coefficient in _EXP2[-2::-1]:
        power = power * rest + coefficient
    # Of 1.5 * 2**23 plus a small integer the last bits are that integer.
    bits = jax.lax.bitcast_convert_type(whole + np.float32(12582912 + 127), jnp.int32) << 23
    return y / (1 + power * jax.lax.bitcast_convert_type(bits, jnp.float32))


def score(losses: Array, order: Array, comparable: Array) -> Array:
    """The fitness of one candidate from its losses ``(N,)``."""
    import jax.numpy as jnp

    agree = sum(
        jnp.sum(jnp.sign(losses - jnp.roll(losses, -shift)) * order[shift - 1])
        for shift in range(1, len(order) + 1)
    )
    return 0.5 * (1 - agree / comparable)


def tuned(workload: Workload) -> Fitness:
    """One candidate after the other, the population shared by the devices."""
    import jax
    import jax.numpy as jnp
    from jax.sharding import PartitionSpec

    def one(candidate: Array, inputs: Array, order: Array, comparable: Array) -> Array:
        w1, b1, w2, b2, w3 = workload.split(candidate)
        first = jnp.concatenate([w1, b1[None]]) * -_LOG2_E
        hidden = silu_base_2(inputs @ first)
        hidden = silu_base_2(hidden @ w2 + b2 * -_LOG2_E)
        terms = (hidden @ (w3 * -_LN_2)).reshape(-1, workload.n_classes)
        return score(terms @ jnp.ones(workload.n_classes), order, comparable)

    def share(population: Array, *batch: Array) -> Array:
        return jax.lax.map(lambda candidate: one(candidate, *batch), population)

    devices = len(jax.devices())
    if devices == 1 or workload.popsize % devices:
        return share
    mesh = jax.make_mesh((devices,), ("population",), axis_types=(jax.sharding.AxisType.Auto,))
    part, whole = PartitionSpec("population"), PartitionSpec()
    shared = jax.shard_map(
        share, mesh=mesh, in_specs=(part, whole, whole, whole), out_specs=part, check_vma=False
    )

    def fitness(population: Array, *batch: Array) -> Array:
        missing = -len(population) % devices
        padded = jnp.concatenate([population, population[:missing]])
        return shared(padded, *batch)[: len(population)]

    return fitness


def vmapped(workload: Workload) -> Fitness:
    """All candidates at once, vectorised by JAX."""
    import jax

    def one(candidate: Array, inputs: Array, order: Array, comparable: Array) -> Array:
        w1, b1, w2, b2, w3 = workload.split(candidate)
        hidden = jax.nn.silu(inputs[:, :2] @ w1 + b1)
        hidden = jax.nn.silu(hidden @ w2 + b2)
        terms = (hidden @ w3).reshape(-1, workload.n_classes)
        return score(terms.sum(axis=1), order, comparable)

    return jax.vmap(one, in_axes=(0, None, None, None))


class EvosaxEngine:
    """evosax's SNES at its defaults, which are the paper's.

    Args:
        workload: the work.
        make: :func:`tuned` or :func:`vmapped`.
    """

    def __init__(self, workload: Workload, make: Callable[[Workload], Fitness]) -> None:
        import jax
        import jax.numpy as jnp
        from evosax.algorithms import SNES

        self.workload = workload
        self.batches = tuple(
            jnp.asarray(array) for array in (workload.inputs(), workload.order, workload.comparable)
        )
        strategy = SNES(population_size=workload.popsize, solution=jnp.zeros(workload.n_params))
        self.strategy = strategy
        self.params = strategy.default_params.replace(std_init=workload.sigma)
        fitness = make(workload)
        self.evaluate = jax.jit(fitness)

        def generation(carry: Array, batches: Array) -> Array:
            key, state = carry
            key, ask, tell = jax.random.split(key, 3)
            at = state.generation_counter % workload.n_batches
            batch = tuple(jax.lax.dynamic_index_in_dim(array, at, keepdims=False) for array in batches)
            population, state = strategy.ask(ask, state, self.params)
            state, _ = strategy.tell(tell, population, fitness(population, *batch), state, self.params)
            return key, state

        @jax.jit
        def search(carry: Array, generations: Array, batches: Array) -> Array:
            return jax.lax.fori_loop(0, generations, lambda _, carry: generation(carry, batches), carry)

        self.search = search
        self.restart(0)

    def fitness(self, population: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """See :class:`~benchmarks.speed.peers.serving.Engine`."""
        return np.asarray(self.evaluate(population, *(array[0] for array in self.batches)))

    def restart(self, seed: int) -> None:
        """See :class:`~benchmarks.speed.peers.serving.Engine`."""
        import jax

        starts = self.workload.starts
        key, init = jax.random.split(jax.random.key(seed))
        state = self.strategy.init(init, starts[seed % len(starts)], self.params)
        self.carry = jax.block_until_ready((key, state))

    def run(self, generations: int) -> None:
        """See :class:`~benchmarks.speed.peers.serving.Engine`."""
        import jax

        self.carry = jax.block_until_ready(self.search(self.carry, generations, self.batches))

    def centre(self) -> npt.NDArray[Any]:
        """See :class:`~benchmarks.speed.peers.serving.Engine`."""
        return np.asarray(self.carry[1].mean)


if __name__ == "__main__":
    main(
        {
            "tuned": lambda workload: EvosaxEngine(workload, tuned),
            "vmap": lambda workload: EvosaxEngine(workload, vmapped),
        },
        ("evosax", "jax", "jaxlib"),
        environment,
    )
