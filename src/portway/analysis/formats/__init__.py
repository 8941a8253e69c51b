"""Reports as texts for machines and people: one format a module, `render(report) -> str` in each; pure."""

from collections.abc import Callable, Mapping

from portway.analysis.formats import github, html, json, junit, markdown, sarif
from portway.analysis.lint import Report

FORMATS: Mapping[str, Callable[[Report], str]] = {
    "json": json.render,
    "yaml": json.render_yaml,
    "sarif": sarif.render,
    "junit": junit.render,
    "github": github.render,
    "markdown": markdown.render,
    "html": html.render,
}
"""By the name that `-o` takes; `text`, which may have colours, is the command line's own."""
