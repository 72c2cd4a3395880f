"""Log in with one click: the users exist only in the demo, so they have no passwords."""

from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.contrib.auth.views import RedirectURLMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views import View


class SignIn(RedirectURLMixin, View):
    next_page = "home"

    def post(self, request: HttpRequest) -> HttpResponse:
        demo_people = get_user_model().objects.filter(username__in=settings.DEMO_PEOPLE)
        login(request, get_object_or_404(demo_people, username=request.POST.get("username")))
        return redirect(self.get_success_url())
