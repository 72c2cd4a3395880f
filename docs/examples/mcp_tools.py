"""A page on which users add MCP servers, list the tools of one, and call a tool.

Copy it to ``mysite/mcp_tools.py``, and its template to ``templates/mcp_tools.html``.
"""

import json

from asgiref.sync import sync_to_async
from django import forms
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.shortcuts import render
from django.urls import path
from mcp import MCPError

from django_dance.interop import mcp_client


class CallForm(forms.Form):
    """A tool, and its arguments as a JSON object."""

    tool = forms.CharField(max_length=200)
    arguments = forms.CharField(initial="{}", max_length=10_000, widget=forms.Textarea)

    def clean_arguments(self):
        try:
            arguments = json.loads(self.cleaned_data["arguments"])
        except ValueError as error:
            raise ValidationError("This is not JSON.") from error
        if not isinstance(arguments, dict):
            raise ValidationError("This is not a JSON object.")
        return arguments


@login_required
async def tools(request):
    """The servers of the user; with ``?server=`` the tools of one; with a form a call of a tool."""
    context = {"servers": await sync_to_async(request.oauth.mcp.places)()}
    if "server" not in request.GET:
        return await sync_to_async(render)(request, "mcp_tools.html", context)
    session = request.oauth.mcp.at(request.GET["server"])
    form = CallForm(request.POST or None)
    # Without a connection, or if a tool needs another permission, the middleware of django-dance
    # leads the user to the server.
    async with mcp_client(session) as client:
        context |= {"server": session.place, "tools": (await client.list_tools()).tools}
        if form.is_valid():
            try:
                called = await client.call_tool(
                    form.cleaned_data["tool"], form.cleaned_data["arguments"]
                )
                context["answer"] = [part.text for part in called.content if part.type == "text"]
            except MCPError as error:
                context["answer"] = [str(error)]
    return await sync_to_async(render)(request, "mcp_tools.html", {**context, "form": form})


urlpatterns = [path("tools/", tools, name="tools")]
