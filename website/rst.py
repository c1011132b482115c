"""Docstrings as Markdown: the roles and directives of Sphinx that they use are rewritten."""

from __future__ import annotations

import re

_MATH_BLOCK = re.compile(r"^([ ]*)\.\. math::[ ]*(.*\n(?:\1[ ]+\S.*\n|[ ]*\n(?=\1[ ]+\S))*)", re.MULTILINE)
_MATH = re.compile(r":math:`([^`]+)`")
_ROLE = re.compile(r":(?:func|class|meth|mod|data|attr|exc|const):`~?([^`]+)`")
_LITERAL = re.compile(r"``([^`]+)``")


def to_markdown(text: str) -> str:
    r"""Rewrite a docstring: ``:math:`` as dollars, other roles and literals as code.

    Example:
        >>> print(to_markdown(r"See :func:`~evoloss.losses.gce`, :math:`p_y^q` and ``(N, C)``."))
        See `evoloss.losses.gce`, $p_y^q$ and `(N, C)`.
    """
    text = _MATH_BLOCK.sub(_block, f"{text}\n")[:-1]
    text = _MATH.sub(lambda found: f"${' '.join(found[1].split())}$", text)
    text = _ROLE.sub(lambda found: f"`{' '.join(found[1].split())}`", text)
    return _LITERAL.sub(lambda found: f"`{found[1]}`", text)


def formulas(text: str) -> list[str]:
    """The TeX of a docstring: its blocks, or what stands between dollars in its first paragraph.

    Example:
        >>> formulas(r"Generalised cross-entropy, :math:`(1 - p_y^q) / q`; 0 at p_y = 1.")
        ['(1 - p_y^q) / q']
    """
    markdown = to_markdown(text)
    blocks = [" ".join(found.split()) for found in re.findall(r"\$\$\n(.*?)\n *\$\$", markdown, re.DOTALL)]
    return blocks or re.findall(r"\$([^$]+)\$", markdown.split("\n\n")[0])


def _block(found: re.Match[str]) -> str:
    indent, body = found[1], " ".join(found[2].split())
    return f"{indent}$$\n{indent}{body}\n{indent}$$\n"
