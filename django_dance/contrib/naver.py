from ..providers import OAuth2Provider


class Naver(OAuth2Provider):
    """https://developers.naver.com/docs/login/api/api.md"""

    documentation = "https://developers.naver.com/docs/login/api/api.md"
    checked = "2026-11"
    # A copy of the documentation, which names this page, too:
    # https://github.com/naver/naver-openapi-guide/blob/HEAD/ko/login/api/api.md
    registration_url = "https://developers.naver.com/apps/#/register?api=nvlogin"
    base_url = "https://openapi.naver.com/v1/"
    authorization_url = "https://nid.naver.com/oauth2.0/authorize"
    token_url = "https://nid.naver.com/oauth2.0/token"
    # Section 3.3; also section 4.3 of https://developers.naver.com/docs/login/devguide/devguide.md
    revocation_url = "https://nid.naver.com/oauth2.0/revoke"
    client_auth = "post"
    refresh_rotates = False
    # https://developers.naver.com/docs/login/profile/profile.md
    account_url = "nid/me"
    account_id = "response.id"
    account_label = "response.nickname"
    # PKCE is tolerated; this client sends it: https://github.com/nextauthjs/next-auth/blob/HEAD/packages/core/src/providers/naver.ts
    unconfirmed = ("pkce",)
