"""Boosted trees that were saved, as a module from features to logits."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor, nn

from evoloss.errors import ConfigError
from evoloss.training.trees.ensembles import logits_of_scores, rows_of
from evoloss.training.trees.parameters import TreeSpec, library_version


class GrownTrees(nn.Module):
    """Trees of XGBoost or LightGBM in the library's own format; nothing of it is run.

    Args:
        model: name of the classifier, ``xgboost`` or ``lightgbm``, with parameters or without.
        content: of the file.
        n_features: numbers of a row.
        n_classes: class count.

    Raises:
        MissingExtraError: if the library is not installed.
        ConfigError: if the library cannot read the file, or its trees want other rows.
    """

    def __init__(self, model: str, content: bytes, *, n_features: int, n_classes: int) -> None:
        super().__init__()
        spec = TreeSpec.parse(model)
        library_version(spec.library)
        self.library, self.n_classes = spec.library, n_classes
        try:
            self.booster = _read_xgboost(content) if self.library == "xgboost" else _read_lightgbm(content)
            found = self._scores(np.zeros((1, n_features), dtype=np.float32))
        except Exception as error:  # of the library; the cause stays attached
            raise ConfigError(f"{spec.library} cannot read its trees: {error}") from error
        if found.size != (1 if n_classes == 2 else n_classes):
            raise ConfigError(f"the trees give {found.size} scores a row, not those of {n_classes} classes")

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits ``(N, C)``, float32, of inputs ``(N, ...)``; there is no gradient."""
        return logits_of_scores(self._scores(rows_of(inputs.detach().cpu())), self.n_classes)

    def _scores(self, rows: Any) -> Any:
        if self.library == "lightgbm":
            return np.asarray(self.booster.predict(rows, raw_score=True))
        import xgboost as xgb

        return self.booster.predict(xgb.DMatrix(rows), output_margin=True)


def _read_xgboost(content: bytes) -> Any:
    import xgboost as xgb

    booster = xgb.Booster()
    booster.load_model(bytearray(content))
    return booster


def _read_lightgbm(content: bytes) -> Any:
    import lightgbm as lgb

    return lgb.Booster(model_str=content.decode())
