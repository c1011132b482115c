from __future__ import annotations

import io
import itertools
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evoloss.diagnostics import Curve, loss_curve
from evoloss.errors import ConfigError, MissingExtraError
from evoloss.report.loss_figures import canonical_scale, gradient_profiles_figure, loss_curves_figure
from tests.diagnostics import reference_losses
from tests.losses.evolved_losses import evolved
from tests.sampling import sampled

NAMES = ("cross_entropy", "mae", "gce", "smoothed", "negated")
FIGURES = (loss_curves_figure, gradient_profiles_figure)


@pytest.fixture(scope="module")
def curves() -> dict[str, Curve]:
    return {name: loss_curve(reference_losses.LOSSES[name], points=61) for name in NAMES}


def pixels(path: Path) -> np.ndarray:
    from matplotlib import image

    return np.asarray(image.imread(io.BytesIO(path.read_bytes()), format="png"))


@pytest.mark.parametrize(("draw", "canonical"), sampled(itertools.product(FIGURES, [False, True]), 3))
def test_pngs_show_every_curve(draw, canonical: bool, curves: dict[str, Curve], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "new" / "figure.png"
    draw(curves, path, title="A title", canonical=canonical)
    image = (pixels(path)[..., :3] * 255).round().astype(int)
    assert image.shape[0] > 400
    assert image.shape[1] > 1000
    for colour in ("0072B2", "D55E00", "009E73", "CC79A7", "000000"):
        wanted = [int(colour[i : i + 2], 16) for i in (0, 2, 4)]
        assert (np.abs(image - wanted).max(axis=2) <= 3).sum() > 100, colour
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("draw", "suffix"), sampled(itertools.product(FIGURES, ["png", "svg"]), 3))
def test_equal_curves_make_equal_files(draw, suffix: str, curves: dict[str, Curve], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for name in ("a", "b"):
        draw({"mae": curves["mae"]}, tmp_path / f"{name}.{suffix}")
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_the_axes_and_losses_are_named(curves: dict[str, Curve], tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    import matplotlib

    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")
    loss_curves_figure(curves, tmp_path / "figure.svg", title="Five losses", canonical=True)
    text = (tmp_path / "figure.svg").read_text()
    for wanted in (
        "cross-entropy",
        *NAMES[1:],
        "Five losses",
        "loss (canonical scale)",
        "probability of the label",
    ):
        assert wanted in text


def test_a_loss_that_sees_the_other_classes_has_a_second_line(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    import matplotlib

    from evoloss.losses import LOSSES

    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")
    for name, loss in (
        ("gce", LOSSES["gce"](reduction="none")),
        ("tempered", evolved("tempered", reduction="none")),
    ):
        even, rival = (loss_curve(loss, points=61, rest=rest) for rest in ("uniform", "rival"))
        path = tmp_path / f"{name}.svg"
        gradient_profiles_figure({name: even}, path, canonical=True, rivals={name: rival})
        shown = f"{name}, contradicted by one class" in path.read_text()
        assert shown == (name == "tempered")


def test_canonical_scale_leaves_cross_entropy_and_unifies_multiples(curves: dict[str, Curve]) -> None:
    scaled = canonical_scale(curves["cross_entropy"])
    assert scaled.loss == pytest.approx(curves["cross_entropy"].loss, rel=1e-2, abs=1e-7)
    multiple = loss_curve(lambda z, y: 7 * reference_losses.mae(z, y) - 3, points=61)
    assert canonical_scale(multiple).loss == pytest.approx(canonical_scale(curves["mae"]).loss, abs=1e-9)
    # 2 (1 - p) has gradient 2 p (1 - p), 0.18 at p = 0.1; cross-entropy has 0.9.
    fine = canonical_scale(loss_curve(reference_losses.mae, points=401))
    assert max(fine.loss) == pytest.approx(10.0, rel=1e-3)


def test_canonical_scale_only_shifts_what_does_not_point_down(curves: dict[str, Curve]) -> None:
    scaled = canonical_scale(curves["negated"])
    assert min(scaled.loss) == 0.0
    assert scaled.gradient == curves["negated"].gradient


@pytest.mark.parametrize("draw", FIGURES)
def test_values_that_are_not_finite_are_left_out(draw, curves: dict[str, Curve], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    curve = curves["mae"]
    n = len(curve.p)
    broken = replace(curve, loss=(math.inf,) * 10 + curve.loss[10:], gradient=(math.nan,) * n)
    nowhere = replace(curve, loss=(math.nan,) * n, gradient=(-math.inf,) * n)
    draw({"broken": broken, "nowhere": nowhere}, tmp_path / "figure.png", canonical=True)
    assert pixels(tmp_path / "figure.png").std() > 0.01


@pytest.mark.parametrize("draw", FIGURES)
def test_invalid_calls_are_refused(draw, curves: dict[str, Curve], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match="no curves to draw"):
        draw({}, tmp_path / "figure.png")
    with pytest.raises(ConfigError, match=r"\.png, \.svg, got 'figure\.bmp'"):
        draw(curves, tmp_path / "figure.bmp")
    assert not any(tmp_path.iterdir())


def test_without_matplotlib_the_error_names_the_extra(
    curves: dict[str, Curve], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"evoloss\[report\]"):
        loss_curves_figure(curves, tmp_path / "figure.png")


@pytest.mark.parametrize("draw", FIGURES)
def test_names_are_no_formulas(draw, curves: dict[str, Curve], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    names = {"mae": "a$b$^{", "gce": "x\x1b[2J" + "z" * 500, "cross_entropy": "cross_entropy"}
    odd = {name: curves[key] for key, name in names.items()}
    draw(odd, tmp_path / "odd.png", title="$^{ and more")
    assert (tmp_path / "odd.png").stat().st_size > 10_000


@pytest.mark.parametrize(("count", "is_direct"), [(5, True), (7, False)])
def test_few_lines_have_their_names_beside_them_and_many_a_legend(
    count: int, is_direct: bool, curves: dict[str, Curve], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    made: list[Figure] = []
    draw = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *args, **more: (made.append(self), draw(self, *args, **more))[1]
    )
    names = {f"loss-{place}": curves[NAMES[place % len(NAMES)]] for place in range(count)}
    loss_curves_figure(names, tmp_path / "figure.svg")
    (figure,) = made
    assert bool(figure.legends) is not is_direct
    beside = {text.get_text(): text.get_position()[1] for text in figure.axes[1].texts}
    assert set(beside) == (set(names) if is_direct else set())
    heights = sorted(beside.values())
    assert all(high - low > 0.07 for low, high in itertools.pairwise(heights))
