"""Configuration of the documentation site, which ``nox -s docs`` builds into ``build/site``."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # for docs._sphinx

from hookkey_verify import __version__  # noqa: E402 - needs the path

project = "hookkey_verify"
author = "The hookkey_verify contributors"
copyright = author  # noqa: A001 - Sphinx chooses the name
release = version = __version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
    "docs._sphinx.extension",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_sphinx"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
autoclass_content = "both"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
add_module_names = False
python_maximum_signature_line_length = 88
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
highlight_language = "none"
html_theme = "furo"
html_title = "hookkey_verify"
html_extra_path = ["console-dark.png", "console-light.png"]  # of the HTML in emulator.md
html_static_path = ["_sphinx/static"]
html_css_files = ["site.css"]
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options: dict[str, list[str]] = {"top_of_page_buttons": []}
