from ..providers import OIDCProvider


class Kakao(OIDCProvider):
    """https://developers.kakao.com/docs/latest/en/kakaologin/rest-api — activate OpenID Connect in
    the application's settings. A disconnection unlinks the user from the application."""

    documentation = "https://developers.kakao.com/docs/latest/en/kakaologin/rest-api"
    # https://github.com/nextauthjs/next-auth/blob/HEAD/packages/core/src/providers/kakao.ts
    registration_url = "https://developers.kakao.com/console/app"
    base_url = "https://kapi.kakao.com/"
    authorization_url = "https://kauth.kakao.com/oauth/authorize"
    token_url = "https://kauth.kakao.com/oauth/token"
    revocation_url = "https://kapi.kakao.com/v1/user/unlink"
    revocation_auth = "token"
    revocation_token = "access_token"
    revocation_param = ""
    jwks_url = "https://kauth.kakao.com/.well-known/jwks.json"
    userinfo_url = "https://kapi.kakao.com/v1/oidc/userinfo"
    issuer = "https://kauth.kakao.com"
    # PKCE, and a space between scopes:
    # https://github.com/kakao/kakao-ios-sdk/blob/HEAD/Sources/KakaoSDKAuth/auth/AuthController.swift
    client_auth = "post"
    # Only in the last of its two months, a refresh replaces the refresh token:
    # https://devtalk.kakao.com/t/koe322-expired-or-invalid-refresh-token/126899
    refresh_rotates = False
    refresh_token_lifetime = 60
    account_label = "nickname"
    unconfirmed = ("scope_separator", "userinfo_url")
