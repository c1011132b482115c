"""Groups of options in the help of commands, most used first, and examples."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "compare": (
        (
            "evoloss compare --out mine --dataset table.csv --target species --model mlp --losses "
            "cross_entropy adaptive gce",
            "which loss is best on your own table, three seeds each",
        ),
        (
            "evoloss compare --out trees --dataset table.csv --target species --model xgboost --losses "
            "cross_entropy evolved-noise gce",
            "the same with boosted trees, beside XGBoost's own objective",
        ),
        (
            "evoloss compare --out several --dataset digits wine.csv:target=quality my.npz --model mlp "
            "--losses cross_entropy adaptive",
            "the same on several data sets, with a table of all",
        ),
        (
            "evoloss compare --out noisy --label-noise 0.4 --losses cross_entropy evolved-noise",
            "what a loss gives where 40 % of the labels are wrong, on digits",
        ),
    ),
    "evolve": (
        (
            "evoloss evolve --out mine --for noise --classes 3 --samples 100-400 --budget 10m",
            "a loss for data like that, in ten minutes, with a verdict",
        ),
    ),
    "pretrain": (
        (
            "evoloss pretrain --out mine --network paced --fitness learnability --generations 100",
            "a search with every setting in your hands; the same command with --resume goes on",
        ),
    ),
    "ablate": (
        (
            "evoloss ablate --out chaos --vary mutation=chaotic,gaussian --seeds 0 1 2 3 4",
            "does chaotic mutation find better losses than Gaussian?",
        ),
    ),
    "inspect": (
        ("evoloss inspect gce:q=0.5", "the shape of a loss, its gradients, what it is consistent with"),
    ),
    "export": (
        (
            "evoloss export evolved-noise --classes 10 --out noise.py",
            "a loss as one readable file of PyTorch code; --format jax for JAX, json for its numbers",
        ),
    ),
    "losses": (("evoloss losses", "every loss that can be named, with its parameters and their ranges"),),
    "report": (
        ("evoloss report mine --html report.html", "one page to send to somebody, which needs no network"),
    ),
}

_WORKERS = ("executor", "workers", "address", "gpus-per-run")

GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "compare": {
        "What is compared": (
            *("out", "dataset", "target", "ignore-columns", "model", "backbone", "pretrained"),
            *("losses", "seeds", "baseline", "config"),
        ),
        "Learning rate": ("lr", "tune-lr", "lr-grid", "widen-lr-grid", "tune-seeds"),
        "Training": (
            *("epochs", "rounds", "batch-size", "last-batch", "optimizer", "momentum", "nesterov"),
            *("weight-decay", "schedule", "clip-grad", "augment", "class-weights", "eval-every"),
            *("early-stopping", "hessian"),
        ),
        "Data": (
            *("train-samples", "validation", "split-seed", "train-labels", "image-size", "data-dir"),
            "download",
        ),
        "Wrong labels that are added": ("label-noise", "noise-kind", "validation-noise"),
        "What is left behind": ("keep", "suspects-folds", "log", "dry-run", "quiet"),
        "Machine": ("accelerator", "devices", "precision", "threads", *_WORKERS),
    },
    "evolve": {
        "Your regime": (
            *("purpose", "classes", "samples", "features", "noise", "like", "target", "ignore-columns"),
        ),
        "The search": ("out", "budget", "seed", "resume", "log"),
        "Machine": ("threads", *_WORKERS),
    },
    "pretrain": {
        "The run": ("out", "config", "resume", "generations", "seed", "log"),
        "The loss": ("network", "hidden", "activation", "features", "start", "classes"),
        "What a good loss is": (
            *(
                "fitness",
                "prior",
                "prior-classes",
                "prior-samples",
                "prior-noise",
                "prior-features",
                "prior-imbalanced",
                "groups",
                "tasks",
                "rates",
            ),
            *("scoring", "nll-weight", "worst-weight", "clean-weight", "clean-tolerance", "promote"),
            *("ranking-floor", "ranking-weight", "objective", "margin", "error", "couples-per-pair"),
        ),
        "Synthetic pairs": (
            *("pairs", "slots", "n-grid", "regimes.near-uniform", "regimes.confident-right"),
            *("regimes.confident-wrong", "regimes.two-class", "regimes.boundary", "regimes.vertex"),
            *("regimes.softmax-gaussian", "regimes.dirichlet"),
        ),
        "Strategy and mutation": (
            *("strategy", "popsize", "sigma", "step-control", "learning-rate", "mutation", "chaotic-map"),
            *("chaos-drives", "chaos-order", "elites"),
        ),
        "Judging and checkpoints": (
            *("eval-every", "eval-pairs", "eval-groups", "checkpoint-every", "checkpoint-seconds"),
        ),
        "Machine": ("threads", *_WORKERS),
    },
    "ablate": {
        "What varies": ("out", "vary", "variant", "config", "fixed", "seeds"),
        "How variants are compared": ("target", "baseline", "contrast", "figures", "log", "quiet"),
        "Machine": ("threads", *_WORKERS),
    },
}
"""By command the titles of groups and the options in them; a command without is one group."""
