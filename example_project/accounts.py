"""Log in with one click: the users exist only in the demo, so they have no passwords."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.contrib.auth.views import RedirectURLMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.generic import TemplateView


class SignIn(RedirectURLMixin, TemplateView):
    """The page that asks which user to be, at the example site and at the providers."""

    template_name = "sign_in.html"
    next_page = "home"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(next=self.get_redirect_url(), **kwargs)

    def post(self, request: HttpRequest) -> HttpResponse:
        people = get_user_model().objects.filter(username__in=settings.DEMO_PEOPLE)
        user = get_object_or_404(people, username=request.POST.get("username"))
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        return lead_on(request, self.get_success_url())


def lead_on(request: HttpRequest, url: str) -> HttpResponse:
    """Answer a form with a page that leads on, perhaps to another site.

    After a form, a browser refuses a redirect to another site, because the policy of the site has
    ``form-action 'self'``.
    """
    return render(request, "continue.html", {"url": url})
