"""The table of docs/how-to/frameworks.md, from what came of the tests of each tool.

``python -m tests.integrations.table`` prints it, ``--write`` writes it into the page.
"""

from __future__ import annotations

import argparse
import json
import re
from typing import Any

from tests.integrations.glue import PAGE
from tests.integrations.matrix import ENDS, ENVIRONMENTS, RESULTS, capabilities, glue_of

BEGIN = "<!-- frameworks: python -m tests.integrations.table --write -->\n"
END = "<!-- frameworks end -->\n"


def results_of(tool: str) -> list[dict[str, Any]]:
    """The results of a tool that are there, the oldest version first."""
    paths = [RESULTS / f"{tool}-{end}.json" for end in reversed(ENDS)]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]


def row(tool: str) -> str:
    """The row of a tool."""
    environment = ENVIRONMENTS[tool]
    found = results_of(tool)
    ran = [result for result in found if "version" in result]
    works = [what for what in capabilities(tool) if ran and all(what in result["works"] for result in ran)]
    tests = " and ".join(
        f"{result['passed']} of {result['passed'] + len(result['failed'])}" for result in ran
    )
    extra, glue = environment.get("install"), glue_of(tool)
    cells = [
        f"[{environment['title']}]({link(tool)})",
        environment["what"],
        " and ".join(dict.fromkeys(result["version"] for result in ran)) or "not run",
        ", ".join(works) or "–",
        "–" if glue is None else str(glue),
        tests or "–",
        f"`pip install '.[{extra}]'`" if extra else "–",
    ]
    return f"| {' | '.join(cells)} |"


def link(tool: str) -> str:
    """What the row of a tool links to: a section of this page, or a page of its own."""
    environment = ENVIRONMENTS[tool]
    page = environment.get("page", "")
    section = environment.get("section", "" if page else environment["title"])
    return page + (f"#{anchor(section)}" if section else "")


def anchor(section: str) -> str:
    """The anchor of a section of the page."""
    return re.sub(r"[^\w-]", "", section.lower().replace(" ", "-"))


def table() -> str:
    """The whole table, and what could not be run."""
    lines = [
        "| tool | what there is | versions run | what works | lines of glue | tests passed | install |",
        "| --- | --- | --- | --- | ---: | --- | --- |",
        *(row(tool) for tool in ENVIRONMENTS),
    ]
    every = [result for tool in ENVIRONMENTS for result in results_of(tool)]
    places = sorted(
        {f"Python {result['python']}, PyTorch {result['torch']}" for result in every if "torch" in result}
    )
    if places:
        lines += ["", f"With {'; '.join(places)}."]
    lines += [
        f"{ENVIRONMENTS[result['tool']]['title']} {result['end']} could not be run: {result['reason']}."
        for result in every
        if "reason" in result
    ]
    return "\n".join(lines) + "\n"


def written(text: str) -> str:
    """The text of the page with the table in its place."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write it into the page")
    if not parser.parse_args().write:
        print(table(), end="")
        return
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
