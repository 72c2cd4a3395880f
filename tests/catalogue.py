"""For the tests of the catalogue: every preset, and the options that it needs."""

import importlib
import inspect
import pkgutil

from django_dance import contrib
from django_dance.providers import Provider

#: Options without which a preset cannot be used, by module.
REQUIRED = {
    "apple": {"team_id": "TEAM", "key_id": "KEY"},
    "ebay": {"ru_name": "My-RuName"},
    "jira": {"base_url": "https://jira.example.com"},
    "jira_oauth2": {"base_url": "https://jira.example.com"},
    "myanimelist": {"allow_plain_pkce": True},
}
#: Values for the facts that a preset requires.
EXAMPLES = {
    "host": "host.example.com",
    "realm": "realm",
    "subdomain": "acme",
    "tenant": "acme",
}


#: Modules of protocols: each server has facts of its own. They have tests of their own.
WITHOUT_FACTS = {"mcp"}


def presets():
    """Module name → the one preset class in it."""
    found = {}
    for module_info in pkgutil.iter_modules(contrib.__path__):
        if module_info.name in WITHOUT_FACTS:
            continue
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


def required(name, cls):
    """The options that ``name`` cannot do without."""
    options = dict(REQUIRED.get(name, {}))
    told = " ".join(map(str, cls(name, **options).problems()))
    return {
        **{fact: text for fact, text in EXAMPLES.items() if f"has no {fact.upper()}." in told},
        **options,
    }


PRESETS = presets()
