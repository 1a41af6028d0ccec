"""A clock that tests turn: waiting takes no time."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class FakeClock:
    """Unix seconds `at`; ends the program once `until` is reached."""

    at: float
    until: float = float("inf")
    waits: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at - 1_000_000

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.at = min(self.at + max(seconds, 0), self.until)
        return self.at >= self.until
