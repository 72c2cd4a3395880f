"""OAuth 1.0a (RFC 5849)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from django.utils.crypto import constant_time_compare

from ..exceptions import FlowError, InvalidResponse, ProviderError, TokenRequestRefused
from ..flows import MAX_STATE
from ..tokens import (
    ResourceOwner,
    Secret,
    Token,
    check_token_fields,
    clean_text,
    clean_words,
    strip_internal_fields,
)
from .base import Provider, import_fact, single, with_query
from .options import Problem, fact

if TYPE_CHECKING:
    import requests
    from django.http import HttpRequest, QueryDict

    from ..flows import Flow
    from ..http import ProtocolResponse, Signature

#: The longest verifier that is sent to the provider, in characters.
MAX_VERIFIER = 512

#: The signature methods of oauthlib.
SIGNATURE_METHODS = (
    "HMAC-SHA1",
    "HMAC-SHA256",
    "HMAC-SHA512",
    "RSA-SHA1",
    "RSA-SHA256",
    "RSA-SHA512",
    "PLAINTEXT",
)

_CALLBACK_PARAMS = ("oauth_token", "oauth_verifier", "denied", "oauth_problem")


class OAuth1Provider(Provider):
    """A provider that supports OAuth 1.0a. The client key (RFC 5849 §1.1) is ``client_id`` here."""

    #: The endpoint that grants temporary credentials (RFC 5849 §2.1).
    request_token_url: str = fact("", url=True, required=True)
    #: The endpoint that grants token credentials for them (RFC 5849 §2.3).
    access_token_url: str = fact("", url=True, required=True)
    #: ``"HMAC-SHA1"``, ``"HMAC-SHA256"``, ``"RSA-SHA1"``, ``"PLAINTEXT"`` … (RFC 5849 §3.4).
    signature_method: str = "HMAC-SHA1"
    #: The place of the parameters: ``"AUTH_HEADER"``, ``"QUERY"`` or ``"BODY"`` (RFC 5849 §3.5).
    signature_type: str = "AUTH_HEADER"
    #: The private key in PEM for the RSA methods, or the path of a file that contains it.
    rsa_key: str | None = None
    #: Whether the signer also gets bodies that are not forms.
    force_include_body: bool = False
    #: The class that signs: a subclass of ``oauthlib.oauth1.Client``, or its dotted path.
    client_class: str | type = "django_dance.http.signing.Client"
    session_class: str | type = fact("django_dance.sessions.OAuth1Session", any_value=True)
    authorization_url_params: Mapping[str, str] = fact(
        {}, reserved=("oauth_token", "oauth_callback")
    )

    @property
    def uses_rsa(self) -> bool:
        """Whether the signature method needs a private RSA key (RFC 5849 §3.4.3)."""
        return str(self.signature_method).startswith("RSA-")

    def find_problems(self) -> Iterator[Problem]:
        yield from super().find_problems()
        if self.sign_in and self.account_id in self.permanent_account_ids:
            yield self._problem(
                "django_dance.E026",
                "SIGN_IN is not possible with OAuth 1.",
                "Remove SIGN_IN, or use the provider's OAuth 2.",
            )
        if (
            self.signature_method not in SIGNATURE_METHODS
            and self.client_class == OAuth1Provider.client_class
        ):
            yield self._problem(
                "django_dance.E004",
                f"SIGNATURE_METHOD is {self.signature_method!r}.",
                f"It must be one of {', '.join(SIGNATURE_METHODS)}.",
            )
        if (self.signature_method, self.signature_type) == ("PLAINTEXT", "QUERY"):
            yield self._problem(
                "django_dance.E004",
                "with PLAINTEXT the signature contains the secrets, and QUERY puts it into URLs.",
                "URLs are logged. Choose another SIGNATURE_TYPE.",
            )
        if self.signature_type not in ("AUTH_HEADER", "QUERY", "BODY"):
            yield self._problem(
                "django_dance.E004",
                f"SIGNATURE_TYPE is {self.signature_type!r}.",
                'It must be "AUTH_HEADER", "QUERY" or "BODY".',
            )

    def _needed_credentials(self) -> list[tuple[str, str]]:
        needed = super()._needed_credentials()
        if not self.uses_rsa:
            return needed
        return [needed[0], ("rsa_key", self.from_config.get("rsa_key", "RSA_KEY"))]

    # --- the two steps ------------------------------------------------------------------------

    def begin(self, request: HttpRequest, flow: Flow) -> tuple[str, Flow]:
        # RFC 5849 §2.1
        answer = self._token_call(
            self.request_token_url,
            self.signature(ResourceOwner(self, request), callback_uri=self.callback_uri(request)),
        )
        if answer.get("oauth_callback_confirmed") != "true":
            # RFC 5849 §2.1. Without it this is OAuth 1.0, which allows session fixation.
            raise InvalidResponse(f"{self.label} did not confirm the callback URL.")
        if max(len(answer["oauth_token"]), len(answer["oauth_token_secret"])) > MAX_STATE:
            # They would fit neither into a cookie nor into a URL.
            raise InvalidResponse(f"{self.label}'s temporary credentials are too long.")
        flow = replace(
            flow,
            request_token=Secret(answer["oauth_token"]),
            request_token_secret=Secret(answer["oauth_token_secret"]),
        )
        params = {**self.authorization_params(), "oauth_token": flow.request_token}
        return with_query(self.authorization_url, params), flow

    def callback_state(self, params: QueryDict) -> str:
        return single(params, "oauth_token") or single(params, "denied") or ""

    def check_callback(self, flow: Flow, params: QueryDict) -> None:
        for name in _CALLBACK_PARAMS:
            single(params, name)
        if not constant_time_compare(self.callback_state(params), flow.request_token):
            raise FlowError("flow_unknown", "the callback is for another request token")
        if "denied" in params or "oauth_problem" in params:
            return
        verifier = params.get("oauth_verifier")
        if not verifier:
            raise FlowError("verifier_missing", "the callback has no oauth_verifier")
        if len(verifier) > MAX_VERIFIER or not verifier.isprintable():
            raise FlowError(
                "verifier_invalid", "the callback's oauth_verifier is too long or not printable"
            )

    def complete(self, request: HttpRequest, flow: Flow, params: QueryDict) -> Token:
        # No RFC defines these parameters. Providers send them if the visitor refused.
        if "denied" in params or params.get("oauth_problem") in (
            "user_refused",
            "permission_denied",
        ):
            raise FlowError("access_denied", "the visitor refused", error="access_denied")
        if "oauth_problem" in params:
            problem = clean_words(params["oauth_problem"]) or ""
            raise FlowError(
                "provider_error",
                f"the provider reported the problem {problem}".rstrip(),
                error=problem,
            )
        if params["oauth_verifier"] == "denied":
            raise FlowError("access_denied", "the visitor refused", error="access_denied")
        # RFC 5849 §2.3: signed with the temporary credentials' secret.
        answer = self._token_call(
            self.access_token_url,
            self.signature(
                ResourceOwner(self, request),
                token=flow.request_token,
                token_secret=flow.request_token_secret,
                verifier=Secret(params["oauth_verifier"]),
            ),
        )
        return Token.granted(answer)

    def _token_call(self, url: str, signature: Signature) -> dict[str, Any]:
        answer = self.call("POST", url, auth=signature, headers={"Accept": "*/*"})
        try:
            return self._token_fields(answer)
        except ProviderError as error:
            error.response = answer
            raise

    def _token_fields(self, answer: ProtocolResponse) -> dict[str, Any]:
        if answer.status in (400, 401, 403):
            # http://wiki.oauth.net/ProblemReporting: many providers send an oauth_problem, such as
            # timestamp_refused.
            problem = parse_qs(answer.body.decode("latin-1")).get("oauth_problem", [""])[0]
            code = clean_text(problem) or ""
            words = "" if code else answer.words()
            text = f"{self.label} refused: it answered {answer.status} {code}".strip()
            raise TokenRequestRefused(
                f"{text}: {words}" if words else text,
                status=answer.status,
                error=code or None,
                error_description=words or None,
            )
        if not answer.succeeded:
            raise InvalidResponse.for_answer(f"{self.label} answered {answer.status}.", answer)
        fields = answer.form()
        check_token_fields(fields, *self.token_credentials)
        strip_internal_fields(fields)
        return fields

    # --- the life of a token ------------------------------------------------------------------

    @property
    def token_credentials(self) -> tuple[str, ...]:
        return ("oauth_token", "oauth_token_secret")

    def is_usable(self, token: Token) -> bool:
        return all(token.get(name) for name in self.token_credentials)

    def signer(
        self, owner: ResourceOwner, token: Token
    ) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
        return self.signature(
            owner, token=token["oauth_token"], token_secret=token["oauth_token_secret"]
        )

    def signature(
        self,
        owner: ResourceOwner,
        *,
        token: str | None = None,
        token_secret: str | None = None,
        verifier: str | None = None,
        callback_uri: str | None = None,
    ) -> Signature:
        """Return the ``auth`` that signs the requests of an owner.

        :param token: the token or the temporary credentials (RFC 5849 §2.1), with its secret.
        :param verifier: the verifier of the callback (RFC 5849 §2.3).
        :param callback_uri: the address that the provider sends the visitor back to.
        """
        from ..http import Signature, load_private_key

        credentials = self.get_client_credentials(owner)
        client = import_fact(self, "client_class")(
            credentials.client_id,
            client_secret=credentials.client_secret or None,
            resource_owner_key=token,
            resource_owner_secret=token_secret,
            callback_uri=callback_uri,
            signature_method=self.signature_method,
            signature_type=self.signature_type,
            rsa_key=load_private_key(self.rsa_key) if self.uses_rsa else None,
            verifier=verifier,
        )
        return Signature(client, force_include_body=self.force_include_body)
