"""Pages in a real browser, from disk: nothing is loaded, nothing is wrong, every control works."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evoloss.report.html import write_report
from tests.report.html.visit import LIMIT, Visit

WIDTHS = (390, 1440)


@pytest.fixture(scope="module")
def visit(browser: Any, page: Path) -> Iterator[Visit]:
    found = Visit(browser, page)
    yield found
    found.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_loads_from_disk_without_an_error_a_request_or_a_scroll_bar(
    browser: Any, page: Path, width: int, scheme: str
) -> None:
    opened = Visit(browser, page, width, scheme)
    assert opened.said == []
    assert opened.connections() == []
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    # All charts are drawn, and as wide as the page has room for.
    charts = opened.page.locator("figure .chart svg")
    assert charts.count() == 7
    boxes = [charts.nth(place).bounding_box() for place in range(7)]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= width and box["width"] > 200 for box in boxes)
    # Colours of the scheme: text and ground are far apart, and light on dark in the dark.
    light = opened.evaluate(
        """() => [getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]
        .map((text) => text.match(/[0-9]+/g).slice(0, 3).reduce((sum, value) => sum + +value, 0) / 765)"""
    )
    assert (light[0] > 0.85 and light[1] < 0.15) if scheme == "dark" else (light[0] < 0.2 and light[1] > 0.95)
    labels = opened.evaluate(
        "() => getComputedStyle(document.querySelector('#r0-curves svg .role-axis-label text')).fill"
    )
    assert labels == opened.evaluate("getComputedStyle(document.body).color")
    opened.context.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_of_the_page(browser: Any, page: Path, width: int) -> None:
    opened = Visit(browser, page, width)
    outside = opened.evaluate(
        """(width) => [...document.querySelectorAll("body *")].filter((element) => {
            const box = element.getBoundingClientRect();
            const apart = element.closest(".scroll, svg, .visually-hidden, .skip");
            return box.width && box.right > width + 1 && !apart;
        }).map((element) => element.outerHTML.slice(0, 80))""",
        width,
    )
    assert outside == []
    opened.context.close()


def test_names_that_are_attacks_are_text(visit: Visit) -> None:
    assert visit.said == []
    text = visit.page.locator("body").inner_text()
    assert "<script>alert(1)</script>" in text
    # In a tooltip too, which is made of the data.
    cell = visit.page.locator("#r0-confusion svg .mark-rect path").first
    cell.scroll_into_view_if_needed()
    cell.hover(force=True)
    tip = visit.page.locator("#vg-tooltip-element")
    tip.wait_for(state="visible")
    assert "<script>alert(1)</script>" in tip.inner_text()
    assert tip.locator("script").count() == 0
    assert visit.said == []


def test_every_control_changes_its_chart(visit: Visit) -> None:
    figures = visit.page.locator("figure")
    # What other classes have, and how far the batch agrees, count once something is sensed.
    visit.page.locator("#r0-shapes-4").fill("2")
    tried = 0
    for place in range(figures.count()):
        name = figures.nth(place).get_attribute("id")
        controls = figures.nth(place).locator("[data-control]")
        for which in range(controls.count()):
            control = controls.nth(which)
            boxes, choices, sliders = (
                control.locator(kind) for kind in ("input[type=checkbox]", "select", "input[type=range]")
            )
            if boxes.count():
                visit.changes(name, boxes.first.uncheck)
                visit.changes(name, boxes.first.check)
            elif choices.count():
                options = choices.first.locator("option").count()
                now = int(choices.first.input_value())
                visit.changes(name, lambda c=choices, n=(now + 1) % options: c.first.select_option(index=n))
                choices.first.select_option(index=now)
            else:
                slider = sliders.first
                slider.focus()
                now = slider.input_value()
                key = "ArrowLeft" if int(now) == int(slider.get_attribute("max")) else "ArrowRight"
                visit.changes(name, lambda k=key: visit.page.keyboard.press(k))
                assert slider.get_attribute("aria-valuetext") == control.locator("output").inner_text()
                assert slider.input_value() != now
            tried += 1
    assert tried == 13
    assert visit.said == []


def test_the_rows_that_are_drawn_are_those_chosen(visit: Visit) -> None:
    twin = json.loads(visit.page.locator("#numbers").text_content())
    rows = twin["reports"][0]["curves"]["rows"]
    figure = visit.page.locator("#r0-curves")

    def drawn() -> int:
        return int(figure.locator(".chart").get_attribute("data-rows"))

    figure.get_by_label("Accuracy on").select_option(index=0)
    expected = sum(len(row[6]) for row in rows if row[2] == "validation")
    visit.page.wait_for_function(f"document.querySelector('#r0-curves .chart').dataset.rows == {expected}")
    visit.changes("r0-curves", figure.get_by_role("checkbox", name="gce").uncheck)
    visit.page.wait_for_function(
        f"document.querySelector('#r0-curves .chart').dataset.rows == {expected - 36}"
    )
    visit.changes("r0-curves", figure.get_by_role("checkbox", name="1", exact=True).uncheck)
    visit.page.wait_for_function(
        f"document.querySelector('#r0-curves .chart').dataset.rows == {expected - 60}"
    )
    assert drawn() == expected - 60
    for box in figure.get_by_role("checkbox").all():
        box.check()


def test_the_table_is_sorted_from_the_keyboard(visit: Visit) -> None:
    table = visit.page.locator("table.sortable").first

    def order() -> list[str]:
        return [text.strip() for text in table.locator("tbody th").all_inner_texts()]

    button = table.get_by_role("button", name="Accuracy, %", exact=True)
    button.focus()
    visit.page.keyboard.press("Enter")
    assert order() == ["gce", "adaptive", "cross_entropy"]
    head = button.locator("xpath=ancestor::th")
    assert head.get_attribute("aria-sort") == "descending"
    visit.page.keyboard.press("Space")
    assert order() == ["cross_entropy", "adaptive", "gce"]
    assert head.get_attribute("aria-sort") == "ascending"
    table.get_by_role("button", name="Loss", exact=True).click()
    assert order() == ["adaptive", "cross_entropy", "gce"]
    assert head.get_attribute("aria-sort") is None
    status = table.locator("xpath=ancestor::section").get_by_role("status")
    assert status.inner_text() == "Sorted by Loss, ascending."


def test_suspects_are_those_of_the_loss_that_is_chosen(visit: Visit) -> None:
    choice = visit.page.get_by_label("Ranked by the classifier trained with")
    # That of the verdict first: rows of a table.
    assert visit.page.locator("[data-part-of]:visible table").count() == 1
    choice.select_option(label="adaptive, seed 0")
    assert visit.page.locator("[data-part-of]:visible").count() == 1
    pictures = visit.page.locator("[data-part-of]:visible img")
    assert pictures.count() == 24
    pictures.first.scroll_into_view_if_needed()
    visit.page.wait_for_function(
        "[...document.querySelectorAll('[data-part-of]:not([hidden]) img')].every((i) => "
        "i.naturalWidth === 28)"
    )
    choice.select_option(label="gce, seed 0")


def test_downloads_are_the_twin_and_a_table(visit: Visit, page: Path, tmp_path: Path) -> None:
    saved = {}
    for name in ("All numbers (JSON)", "Table of losses (CSV)"):
        with visit.page.expect_download() as download:
            visit.page.get_by_role("button", name=name).click()
        download.value.save_as(tmp_path / download.value.suggested_filename)
        saved[download.value.suggested_filename] = (tmp_path / download.value.suggested_filename).read_bytes()
    assert set(saved) == {"report.json", "report-r0.csv"}
    twin = json.loads(page.with_suffix(".json").read_text())
    assert json.loads(saved["report.json"]) == twin
    rows = list(csv.DictReader(io.StringIO(saved["report-r0.csv"].decode())))
    losses = twin["reports"][0]["losses"]
    assert [float(row["mean_test_accuracy"]) for row in rows] == [
        loss["mean_test_accuracy"] for loss in losses
    ]
    assert rows[1]["ci_low_holm"] == str(losses[1]["difference"]["ci_low_holm"])


def test_dark_and_light_can_be_chosen(visit: Visit) -> None:
    button = visit.page.get_by_role("button", name="Dark or light")
    before = visit.evaluate("getComputedStyle(document.body).backgroundColor")
    visit.changes("r0-curves", button.click)
    assert visit.evaluate("getComputedStyle(document.body).backgroundColor") != before
    visit.changes("r0-curves", button.click)
    assert visit.evaluate("getComputedStyle(document.body).backgroundColor") == before
    assert visit.said == []


def test_the_keyboard_reaches_everything_in_order_and_shows_where_it_is(visit: Visit) -> None:
    reachable = visit.evaluate(
        """() => [...document.querySelectorAll("button, select, input, summary, a[href], [tabindex='0']")]
        .filter((element) => element.checkVisibility()).length"""
    )
    visit.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    visit.page.locator("body").click(position={"x": 1, "y": 1})
    seen = []
    for _ in range(reachable + 5):
        visit.page.keyboard.press("Tab")
        found = visit.evaluate(
            """() => { const here = document.activeElement;
            if (here === document.body || here === document.documentElement) return null;
            const style = getComputedStyle(here);
            const place = [...document.querySelectorAll("*")].indexOf(here);
            return [place, style.outlineStyle, here.outerHTML.slice(0, 60)]; }"""
        )
        if found is None:
            break
        seen.append(found)
    places = [place for place, _, _ in seen]
    assert len(set(places)) >= reachable
    assert places[:reachable] == sorted(places[:reachable])
    assert all(style == "solid" for _, style, _ in seen[:reachable]), seen


def test_a_screen_reader_hears_names(visit: Visit) -> None:
    unnamed = visit.evaluate(
        """() => [...document.querySelectorAll("button, select, input, [role='region'], figure")]
        .filter((element) => !element.textContent.trim() && !element.labels?.[0]?.textContent.trim() &&
            !element.getAttribute("aria-label") && !element.getAttribute("aria-labelledby"))
        .map((element) => element.outerHTML.slice(0, 80))"""
    )
    assert unnamed == []
    charts = visit.page.locator("figure .chart svg")
    for place in range(charts.count()):
        assert len(charts.nth(place).get_attribute("aria-label")) > 20
    assert visit.page.locator("main").count() == 1
    assert visit.page.locator("html").get_attribute("lang") == "en"


def test_without_scripts_the_tables_are_there(browser: Any, page: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(page.as_uri(), timeout=LIMIT)
    assert "gce is 19.2 points better than cross_entropy" in opened.locator(".verdict").inner_text()
    assert opened.locator("table.sortable tbody tr").count() == 3
    assert "need JavaScript" in opened.locator("noscript").inner_text()
    context.close()


@pytest.fixture(scope="module")
def search_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from evoloss import PretrainConfig, pretrain

    folder = tmp_path_factory.mktemp("search")
    config = PretrainConfig(
        generations=4, popsize=8, pairs=32, classes=(3,), eval_every=2, network="monotone", strategy="es_plus"
    )
    pretrain(config).save(folder / "mine")
    write_report([folder / "mine"], folder / "search.html")
    return folder / "search.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_search_has_a_page_too(browser: Any, search_page: Path, width: int, scheme: str) -> None:
    opened = Visit(browser, search_page, width, scheme)
    for closed in opened.page.locator("details").all():
        closed.locator("summary").click()
    assert opened.said == []
    assert opened.connections() == []
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    opened.changes(
        "r0-shapes", opened.page.locator("#r0-shapes").get_by_role("checkbox", name="mine").uncheck
    )
    opened.context.close()


def test_the_lineage_can_be_read_without_eyes_and_without_a_mouse(browser: Any, search_page: Path) -> None:
    opened = Visit(browser, search_page)
    lineage = opened.page.get_by_role("region", name="Lineage: what the loss descends from")
    figure = lineage.get_by_role("group", name="Line of descent")
    assert "parents of each generation" in figure.locator("svg").get_attribute("aria-label")
    parents = figure.get_by_role("checkbox", name="parents, on what their generation saw")
    parents.focus()
    opened.changes("r0-descent", lambda: opened.page.keyboard.press("Space"))
    assert not parents.is_checked()
    lineage.locator("summary").focus()
    opened.page.keyboard.press("Enter")
    twin = json.loads(search_page.with_suffix(".json").read_text())["reports"][0]["lineage"]
    rows = lineage.locator("details tbody tr")
    assert rows.count() == len(twin["generations"]["rows"]) == twin["generations"]["rows"][-1][0]
    assert rows.first.locator("td").nth(1).inner_text() == twin["generations"]["rows"][0][1]
    with opened.page.expect_download() as download:
        opened.page.get_by_role("button", name="Line of descent (CSV)").click()
    saved = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert [row["parents"] for row in saved] == [row[1] for row in twin["generations"]["rows"]]
    opened.context.close()
