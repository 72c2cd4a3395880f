from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..exceptions import InvalidResponse
from ..providers import OAuth1Provider

if TYPE_CHECKING:
    from ..providers import AccountInfo
    from ..sessions import DanceSession


class PrimaryBlogMixin:
    """The account is the user's primary blog: users have no id. Other blogs may have several
    members."""

    def account_info(self: Any, session: "DanceSession") -> "AccountInfo":
        info: AccountInfo = super().account_info(session)  # type: ignore[misc]
        for blog in info.fields["response"]["user"]["blogs"]:
            uuid = blog.get("uuid") if isinstance(blog, dict) and blog.get("primary") else None
            if uuid and isinstance(uuid, str):
                return replace(info, id=uuid)
        raise InvalidResponse(f"{self.label} did not name the account of the token.")


class Tumblr(PrimaryBlogMixin, OAuth1Provider):
    """https://www.tumblr.com/docs/en/api/v2#auth — Tumblr supports OAuth 2, too: see the preset
    ``tumblr_oauth2``."""

    documentation = "https://www.tumblr.com/docs/en/api/v2#auth"
    checked = "2026-11"
    # https://github.com/tumblr/docs/blob/HEAD/api.md
    registration_url = "https://www.tumblr.com/oauth/apps"
    base_url = "https://api.tumblr.com/v2/"
    request_token_url = "https://www.tumblr.com/oauth/request_token"
    authorization_url = "https://www.tumblr.com/oauth/authorize"
    access_token_url = "https://www.tumblr.com/oauth/access_token"
    account_url = "user/info"
    account_id = "response.user.blogs.0.uuid"
    account_label = "response.user.name"
