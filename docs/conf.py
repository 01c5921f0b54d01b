# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Configuration of Sphinx for `make docs` and for rosdoc2.

rosdoc2 executes this file from a configuration in another folder, so paths are taken from the
source folder that Sphinx was given, not from `__file__`.
"""

from importlib.util import module_from_spec, spec_from_file_location
import os
from pathlib import Path
import re

from sphinx.application import Sphinx
from sphinx.config import Config

project = 'improv_ros'
author = 'improv_ros maintainers'
copyright = '2026, improv_ros maintainers'

extensions = ['myst_parser', 'autodoc2']
exclude_patterns = ['_build']
html_theme = 'sphinx_rtd_theme'

# As the repository's web page shows it: links to headings.
myst_heading_anchors = 4

# The API reference is read from the sources; no module is imported.
autodoc2_output_dir = 'reference/generated/api'
autodoc2_render_plugin = 'myst'
autodoc2_hidden_objects = {'dunder', 'private', 'inherited', 'undoc'}

rosdoc2_settings = {'enable_autodoc': False, 'support_markdown': False}

LINK_OUT = re.compile(r'\[([^\]]*)\]\(((?:\.\./)+[^)#\s]*)\)')


def prepare(app: Sphinx, config: Config) -> None:
    """Name the package to autodoc2 and write the generated pages, before pages are looked for."""
    docs = Path(app.srcdir)
    package = docs.parent / 'improv_ros'
    config.autodoc2_packages = [{'path': os.path.relpath(package, docs), 'auto_mode': True}]
    version = re.search(r"__version__ = '(.*)'", (package / '__init__.py').read_text())
    assert version
    config.release = config.version = version[1]
    spec = spec_from_file_location('generate', docs / 'reference' / 'generate.py')
    assert spec and spec.loader
    generate = module_from_spec(spec)
    spec.loader.exec_module(generate)
    generate.write_pages(docs.parent, docs / 'reference' / 'generated')


def unlink_outside(app: Sphinx, name: str, source: list[str]) -> None:
    """Replace links to folders and pages outside of docs/ by their text: they are not built.

    Links to other files of the repository become downloads.
    """
    folder = Path(app.env.doc2path(name)).parent

    def text_or_link(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        outside = not target.is_relative_to(Path(app.srcdir).resolve())
        return link[1] if outside and (target.is_dir() or target.suffix == '.md') else link[0]

    source[0] = LINK_OUT.sub(text_or_link, source[0])


def setup(app: Sphinx) -> None:
    """Connect the two functions above."""
    app.connect('config-inited', prepare)
    app.connect('source-read', unlink_outside)
