"""The memory between two listings: a cursor of a few bytes a slot, never a byte an object."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field
from datetime import date


@dataclass
class Memory:
    """What the cursor holds: a digest a slot, and the objects of unknown days that were asked for and not read yet,
    as hash of the key → ETag and the day they were asked for; `later`, the day from which on a slot of such objects has
    more to give, since they hold rows of it, and it was not over. `born`, the unix time at which it began, and the
    number of `looks` since name what a look asks for."""

    source: str
    born: int
    looks: int = 0
    slots: dict[str, str] = field(default_factory=dict)
    later: dict[str, str] = field(default_factory=dict)
    unread: dict[str, tuple[str, str]] = field(default_factory=dict)

    @staticmethod
    def from_cursor(cursor: str | None, source: str, now: int) -> Memory:
        """An empty one where there is no cursor, or one of another source or of before memories were born."""
        known = json.loads(zlib.decompress(base64.b85decode(cursor))) if cursor else {}
        if known.get("source") != source or "born" not in known:
            return Memory(source, now)
        unread = {name: tuple(facts) for name, facts in known["unread"].items()}
        return Memory(source, known["born"], known["looks"] + 1, known["slots"], known["later"], unread)

    def look(self, digests: Iterable[str]) -> str:
        """A name that is the same for another look with the same cursor at the same objects."""
        return f"{self.born}.{self.looks}.{hashlib.sha256(''.join(sorted(digests)).encode()).hexdigest()[:8]}"

    def name(self, facts: Iterable[str]) -> str:
        """A name that is the same for the same facts as long as the memory lives."""
        return hashlib.sha256("\n".join([str(self.born), *sorted(facts)]).encode()).hexdigest()[:16]

    def forget_slots(self, there: Collection[str], last_day: date) -> None:
        """Forget the slots that are not `there` any more, and those whose later day is over by now."""
        ripe = {slot for slot, day in self.later.items() if day <= last_day.isoformat()}
        self.later = {slot: day for slot, day in self.later.items() if slot in there and slot not in ripe}
        self.slots = {slot: digest for slot, digest in self.slots.items() if slot in there and slot not in ripe}

    def note_later(self, slot: str, day: date | None) -> None:
        if day:
            self.later[slot] = min(day.isoformat(), self.later.get(slot, day.isoformat()))

    def to_cursor(self) -> str:
        text = json.dumps(asdict(self), separators=(",", ":"))
        return base64.b85encode(zlib.compress(text.encode(), 9)).decode()
