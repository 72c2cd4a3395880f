"""For tests of the documentation: its modules."""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"


def load_module(path):
    """The module in a file that no package holds."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


#: The extension that writes the catalogue. It does not need Sphinx.
PRESETS = load_module(DOCS / "_ext" / "presets.py")
