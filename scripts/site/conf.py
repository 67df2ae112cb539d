# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx's configuration of the documentation site; build.py writes the pages that it reads."""

project = "Callao"
author = "The Callao authors"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
html_theme = "furo"
html_title = "Callao"
html_static_path = ["static"]
html_css_files = ["callao.css"]
html_show_copyright = False
myst_heading_anchors = 3
nitpicky = True
nitpick_ignore_regex = [("ansplugin|ansopt|ansretval|envvar", ".*")]
pygments_style = "ansible"
suppress_warnings = ["misc.highlighting_failure"]  # examples of YAML with Jinja2 in it
