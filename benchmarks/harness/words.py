"""Names of losses in words, as figures have them; tables have the names that one writes."""

from __future__ import annotations

_WORDS = {
    "cross_entropy": "cross-entropy",
    "gce": "GCE",
    "sce": "SCE",
    "mae": "MAE",
    "agce": "AGCE",
    "ngl": "NGL",
    "nce_rce": "NCE+RCE",
    "anl_ce": "ANL-CE",
    "jal_ce": "JAL-CE",
    "poly1": "Poly-1",
    "brier": "Brier",
    "maxsup": "MaxSup",
    "baikal": "Baikal",
    "bi_tempered": "bi-tempered",
    "paper-classwise": "published method, classwise",
    "paper-concat": "published method, concat",
}


def loss_in_words(name: str) -> str:
    """The name of a loss in words.

    Example:
        >>> loss_in_words("label_smoothing"), loss_in_words("gce"), loss_in_words("evolved-noise")
        ('label smoothing', 'GCE', 'evolved-noise')
    """
    return _WORDS.get(name, name.replace("_", " "))
