"""When a leg is heard: intervals of contact, by the radio horizon, receivers on the ground and short losses."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from opensky_assets.sources.simulation.motion import Legs, motion
from opensky_assets.sources.simulation.world import FLOOR_CELLS, Floats, Ints, World

STEP = 60.0  # s between the instants at which contact is decided
KEPT = 300.0  # s that OpenSky keeps a state after the last contact
BATCH = 250  # legs looked at together: what the processor's cache holds
LOSSES = 2  # short losses of contact a leg, at most


@dataclass(frozen=True)
class Contacts:
    """Intervals of contact: `leg` is the row in the legs, `begin` and `end` unix seconds of the first and last
    message, `gone` when the state is no longer kept (or the next interval begins)."""

    leg: Ints
    begin: Floats
    end: Floats
    gone: Floats

    def __len__(self) -> int:
        return len(self.leg)

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Contacts:
        return Contacts(*(getattr(self, f.name)[index] for f in fields(self)))


def contacts(world: World, legs: Legs, rng: np.random.Generator) -> Contacts:
    """All intervals of contact of `legs`, in the order of the legs and of time."""
    parts = []
    for at in range(0, len(legs), BATCH):
        index = np.arange(at, min(at + BATCH, len(legs)))
        part = batch_contacts(world, legs.take(index), rng)
        parts.append(Contacts(part.leg + at, part.begin, part.end, part.gone))
    return Contacts(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Contacts)))


def batch_contacts(world: World, legs: Legs, rng: np.random.Generator) -> Contacts:
    samples = np.maximum(((legs.on_block - legs.off_block) / STEP).astype(np.int64), 2)
    leg = np.repeat(np.arange(len(legs)), samples)
    first = np.cumsum(samples) - samples
    time = legs.off_block[leg] + (np.arange(len(leg)) - first[leg]) * STEP
    heard = is_heard(world, legs, leg, time, rng)
    new_leg = np.zeros(len(leg), dtype=bool)
    new_leg[first] = True
    before = np.concatenate([[False], heard[:-1]]) & ~new_leg
    after = np.concatenate([heard[1:], [False]]) & ~np.concatenate([new_leg[1:], [True]])
    begins, ends = np.flatnonzero(heard & ~before), np.flatnonzero(heard & ~after)
    owner = leg[begins]
    begin = np.maximum(time[begins] - rng.uniform(0, STEP * 0.45, len(begins)), legs.off_block[owner])
    end = np.minimum(time[ends] + rng.uniform(0.1, STEP * 0.45, len(ends)), legs.on_block[owner])
    follows = np.full(len(begins), np.inf)
    same = owner[1:] == owner[:-1]
    follows[:-1][same] = begin[1:][same]
    return Contacts(owner, begin, end, np.minimum(end + KEPT, follows))


def is_heard(world: World, legs: Legs, leg: Ints, time: Floats, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Over the radio horizon, or on the ground at an airport with a receiver, and not in a short loss."""
    flat = legs.take(leg)
    state = motion(flat, time)
    row = np.clip(((state.lat + 90) * FLOOR_CELLS).astype(np.int64), 0, world.floor.shape[0] - 1)
    col = np.clip(((state.lon + 180) * FLOOR_CELLS).astype(np.int64), 0, world.floor.shape[1] - 1)
    margin = rng.uniform(0.7, 1.6, len(legs))[leg]
    heard = state.height > world.floor[row, col] * margin + 100
    receiver = world.airports.receiver
    # Surface messages reach the feeder only from part of an airport.
    out_heard = (receiver[legs.origin] & (rng.random(len(legs)) < 0.7))[leg]
    in_heard = (receiver[legs.destination] & (rng.random(len(legs)) < 0.6))[leg]
    climbing_out = time < flat.takeoff + 90
    coming_in = time > flat.landing - 90
    heard = np.where(climbing_out, out_heard, np.where(coming_in, in_heard, heard))
    for _ in range(LOSSES):
        at = rng.uniform(0, 1, len(legs)) * (legs.on_block - legs.off_block) + legs.off_block
        length = np.where(rng.random(len(legs)) < 0.5, rng.exponential(150.0, len(legs)), 0.0)
        heard &= ~((time >= at[leg]) & (time < (at + length)[leg]))
    return heard
