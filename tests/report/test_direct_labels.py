from __future__ import annotations

import itertools

import pytest
from matplotlib.figure import Figure

from evoloss.report.direct_labels import label_ends


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_names_stand_apart_in_the_order_of_their_lines(scale: str) -> None:
    axes = Figure().subplots()
    axes.set(yscale=scale, ylim=(0.01, 1.0))
    ends = [(0.02, "low", "red"), (0.9, "high", "blue"), (0.021, "beside", "green"), (1e-9, "below", "black")]
    label_ends(axes, ends, gap=0.1)
    places = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert sorted(places, key=places.__getitem__) == ["below", "low", "beside", "high"]
    assert all(high - low >= 0.1 - 1e-9 for low, high in itertools.pairwise(sorted(places.values())))
    assert places["below"] == pytest.approx(0.0)
    assert places["high"] == pytest.approx(0.899 if scale == "linear" else 0.977, abs=2e-3)
    assert {text.get_text(): text.get_color() for text in axes.texts}["high"] == "blue"
