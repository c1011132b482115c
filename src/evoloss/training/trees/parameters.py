"""Parameters of boosted trees, as the name of a classifier gives them: ``xgboost:max_depth=4``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from evoloss.errors import ConfigError, MissingExtraError, UnknownNameError
from evoloss.losses.spec import LossSpec, Value
from evoloss.models import TREES

_SHARED = ("max_depth", "max_bin")
PARAMETERS: dict[str, tuple[str, ...]] = {
    "xgboost": (
        *_SHARED,
        *("min_child_weight", "gamma", "reg_alpha", "reg_lambda", "subsample", "colsample_bytree"),
        *("colsample_bylevel", "colsample_bynode", "max_leaves", "grow_policy", "tree_method"),
        *("max_delta_step",),
    ),
    "lightgbm": (
        *_SHARED,
        *("num_leaves", "min_child_samples", "min_child_weight", "min_split_gain", "reg_alpha"),
        *("reg_lambda", "subsample", "colsample_bytree", "extra_trees", "path_smooth", "max_delta_step"),
    ),
}
"""Parameters that a name may have, by library; all others are at the library's defaults."""
SUBSAMPLE = 0.8
"""Share of the rows that a round is grown from, unless the name says otherwise. The rows are drawn by the
seed: with all rows in every round all seeds would be one training."""


@dataclass(frozen=True)
class TreeSpec:
    """A classifier of boosted trees, taken apart.

    Attributes:
        library: ``xgboost`` or ``lightgbm``.
        parameters: what the name gives, by the names of the library's scikit-learn classifier.
    """

    library: str
    parameters: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def parse(cls, model: str) -> TreeSpec:
        """Take a name apart.

        Raises:
            ConfigError: if the parameters are not of the form ``name=value,name=value``.
            UnknownNameError: if the library has no such parameter, or it is none that a name may have.

        Example:
            >>> TreeSpec.parse("xgboost:max_depth=4,subsample=1").parameters
            {'max_depth': 4, 'subsample': 1}
        """
        library, colon, tail = model.partition(":")
        if library not in TREES:
            raise UnknownNameError.among("library of boosted trees", library, TREES)
        if not colon:
            return cls(library)
        known = PARAMETERS[library]
        if "=" not in tail:
            raise ConfigError(f"after {library!r} and a colon come parameters, as in {library}:max_depth=4")
        parameters = LossSpec.parse(model).parameters
        for name in parameters:
            if name not in known:
                raise UnknownNameError.among(f"{library} parameter", name, known)
        return cls(library, parameters)

    @property
    def settings(self) -> dict[str, Any]:
        """The parameters that the library is given, with the share of rows."""
        given = {"subsample": SUBSAMPLE, **self.parameters}
        return given if self.library == "xgboost" else {"subsample_freq": 1, **given}

    @property
    def is_random(self) -> bool:
        """True if a seed changes anything in the trees."""
        drawn = [name for name in self.settings if name.startswith(("subsample", "colsample"))]
        shares = [self.settings[name] for name in drawn if name != "subsample_freq"]
        return any(share != 1 for share in shares) or bool(self.parameters.get("extra_trees"))


def library_version(library: str) -> str:
    """The version of a library of boosted trees.

    Raises:
        MissingExtraError: if it is not installed.
    """
    try:
        return str(import_module(library).__version__)
    except ImportError as error:
        raise MissingExtraError.of(library, library, f"a classifier {library!r}") from error
