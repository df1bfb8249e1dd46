"""The page that says how to ask, made once from the OpenAPI document; it needs no network."""

from __future__ import annotations

from typing import Any

from plane_anomalib.web.pages import render_page


def docs_page(document: dict[str, Any]) -> str:
    """Write the page.

    Args:
        document: OpenAPI, as `/openapi.json` gives it.

    Returns:
        One HTML page with a form to try it, without scripts.
    """
    return render_page("service.html", document=document)
