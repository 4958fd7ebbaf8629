"""Build the site into build/site: assemble its sources, then run Sphinx. Nothing is executed, no figure changes.

    python -m scripts.site          (make site)

DISTILLAB_REPOSITORY ("owner/name" on GitHub) makes the labs' buttons open them in Colab; GitHub's own workflows
set GITHUB_REPOSITORY, which is taken too.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

from scripts.site.api import write_reference
from scripts.site.explorers import write_explorers
from scripts.site.labs import lab_pages
from scripts.site.mathjax import vendor
from scripts.site.outputs import ROOT
from scripts.site.pages import write_pages

BUILD = ROOT / "build"
SOURCE, SITE, PACKAGES = BUILD / "site-source", BUILD / "site", BUILD / "npm"


def assemble(source: Path, repository: str = "") -> None:
    """Write Sphinx's complete source folder anew."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "docs" / "site", source)
    labs = lab_pages(source, source / "_extra" / "downloads", repository)
    write_pages(source, labs)
    modules = write_reference(source / "api")
    explorers = write_explorers(source, source / "_static")
    vendor(PACKAGES, source / "_static" / "mathjax")
    print(f"{len(labs)} labs, {modules} modules, {len(explorers)} explorers", flush=True)


def finish(site: Path) -> None:
    """Give the captions in the side bar the level that a heading needs; Sphinx leaves it out."""
    caption = '<p class="caption" role="heading"'
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace(f"{caption}>", f'{caption} aria-level="2">'), encoding="utf-8")


def main() -> int:
    """Build the site; return Sphinx's exit status."""
    from sphinx.cmd.build import main as sphinx

    start = time.perf_counter()
    assemble(SOURCE, os.environ.get("DISTILLAB_REPOSITORY") or os.environ.get("GITHUB_REPOSITORY", ""))
    shutil.rmtree(SITE, ignore_errors=True)
    status = sphinx(["-q", "-W", "--keep-going", "-b", "html", "-d", str(BUILD / "site-trees"), str(SOURCE), str(SITE)])
    if status == 0:
        finish(SITE)
        (SITE / ".nojekyll").touch()  # GitHub Pages leaves folders with an underscore alone
        print(f"{SITE.relative_to(ROOT)}/index.html, in {time.perf_counter() - start:.0f} s")
    return status


if __name__ == "__main__":
    sys.exit(main())
