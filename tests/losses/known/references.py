"""The known losses in plain Python: one sample, one class at a time, straight from the formulas."""

from __future__ import annotations

import math
from collections.abc import Callable


def softmax(logits: list[float]) -> list[float]:
    largest = max(logits)
    exps = [math.exp(z - largest) for z in logits]
    return [e / sum(exps) for e in exps]


def one_hot(k: int, n_classes: int) -> list[float]:
    return [1.0 if j == k else 0.0 for j in range(n_classes)]


def cross_entropy(logits: list[float], k: int) -> float:
    return -math.log(softmax(logits)[k])


def label_smoothing(logits: list[float], k: int) -> float:
    labels = [0.9 * q + 0.1 / len(logits) for q in one_hot(k, len(logits))]
    return -sum(q * math.log(p) for q, p in zip(labels, softmax(logits), strict=True))


def focal(logits: list[float], k: int, gamma: float = 2.0) -> float:
    p = softmax(logits)[k]
    return -((1 - p) ** gamma) * math.log(p)


def poly1(logits: list[float], k: int) -> float:
    p = softmax(logits)[k]
    return -math.log(p) + 2.0 * (1 - p)


def gce(logits: list[float], k: int) -> float:
    return (1 - softmax(logits)[k] ** 0.7) / 0.7


def rce(logits: list[float], k: int, log_zero: float) -> float:
    labels = one_hot(k, len(logits))
    log_labels = [0.0 if q == 1.0 else log_zero for q in labels]
    return -sum(p * log_q for p, log_q in zip(softmax(logits), log_labels, strict=True))


def sce(logits: list[float], k: int) -> float:
    return 0.1 * cross_entropy(logits, k) + 1.0 * rce(logits, k, -4.0)


def mae(logits: list[float], k: int) -> float:
    return sum(abs(p - q) for p, q in zip(softmax(logits), one_hot(k, len(logits)), strict=True))


def brier(logits: list[float], k: int) -> float:
    return sum((p - q) ** 2 for p, q in zip(softmax(logits), one_hot(k, len(logits)), strict=True))


def nce(logits: list[float], k: int) -> float:
    return cross_entropy(logits, k) / sum(cross_entropy(logits, j) for j in range(len(logits)))


def nce_rce(logits: list[float], k: int) -> float:
    return nce(logits, k) + rce(logits, k, math.log(1e-4))


def agce(logits: list[float], k: int, a: float = 6.0, q: float = 1.5) -> float:
    return ((a + 1) ** q - (a + softmax(logits)[k]) ** q) / q


def anl_ce(logits: list[float], k: int) -> float:
    margins = [-math.log(1e-7) + math.log(max(p, 1e-7)) for p in softmax(logits)]
    return 5.0 * nce(logits, k) + 5.0 * (1 - margins[k] / sum(margins))


def jal_ce(logits: list[float], k: int) -> float:
    labels = [30.0 * q for q in one_hot(k, len(logits))]
    amse = sum((a - p) ** 2 for a, p in zip(labels, softmax(logits), strict=True)) / len(logits)
    return nce(logits, k) + amse


def baikal(logits: list[float], k: int) -> float:
    labels, probs = one_hot(k, len(logits)), softmax(logits)
    return -sum(math.log(p) - t / p for p, t in zip(probs, labels, strict=True)) / len(logits)


def tempered_softmax(logits: list[float], t: float) -> list[float]:
    """By bisection on the normaliser; t above 1."""

    def probs(normaliser: float) -> list[float]:
        return [(1 + (t - 1) * (normaliser - z)) ** (-1 / (t - 1)) for z in logits]

    low = max(logits)
    high = low + (len(logits) ** (t - 1) - 1) / (t - 1)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(probs(middle)) > 1 else (low, middle)
    return probs(high)


def bi_tempered(logits: list[float], k: int, t1: float = 0.8, t2: float = 1.2) -> float:
    def log_t(u: float) -> float:
        return (u ** (1 - t1) - 1) / (1 - t1)

    total = 0.0
    for p, q in zip(tempered_softmax(logits, t2), one_hot(k, len(logits)), strict=True):
        total += q * (log_t(q) - log_t(p)) if q > 0 else 0.0
        total -= (q ** (2 - t1) - p ** (2 - t1)) / (2 - t1)
    return total


def maxsup(logits: list[float], k: int) -> float:
    return cross_entropy(logits, k) + 0.1 * (max(logits) - sum(logits) / len(logits))


def ngl(logits: list[float], k: int) -> float:
    pairs = zip(softmax(logits), one_hot(k, len(logits)), strict=True)
    terms = [math.exp(2.4092 - p * (1 + t)) - math.cos(math.cos(math.sin(p))) for p, t in pairs]
    return sum(terms) / len(terms)


def smoothed_log(logits: list[float], k: int, share: float = 1.0) -> float:
    e = 1 / (share * len(logits))
    return (1 + 1 / share) * math.log((1 + e) / (softmax(logits)[k] + e))


REFERENCES: dict[str, Callable[[list[float], int], float]] = {
    "cross_entropy": cross_entropy,
    "label_smoothing": label_smoothing,
    "focal": focal,
    "focal-0.5": lambda logits, k: focal(logits, k, gamma=0.5),
    "focal-0": cross_entropy,
    "poly1": poly1,
    "gce": gce,
    "sce": sce,
    "mae": mae,
    "brier": brier,
    "nce_rce": nce_rce,
    "agce": agce,
    "agce-0.6": lambda logits, k: agce(logits, k, a=0.6, q=0.6),
    "anl_ce": anl_ce,
    "jal_ce": jal_ce,
    "baikal": baikal,
    "bi_tempered": bi_tempered,
    "bi_tempered-t2=1": lambda logits, k: bi_tempered(logits, k, t1=0.7, t2=1 + 1e-9),
    "bi_tempered-t1=1": lambda logits, k: bi_tempered(logits, k, t1=1 - 1e-9, t2=4.0),
    "maxsup": maxsup,
    "ngl": ngl,
    "smoothed_log": smoothed_log,
    "smoothed_log-16": lambda logits, k: smoothed_log(logits, k, share=16.0),
}
