"""The call flow of a session: load the token, send, perhaps refresh, send again."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeVar

import requests
from asgiref.sync import sync_to_async
from requests.auth import HTTPBasicAuth
from requests.structures import CaseInsensitiveDict

from ..conf import settings
from ..connections import (
    judge,
    note_answer,
    note_replacement,
    question,
    replace_refused_token,
)
from ..exceptions import AuthorizationRequired, DanceError, ProviderError
from ..http import (
    GuardedAdapter,
    ProtocolResponse,
    drop_frames,
    limited_request,
    oauth_challenge,
    origin,
)
from ..telemetry import Observation
from ..tokens import Secret, Token, same_token
from .async_calls import run_in_thread, run_later
from .targets import TargetMixin, mark_ready, take_mark

_Result = TypeVar("_Result")

#: The idempotent methods (RFC 9110 §9.2.2): sending such a request twice has the effect of one.
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
#: The challenges of a 401 whose token is valid (RFC 6750 §3.1, RFC 9470 §3, RFC 9449 §8).
_OTHER_CHALLENGES = ("insufficient_scope", "insufficient_user_authentication", "use_dpop_nonce")
#: The arguments that ``requests.Session.request`` also takes by position, after the URL.
_POSITIONAL = (
    "params",
    "data",
    "headers",
    "cookies",
    "files",
    "auth",
    "timeout",
    "allow_redirects",
    "proxies",
    "hooks",
    "stream",
    "verify",
    "cert",
    "json",
)


class _SecretHeader(Secret):
    """The secret value of a header. A pickled request has ``"***"`` in its place."""

    __slots__ = ()

    def __copy__(self) -> _SecretHeader:
        return self

    def __deepcopy__(self, memo: object) -> _SecretHeader:
        return self

    def __reduce_ex__(self, protocol: object) -> tuple[type[str], tuple[str]]:
        return str, ("***",)


class Signer:
    """An ``auth`` of ``requests`` that puts a token on a request, and itself on it as a mark.

    It is an object, because a traceback prints the variables of a closure.
    """

    def __init__(
        self,
        token: Token,
        sign: Callable[[requests.PreparedRequest], requests.PreparedRequest],
        check: Callable[[str], None],
    ) -> None:
        self.token, self._sign, self._check = token, sign, check

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # `requests` may have changed the URL since it was checked.
        self._check(request.url or "")
        request = self._sign(request)
        for name, value in list(request.headers.items()):
            # The hook `sign()` of a site's class may set a plain text.
            plain = isinstance(value, str) and name.lower() == "authorization"
            if plain or isinstance(value, Secret):
                request.headers[name] = _SecretHeader(value)
        return mark_ready(request, self)

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickled request, which an exception of `requests` and a response have, has no token.
        return type(None), ()


class Unsigned:
    """An ``auth`` of ``requests`` that adds no token, and marks the request as one without it.

    :param auth: the ``auth`` that the caller chose instead, if there is one.
    """

    def __init__(self, auth: Any) -> None:
        self._auth = HTTPBasicAuth(*auth) if isinstance(auth, tuple) else auth

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._auth is not None:
            request = self._auth(request)
        return mark_ready(request, None)


class Step(NamedTuple):
    """A step of a call flow.

    :ivar run: does the step.
    :ivar network: whether the step waits for the provider, so that an async caller runs it in a
        thread for that. The other steps use Django's database connections, which belong to one
        thread.
    :ivar streams: whether the result is an answer whose body the caller reads.
    """

    run: Callable[[], Any]
    network: bool = False
    streams: bool = False


CallFlow = Generator[Step, Any, requests.Response]


@dataclass
class _Fetched:
    """The result of a protocol call that async code has made before the sync code that needs it."""

    request: tuple[Any, ...]
    answer: ProtocolResponse | None = field(default=None, repr=False)
    error: BaseException | None = None

    def result(self) -> ProtocolResponse:
        if self.answer is None:
            assert self.error is not None  # noqa: S101
            raise self.error
        return self.answer


#: The call that the async code of this context has made in advance.
_fetched: ContextVar[_Fetched | None] = ContextVar("django_dance_fetched", default=None)


def run_call_flow(provider: Any, method: str, flow: CallFlow) -> requests.Response:
    """Run the steps of a call flow in this thread."""
    with Observation("call", provider, method) as observed:
        step = next(flow)
        while True:
            result = step.run()
            try:
                step = flow.send(result)
            except StopIteration as stop:
                response: requests.Response = stop.value
                observed.status = response.status_code
                return response


async def arun_call_flow(provider: Any, method: str, flow: CallFlow) -> requests.Response:
    """Run the steps of a call flow in other threads, so that the event loop is not blocked."""
    until = time.monotonic() + float(settings.async_deadline)
    with Observation("call", provider, method) as observed:
        step = next(flow)
        while True:
            if step.network:
                end = None if step.streams else until
                result = await run_in_thread(step.run, until=end, discard=_close)
            else:
                result = await sync_to_async(step.run)()
            try:
                step = flow.send(result)
            except StopIteration as stop:
                response: requests.Response = stop.value
                observed.status = response.status_code
                return response


def _close(result: Any) -> None:
    """Close an answer that nobody waits for."""
    if isinstance(result, requests.Response):
        result.close()


class CallingSession(TargetMixin):
    """Makes API calls with the owner's token, sync and async."""

    #: The methods of the requests that are sent again with another token after a 401.
    repeated_methods: frozenset[str] = IDEMPOTENT
    #: Whether the API names its authorization server, which may change.
    asks_for_server: bool = False

    def request(  # type: ignore[override]
        self, method: str, url: str, *args: Any, withhold_token: bool = False, **kwargs: Any
    ) -> requests.Response:
        """Call the API with the owner's token. Otherwise as ``requests.Session.request``.

        :param url: relative to ``base_url``, with or without a leading slash; or absolute, on a
            trusted origin.
        :param withhold_token: call without the token; then any origin is allowed.
        :raises AuthorizationRequired: there is no usable token.
        :raises UntrustedOrigin: the token must not be sent to ``url``.
        :raises requests.RequestException: as ``requests`` does. The default ``timeout`` is
            ``DANCE_TIMEOUT`` seconds to connect, and between two bytes.
        """
        flow = self._call_flow(method, url, args, kwargs, withhold_token)
        return run_call_flow(self.provider, method, flow)

    async def arequest(
        self, method: str, url: str, *args: Any, withhold_token: bool = False, **kwargs: Any
    ) -> requests.Response:
        """:meth:`request` for async views: the event loop is not blocked by the call."""
        flow = self._call_flow(method, url, args, kwargs, withhold_token)
        return await arun_call_flow(self.provider, method, flow)

    def send(
        self, request: requests.PreparedRequest, *, withhold_token: bool = False, **kwargs: Any
    ) -> requests.Response:
        """Send a prepared request with the owner's token, as :meth:`request` does.

        The request of an earlier answer may be sent again: it gets the present token.

        :param request: its URL must be absolute. It is not changed.
        :param withhold_token: send it as it is; then any origin is allowed.
        :raises AuthorizationRequired: there is no usable token.
        :raises UntrustedOrigin: the token must not be sent to its URL.
        :raises ValueError: it has a token or password already.
        """
        # `requests` sends its own requests by this method, too, and each redirect.
        if not isinstance(request, requests.PreparedRequest) or take_mark(request):
            return super().send(request, **kwargs)
        flow = self._send_flow(request, kwargs, withhold_token)
        return run_call_flow(self.provider, request.method or "", flow)

    async def asend(
        self, request: requests.PreparedRequest, *, withhold_token: bool = False, **kwargs: Any
    ) -> requests.Response:
        """:meth:`send` for async views: the event loop is not blocked by the call."""
        flow = self._send_flow(request, kwargs, withhold_token)
        return await arun_call_flow(self.provider, request.method or "", flow)

    def protocol_call(self, method: str, url: str, **kwargs: Any) -> ProtocolResponse:
        """Make a call whose answer this site relies on, such as the account of the token.

        It has the token as an API call has it, and the limits of a protocol call: a deadline, a
        size, and no redirects.

        :raises AuthorizationRequired: there is no usable token.
        :raises UntrustedOrigin: the token must not be sent to ``url``.
        :raises ProviderUnavailable: there was no answer in time, or it was 408, 429 or 5xx.
        :raises InvalidResponse: the answer is a redirect, is compressed, or is too long.
        """
        fetched = _fetched.get()
        if fetched is not None and fetched.request == (self, method, url, kwargs):
            return fetched.result()
        flow = self._call_flow(method, url, (), kwargs, False, send=self._send_limited)
        return ProtocolResponse.of(run_call_flow(self.provider, method, flow))

    async def _with_protocol_call(
        self, work: Callable[[], _Result], method: str, url: str, **kwargs: Any
    ) -> _Result:
        """Call ``work`` in Django's thread, and make its :meth:`protocol_call` in another thread.

        The call is made before, so that Django's thread does not wait for the network.
        """
        flow = self._call_flow(method, url, (), kwargs, False, send=self._send_limited)
        fetched = _Fetched((self, method, url, kwargs))
        try:
            answer = await arun_call_flow(self.provider, method, flow)
            fetched.answer = ProtocolResponse.of(answer)
        except (DanceError, OSError) as error:  # the exceptions of `requests` are OSErrors
            fetched.error = error
        mark = _fetched.set(fetched)
        try:
            return await sync_to_async(work)()
        finally:
            _fetched.reset(mark)

    def _call_flow(
        self,
        method: str,
        url: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        withhold_token: bool,
        send: Callable[..., requests.Response] | None = None,
    ) -> CallFlow:
        prepare = partial(self._prepare_call, method, url, args, kwargs, withhold_token)
        url, kwargs, signer = yield Step(prepare)
        send = partial(send or self._send, method, url, kwargs)
        repeatable = self._is_repeatable(method, kwargs)
        return (yield from self._exchange(send, signer, method, repeatable, kwargs))

    def _send_flow(
        self, request: requests.PreparedRequest, kwargs: dict[str, Any], withhold_token: bool
    ) -> CallFlow:
        """The call flow of a request that the caller has prepared."""
        kwargs = {**kwargs, "timeout": kwargs.get("timeout") or settings.timeout}
        request = _without_our_token(request)
        signer = None
        if withhold_token:
            session: Any = self
            yield Step(session.current_token.check_owner)
        else:
            self._check_prepared(request.url or "", request.headers, None)
            signer = self._signer((yield Step(self.ready_token)))
        send = partial(self._send_prepared, request, kwargs)
        method = request.method or ""
        repeatable = self._is_repeatable(method, {"data": request.body})
        return (yield from self._exchange(send, signer, method, repeatable, kwargs))

    def foreign_flow(
        self,
        method: str,
        url: str,
        headers: Iterable[str],
        repeatable: bool,
        send: Callable[[Signer | None], Any],
    ) -> CallFlow:
        """The call flow of a request that another HTTP client sends.

        :param headers: the names of its headers.
        :param repeatable: whether it may be sent again.
        :param send: sends it with the token of a signer, and returns an answer with the attributes
            of ``requests.Response`` that :meth:`_exchange` reads.
        """
        self._check_prepared(url, headers, None)
        token = self.fresh_token() or (yield Step(self.ready_token))
        return (yield from self._exchange(send, self._signer(token), method, repeatable, {}))

    def _is_repeatable(self, method: str, kwargs: Mapping[str, Any]) -> bool:
        """Whether a refused call may be sent again, and its body can be read again."""
        if method.upper() not in self.repeated_methods or kwargs.get("files"):
            return False
        body = kwargs.get("data")
        return body is None or isinstance(body, (str, bytes, dict, list, tuple))

    def fresh_token(self) -> Token | None:
        """Return the token if it is loaded and can be sent as it is. The storage is not asked."""
        raise NotImplementedError

    def _exchange(
        self,
        send: Callable[[Signer | None], requests.Response],
        signer: Signer | None,
        method: str,
        repeatable: bool,
        kwargs: Mapping[str, Any],
    ) -> CallFlow:
        """Send a request, examine the answer, and perhaps send the request again."""
        session: Any = self  # the subclasses have the other members that it needs
        stream = kwargs.get("stream")
        streams = self.stream if stream is None else bool(stream)
        response: requests.Response = yield Step(partial(send, signer), True, streams)
        if signer is None:
            return response
        if self._is_refused(response):
            if self.asks_for_server:
                moved = yield Step(partial(self._server_question, response, signer.token))
                if moved is not None and (yield Step(moved, network=True)):
                    left = yield Step(partial(self._leave_server, signer.token))
                    response.close()
                    raise left
            token, newer = yield Step(partial(self._replace_signer, signer))
            if token is None:
                return response
            if newer is not None:
                if not repeatable:
                    yield Step(partial(note_replacement, session, token))
                    return response
                response.close()
                signer = newer
                response = yield Step(partial(send, signer), True, streams)
            if self._is_refused(response):
                ask = yield Step(partial(self._question, token))
                status = None if ask is None else (yield Step(ask, network=True))
                yield Step(partial(judge, session, token, status, asked=ask is not None))
                return response
        if note := note_answer(session, signer.token, response):
            yield Step(note)
        if challenge := self._challenge(response):
            check = partial(self._check_challenge, challenge, signer.token, method)
            required = yield Step(check)
            if required is not None:
                response.close()
                raise required
        return response

    async def aget(self, url: str, **kwargs: Any) -> requests.Response:
        return await self.arequest("GET", url, **kwargs)

    async def aoptions(self, url: str, **kwargs: Any) -> requests.Response:
        return await self.arequest("OPTIONS", url, **kwargs)

    async def ahead(self, url: str, **kwargs: Any) -> requests.Response:
        return await self.arequest("HEAD", url, **{"allow_redirects": False, **kwargs})

    async def apost(
        self, url: str, data: Any = None, json: Any = None, **kwargs: Any
    ) -> requests.Response:
        return await self.arequest("POST", url, data=data, json=json, **kwargs)

    async def aput(self, url: str, data: Any = None, **kwargs: Any) -> requests.Response:
        return await self.arequest("PUT", url, data=data, **kwargs)

    async def apatch(self, url: str, data: Any = None, **kwargs: Any) -> requests.Response:
        return await self.arequest("PATCH", url, data=data, **kwargs)

    async def adelete(self, url: str, **kwargs: Any) -> requests.Response:
        return await self.arequest("DELETE", url, **kwargs)

    async def aiter_content(
        self, response: requests.Response, chunk_size: int = 64 * 1024
    ) -> AsyncIterator[bytes]:
        """Iterate over the body of a streamed answer: ``iter_content()`` for async code.

        The answer is closed after the last chunk, and if the loop ends early.

        :param response: the answer to a call with ``stream=True``.
        :param chunk_size: the size of a chunk, in bytes.
        :raises requests.RequestException: as ``requests`` does.
        """
        chunks = response.iter_content(chunk_size)
        try:
            while (chunk := await run_in_thread(partial(next, chunks, None))) is not None:
                yield chunk
        finally:
            # A thread may still wait for the next chunk.
            run_later(response.close)

    def close(self) -> None:
        """Do nothing: the connections belong to the process."""

    # --- the steps ----------------------------------------------------------------------------

    def ready_token(self) -> Token:
        """Return a token for the next call.

        :raises AuthorizationRequired: there is none.
        """
        raise NotImplementedError

    def replace_rejected_token(self, rejected: Token) -> Token | None:
        """Return the token to use after the API has refused one.

        :returns: another token; the same token, if it is the only one and its refusal must be
            judged; ``None`` if nothing can be done, so that the caller gets the API's answer.
        """
        session: Any = self
        return replace_refused_token(session, rejected)

    def _replace_signer(self, rejected: Signer) -> tuple[Token | None, Signer | None]:
        """Return the token to use after the API has refused one, and a signer if it is another."""
        token = self.replace_rejected_token(rejected.token)
        if token is None or same_token(token, rejected.token):
            return token, None
        return token, self._signer(token)

    def _is_refused(self, response: requests.Response) -> bool:
        """Whether the answer may mean that the token is not valid any more."""
        # A streamed answer belongs to the caller.
        body = response.content if response._content_consumed else b""  # type: ignore[attr-defined]
        return (
            self.provider.token_is_over(response.status_code, body)
            # After a redirect, a 401 of another host does not concern this token.
            and origin(response.url) in self.trusted_origins()
            and self._challenge(response).get("error") not in _OTHER_CHALLENGES
        )

    def _challenge(self, response: requests.Response) -> dict[str, str]:
        """Return the parameters of the answer's challenge, if it names an error of OAuth."""
        if response.status_code not in (401, 403) or "WWW-Authenticate" not in response.headers:
            return {}
        if origin(response.url) not in self.trusted_origins():
            return {}
        return oauth_challenge(response.headers)

    def _check_challenge(
        self, challenge: dict[str, str], token: Token, method: str
    ) -> AuthorizationRequired | None:
        """Return the exception for a challenge that a new dance can meet, or ``None``."""
        return None

    def _server_question(
        self, response: requests.Response, token: Token
    ) -> Callable[[], bool] | None:
        """Return a function that tells whether the API has another authorization server now.

        The function makes no use of the database. A refresh token must not be sent to another
        server. Only sessions with :attr:`asks_for_server` have it.
        """
        raise NotImplementedError

    def _leave_server(self, token: Token) -> AuthorizationRequired:
        """End the connection to a server that the API does not name any more."""
        raise NotImplementedError

    def _question(self, token: Token) -> Callable[[], int | None] | None:
        """Return a function that asks for the account of a token, and returns the status.

        It makes no use of the database. Its result is ``None`` if the answer proves nothing.
        """
        session: Any = self
        request = question(session, token)
        if request is None:
            return None
        method, url, body = request
        arguments = {"headers": self.provider.request_headers, "json": body}
        # The address is a fact of the provider, whichever origins the API has.
        signer = Signer(token, self.provider.signer(session.owner, token), lambda url: None)

        def ask() -> int | None:
            try:
                answer = self._send_limited(method, url, arguments, signer)
            except ProviderError:
                return None  # 429, 5xx, no answer in time, or a redirect
            over = self.provider.token_is_over(answer.status_code, answer.content)
            return 401 if over else answer.status_code

        return ask

    def _signer(self, token: Token) -> Signer:
        session: Any = self
        return Signer(token, self.provider.signer(session.owner, token), self.check_origin)

    def _prepare_call(
        self,
        method: str,
        url: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        withhold_token: bool,
    ) -> tuple[str, dict[str, Any], Signer | None]:
        """Return the absolute URL, the arguments of ``requests``, and the signer with the token."""
        kwargs = {**dict(zip(_POSITIONAL, args, strict=False)), **kwargs}
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = settings.timeout
        if isinstance(url, bytes):
            url = url.decode("ascii")
        if withhold_token:
            session: Any = self
            session.current_token.check_owner()  # the cookies belong to the owner
            kwargs["auth"] = Unsigned(kwargs.get("auth") or self.auth)
            return self.absolute_url(url), kwargs, None
        # A refresh may change the base URL.
        token = self.ready_token() if self.provider.base_url_from_token else None
        url = self.absolute_url(url)
        self._check_prepared(url, kwargs.get("headers") or (), kwargs.get("auth"))
        headers = CaseInsensitiveDict(self.provider.request_headers)
        headers.update(kwargs.get("headers") or {})
        kwargs["headers"] = headers
        return url, kwargs, self._signer(token or self.ready_token())

    def _check_prepared(self, url: str, headers: Iterable[str | bytes], auth: Any) -> None:
        """Check that a call may get the token, and has no other one."""
        ours = self.provider.token_header.lower()
        if auth is not None or {name.lower() for name in headers} & {ours, ours.encode()}:
            raise ValueError(
                f"This session sets {self.provider.token_header} itself. To make a call with "
                "another value, pass withhold_token=True."
            )
        self.check_origin(url)

    def _send_prepared(
        self, request: requests.PreparedRequest, kwargs: dict[str, Any], signer: Signer | None
    ) -> requests.Response:
        request = request.copy()
        if "proxies" not in kwargs:
            merged = self.merge_environment_settings(str(request.url), None, None, None, None)
            kwargs = {**kwargs, "proxies": merged["proxies"]}
        try:
            if signer is not None:
                for name, value in self.provider.request_headers.items():
                    request.headers.setdefault(name, value)
            request.prepare_auth(signer or Unsigned(None))
            return super().send(request, **kwargs)
        except (requests.RequestException, DanceError) as error:
            failure = drop_frames(error)
        raise failure

    def _send(
        self, method: str, url: str, kwargs: dict[str, Any], signer: Signer | None
    ) -> requests.Response:
        if signer is not None:
            kwargs = {**kwargs, "auth": signer}
        try:
            return requests.Session.request(self, method, url, **kwargs)
        except (requests.RequestException, DanceError) as error:
            failure = drop_frames(error)
        raise failure

    def _send_limited(
        self, method: str, url: str, kwargs: dict[str, Any], signer: Signer | None
    ) -> requests.Response:
        body: dict[str, Any] = {name: kwargs.get(name) for name in ("data", "json")}
        answer = limited_request(
            method,
            url,
            like=self,
            headers=kwargs["headers"],
            auth=signer,
            verify=self.verify,
            adapter=GuardedAdapter() if self.provider.place else None,
            **body,
        )
        _ = answer.content  # it is in memory already
        return answer


def _without_our_token(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Return a copy of a request without the headers that an earlier :class:`Signer` has set."""
    request = request.copy()
    for name, value in list(request.headers.items()):
        if isinstance(value, _SecretHeader):
            del request.headers[name]
    return request
