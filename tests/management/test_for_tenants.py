"""The command of docs/deployment.md that runs a command for each tenant of django-tenants."""

import sys
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from ..documents import DOCS, load_module


@pytest.fixture
def example(monkeypatch):
    """The command, with a stand-in for django-tenants that has three tenants."""
    names = ["public", "acme", "opal"]

    @contextmanager
    def tenant_context(tenant):
        example.current = tenant.schema_name
        yield
        example.current = "public"

    def exclude(schema_name):
        return [SimpleNamespace(schema_name=name) for name in names if name != schema_name]

    utils = ModuleType("django_tenants.utils")
    utils.get_public_schema_name = lambda: "public"
    utils.get_tenant_model = lambda: SimpleNamespace(objects=SimpleNamespace(exclude=exclude))
    utils.tenant_context = tenant_context
    monkeypatch.setitem(sys.modules, "django_tenants", ModuleType("django_tenants"))
    monkeypatch.setitem(sys.modules, "django_tenants.utils", utils)
    example = load_module(DOCS / "examples" / "for_tenants.py")
    example.current = "public"
    return example


def test_it_goes_on_after_a_tenant_whose_command_failed(example, monkeypatch):
    runs = []

    def run(name):
        runs.append((name, example.current))
        if example.current == "acme":
            raise CommandError("Some tokens could not be refreshed.")

    monkeypatch.setattr(example, "call_command", run)
    with pytest.raises(CommandError, match=r"^acme: Some tokens could not be refreshed\.$"):
        call_command(example.Command(), "dance_refresh")
    assert runs == [("dance_refresh", "acme"), ("dance_refresh", "opal")]


def test_it_succeeds_if_each_command_succeeds(example, monkeypatch):
    runs = []
    monkeypatch.setattr(example, "call_command", lambda name: runs.append(example.current))
    call_command(example.Command(), "dance_prune")
    assert runs == ["acme", "opal"]
