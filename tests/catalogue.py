"""What tests of the catalogue have in common: every preset there is, ready to be made."""

import importlib
import inspect
import pkgutil

from django_dance import contrib
from django_dance.providers import Provider

#: Options without which a preset cannot be used, by module.
REQUIRED = {
    "jira": {"base_url": "https://jira.example.com"},
}


def presets():
    """Module name → the one preset class in it."""
    found = {}
    for module_info in pkgutil.iter_modules(contrib.__path__):
        module = importlib.import_module(f"{contrib.__name__}.{module_info.name}")
        classes = [
            value
            for value in vars(module).values()
            if inspect.isclass(value)
            and issubclass(value, Provider)
            and value.__module__ == module.__name__
        ]
        assert len(classes) == 1, f"{module.__name__} must define one preset"
        found[module_info.name] = classes[0]
    return found


PRESETS = presets()
