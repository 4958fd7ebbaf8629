"""Sphinx's settings. `make site` assembles the sources in build/site-source and copies this file there."""

import importlib.metadata

project = "Distillab"
author = "The Distillab authors"
copyright = "The Distillab authors, Apache License 2.0"
release = version = importlib.metadata.version("distillab")
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
exclude_patterns = ["_static"]

html_theme = "furo"
html_title = "Distillab"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_extra_path = ["_extra"]
html_css_files = ["explorers.css", "site.css"]
html_js_files = [("theme.js", {"loading_method": "defer"}), ("explorers.js", {"loading_method": "defer"})]
html_copy_source = html_show_sourcelink = False  # the pages of labs are their source
html_show_sphinx = False

# Everything a page needs is beside it: MathJax comes from its npm package, and only where a page has formulas.
mathjax_path = "mathjax/tex-svg.js"
mathjax3_config = {"options": {"enableMenu": False}}

nb_execution_mode = "off"  # outputs are stored; a build runs nothing
nb_merge_streams = True
nb_render_markdown_format = "myst"
myst_enable_extensions = ["dollarmath", "colon_fence", "attrs_inline", "attrs_block", "deflist"]
myst_heading_anchors = 3
myst_dmath_double_inline = True
suppress_warnings = ["mystnb.unknown_mime_type"]

default_role = "literal"  # our docstrings put code between single backticks
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
napoleon_google_docstring, napoleon_numpy_docstring = True, False
