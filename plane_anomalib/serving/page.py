"""The page that says how to ask, made once from the OpenAPI document; it needs no network."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import jinja2


def docs_page(document: dict[str, Any]) -> str:
    """Write the page.

    Args:
        document: OpenAPI, as `/openapi.json` gives it.

    Returns:
        One HTML page with a form to try it, without scripts.
    """
    source = files("plane_anomalib.serving").joinpath("web/docs.html").read_text("utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        source
    )
    return template.render(document=document)
