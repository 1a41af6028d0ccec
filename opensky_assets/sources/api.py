"""OpenSky's REST API: flights of a time window, with token, credits, and patience with what passes."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from opensky_assets.storage.errors import SourceError

if TYPE_CHECKING:
    import httpx

TERMS = (
    "OpenSky's data is for research, education and non-profit use, and may not be redistributed; a product or an "
    "automated service that uses the live API needs a written licence: https://opensky-network.org"
)

REFRESH_EARLY_SECONDS = 30
RETRY_AFTER = "X-Rate-Limit-Retry-After-Seconds"
REMAINING = "X-Rate-Limit-Remaining"
NO_FLIGHTS = b"[]"


class ApiError(SourceError):
    """The API refuses, and would again: the text says what to change."""


class ApiUnavailable(SourceError):
    """The API gave no answer in the time there is: worth another try later."""


class CreditsSpent(ApiError):
    """The budget, or what OpenSky grants, is used up; `after` seconds OpenSky grants more, where it says so."""

    def __init__(self, text: str, after: float | None = None) -> None:
        super().__init__(text)
        self.after = after


class _Passing(Exception):
    """One request failed in a way that may pass; `after` seconds, where the server says so."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


@dataclass(frozen=True)
class Credentials:
    """Of an API client, as OpenSky's account page gives them. Neither part is ever shown."""

    client_id: SecretStr
    client_secret: SecretStr


def _new_client() -> httpx.Client:
    import httpx

    return httpx.Client()


def credits_of(begin: datetime, end: datetime) -> int:
    """What a question about flights costs: 4 up to a day, 30 for more."""
    return 4 if (end - begin).total_seconds() < 86_400 else 30


def credits_of_box(square_degrees: float) -> int:
    """What a question about states costs, by the size of its box."""
    return 1 if square_degrees <= 25 else 2 if square_degrees <= 100 else 3 if square_degrees <= 400 else 4


@dataclass
class OpenSkyApi:
    """Asks for flights and states. `budget` is how many credits may be spent, a request each time it is sent counts;
    `timeout` is how many seconds a question may take with all its tries, `stall` those without a byte."""

    url: str
    token_url: str
    credentials: Credentials | None = None
    budget: int = 4000
    timeout: float = 600
    stall: float = 30
    patience: float = 1
    """Seconds of the first wait after trouble, at most; each further one may be twice as long, up to a minute."""
    spent: int = 0
    remaining: int | None = None
    """Credits that OpenSky says are left today; `None`: it has not said."""
    on_spent: Callable[[int], None] = field(default=lambda spent: None, repr=False)
    """Told what is spent in all, before each request."""
    report: Callable[[str], None] = field(default=lambda text: None, repr=False)
    sleep: Callable[[float], Any] = field(default=time.sleep, repr=False)
    """Waits between tries."""
    is_stopped: Callable[[], bool] = field(default=lambda: False, repr=False)
    """Whether no further try is wanted."""
    transport: httpx.Client = field(default_factory=_new_client, repr=False)
    _token: SecretStr | None = field(default=None, repr=False)
    _token_ends: float = field(default=0, repr=False)

    def flights_all(self, begin: datetime, end: datetime) -> bytes:
        """All flights of a window of at most two hours, as the JSON array that was sent; `[]` where there are none.
        Raises `ApiError`, `CreditsSpent`, `ApiUnavailable`."""
        return self._flights("all", begin, end)

    def flights_arrival(self, airport: str, begin: datetime, end: datetime) -> bytes:
        """Flights that arrived at an airport (ICAO) in a window of at most two days over one midnight."""
        return self._flights("arrival", begin, end, airport=airport)

    def flights_departure(self, airport: str, begin: datetime, end: datetime) -> bytes:
        """The same of flights that departed."""
        return self._flights("departure", begin, end, airport=airport)

    def states(self, bounds: Mapping[str, float], credits: int) -> bytes:
        """The latest states within `bounds` (lamin, lomin, lamax, lomax; none: the world), as the JSON object that was
        sent, with 18 elements a state; it costs so many credits. Raises as `flights_all`."""
        place = ",".join(f"{edge:g}" for edge in bounds.values()) or "world"
        asked = {**bounds, "extended": 1}
        return self._persistently(
            f"/states/all {place}", lambda left: self._ask("/states/all", asked, credits, left, _why_no_states)
        )

    def close(self) -> None:
        self.transport.close()

    # --- one question -------------------------------------------------------------------------------------------

    def _flights(self, kind: str, begin: datetime, end: datetime, **more: str) -> bytes:
        asked = {**more, "begin": int(begin.timestamp()), "end": int(end.timestamp())}
        told = " ".join(["/flights", kind, *more.values(), f"{begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"])
        path, cost = f"/flights/{kind}", credits_of(begin, end)
        body = self._persistently(
            told, lambda left: self._ask(path, asked, cost, left, _why_no_flights, if_none=NO_FLIGHTS)
        )
        return NO_FLIGHTS if re.fullmatch(rb"\s*(null|\[\s*\])\s*", body) else body

    def _persistently(self, told: str, call: Callable[[float], bytes]) -> bytes:
        """What `call` returns, told how many seconds are left, with waits in between that never pass the end."""
        ends = time.monotonic() + self.timeout
        backoff = wait_random_exponential(multiplier=self.patience, max=60)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            after = error.after if isinstance(error, _Passing) else None
            return max(backoff(state), after or 0)

        def tell(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            self.report(f"{told}: {error}; retry in {state.upcoming_sleep:.0f} s")

        def stop(state: RetryCallState) -> bool:
            return self.is_stopped() or time.monotonic() + state.upcoming_sleep >= ends

        retrying = Retrying(
            sleep=self.sleep,
            retry=retry_if_exception_type(_Passing),
            wait=wait,
            stop=stop,
            before_sleep=tell,
            reraise=True,
        )
        try:
            for attempt in retrying:
                with attempt:
                    return call(max(ends - time.monotonic(), 0.001))
        except _Passing as error:
            if error.after is not None and error.after >= self.timeout:
                raise CreditsSpent(
                    f"{told}: {error}; OpenSky grants more in {error.after:.0f} s, past the {self.timeout:.0f} s that "
                    "this may take: run again then",
                    error.after,
                ) from None
            raise ApiUnavailable(f"{told}: no answer within {self.timeout:.0f} s; last: {error}") from None
        raise AssertionError("a retry loop ends in a result or an exception")

    def _ask(
        self,
        path: str,
        asked: dict[str, Any],
        cost: int,
        left: float,
        why_not: Callable[[Any], str],
        if_none: bytes | None = None,
    ) -> bytes:
        """The body of an answer of JSON with which `why_not` finds nothing wrong. `if_none`: what an empty 404 means,
        where it means that there is nothing."""
        ends = time.monotonic() + left
        status, headers, body = self._authorized(path, asked, cost, ends)
        if status == 401 and self.credentials:
            self._token = None  # expired before its time: once more with a fresh one
            status, headers, body = self._authorized(path, asked, cost, ends)
        if status == 404:
            if if_none is not None and body.strip() in (b"", b"[]"):
                return if_none
            raise ApiError(f"{path} is not there (404: {body[:100].decode(errors='replace')}): check OPENSKY_API_URL")
        if status == 429:
            raise _Passing("too many requests (429)", _seconds(headers.get(RETRY_AFTER)))
        if status in (401, 403):
            raise ApiError(
                f"OpenSky refuses {path} ({status}); check OPENSKY_CLIENT_ID, OPENSKY_CLIENT_SECRET and the account's "
                "rights"
            )
        if status >= 500:
            raise _Passing(f"the server failed ({status})")
        if status != 200:
            raise ApiError(f"OpenSky answers {status} to {path} {asked}: {body[:200].decode(errors='replace')}")
        try:
            records = json.loads(body)
        except ValueError:
            raise _Passing("the response is not JSON") from None
        if problem := why_not(records):
            raise _Passing(problem)
        return body

    def _authorized(self, path: str, asked: dict[str, Any], cost: int, ends: float) -> tuple[int, httpx.Headers, bytes]:
        headers = {}
        if self.credentials:
            headers["Authorization"] = f"Bearer {self._fresh_token(self.credentials, ends).get_secret_value()}"
        if self.spent + cost > self.budget:
            raise CreditsSpent(
                f"{self.spent} of OPENSKY_API_BUDGET={self.budget} credits are spent and {path} costs {cost}; what is "
                "landed stays, raise the budget or run again tomorrow"
            )
        self.spent += cost
        self.on_spent(self.spent)
        request = self.transport.build_request("GET", self.url + path, params=asked, headers=headers)
        status, answered, body = self._send(request, ends)
        if (left := _seconds(answered.get(REMAINING))) is not None:
            self.remaining = int(left)
        return status, answered, body

    def _fresh_token(self, credentials: Credentials, ends: float) -> SecretStr:
        """The token, a new one where the old one is about to expire."""
        if self._token is None or time.monotonic() > self._token_ends - REFRESH_EARLY_SECONDS:
            form = {
                "grant_type": "client_credentials",
                "client_id": credentials.client_id.get_secret_value(),
                "client_secret": credentials.client_secret.get_secret_value(),
            }
            status, headers, body = self._send(self.transport.build_request("POST", self.token_url, data=form), ends)
            if status == 429 or status >= 500:
                raise _Passing(f"no token: {status}", _seconds(headers.get(RETRY_AFTER)))
            if status != 200:
                raise ApiError(f"OpenSky gives no token ({status}): check OPENSKY_CLIENT_ID and OPENSKY_CLIENT_SECRET")
            try:
                answer = json.loads(body)
                self._token = SecretStr(answer["access_token"])
                self._token_ends = time.monotonic() + float(answer.get("expires_in", 1800))
            except (ValueError, KeyError, TypeError):
                raise _Passing("no token: the response has an unexpected form") from None
        return self._token

    def _send(self, request: httpx.Request, ends: float) -> tuple[int, httpx.Headers, bytes]:
        """One exchange, over at `ends` however slowly the bytes come. What went wrong is told without the request,
        which holds secrets."""
        import httpx

        request.extensions["timeout"] = httpx.Timeout(min(self.stall, max(ends - time.monotonic(), 0.001))).as_dict()
        try:
            answer = self.transport.send(request, stream=True)
            try:
                body = bytearray()
                for part in answer.iter_bytes():
                    body += part
                    if time.monotonic() > ends:
                        raise _Passing("the response takes too long")
            finally:
                answer.close()
        except httpx.TimeoutException:
            raise _Passing("the server stalls") from None
        except httpx.HTTPError as error:
            raise _Passing(f"the connection failed ({type(error).__name__})") from None
        return answer.status_code, answer.headers, bytes(body)


def _why_no_flights(answer: Any) -> str:
    return "" if answer is None or isinstance(answer, list) else "the response is not an array of flights"


def _why_no_states(answer: Any) -> str:
    """`states` is null where there are none."""
    if not isinstance(answer, dict) or not isinstance(answer.get("time"), int):
        return "the response has no `time`"
    return "" if isinstance(answer.get("states"), list | None) else "the `states` of the response are not an array"


def _seconds(text: str | None) -> float | None:
    try:
        return max(float(text), 0) if text else None
    except ValueError:
        return None
