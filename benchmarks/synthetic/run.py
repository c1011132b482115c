"""The whole study of the synthetic tasks.

    python -m benchmarks.synthetic.run

Known and shipped losses on every prior and regime, the table of rank correlations with real data, and what
promotion saves. Each part can be run by itself, see the README here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import command
from benchmarks.synthetic import priors, promotion, rank_correlation
from benchmarks.synthetic.conditions import REGIMES
from evoloss.tasks import PRIORS


@dataclass(frozen=True, kw_only=True)
class SyntheticStudy:
    """Run all parts."""

    out: Path = priors.RESULTS
    """Folder of the results; what they say of other priors and losses stays."""


def main(study: SyntheticStudy) -> None:
    """Run one part after the other."""
    losses_on_priors = study.out / "priors.json"
    priors.main(priors.PriorsBenchmark(out=losses_on_priors, on=tuple(PRIORS), groups=8))
    priors.main(priors.PriorsBenchmark(out=losses_on_priors, on=tuple(REGIMES), groups=8, rates=3))
    rank_correlation.main(rank_correlation.RankCorrelation(priors=(losses_on_priors,)))
    promotion.main(promotion.PromotionBenchmark(out=study.out / "promotion.json"))


if __name__ == "__main__":
    command.run(SyntheticStudy, main)
