"""What a source's store tells of each request that it makes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """One attempt to have bytes of one object: a GET of a bucket, or the opening of a file.

    `started_at` is in seconds since 1970 by the clock of the process that asked, `first_byte_s` (`None`: no byte came)
    and `duration_s` count from there. `received_bytes` is what came of the body. `status` is HTTP's, or `None` for a
    file and where no answer came; `retry` counts the attempts before this one, and `wait_s` the pause before it.
    """

    key: str
    started_at: float
    first_byte_s: float | None
    duration_s: float
    received_bytes: int
    status: int | None
    retry: int = 0
    wait_s: float = 0.0
