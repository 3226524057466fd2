# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzz for a short time: inputs that once failed, usual inputs, large inputs, and some new mutations."""

from __future__ import annotations

import itertools
import lzma
import os
import random
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.grid.security.tests.fuzz import harness
from ansible_collections.grid.security.tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
SECONDS = float(os.environ.get("FUZZ_SECONDS", "3"))
SEED = os.environ.get("FUZZ_SEED")  # of the mutations; without a seed, each run makes other mutations


def kept(name: str) -> Iterator[tuple[str, bytes]]:
    """Return the inputs that once failed. Large inputs, and inputs that editors may change, are packed by xz."""
    for path in sorted((CORPUS / name).glob("*")):
        data = path.read_bytes()
        yield path.name, lzma.decompress(data) if path.suffix == ".packed" else data


def seeds(name: str) -> Iterator[tuple[str, bytes]]:
    for number, data in enumerate(TARGETS[name].seeds()):
        yield f"seed {number}", data


def fresh(name: str, seed: str) -> Iterator[tuple[str, bytes]]:
    """Yield mutations of seeds and findings without end. Some are mutated several times.

    :param seed: the same seed gives the same mutations.
    """
    target, rng = TARGETS[name], random.Random(seed)
    pool = [data for _name, data in (*seeds(name), *kept(name)) if len(data) < 1 << 16]
    return ((f"mutation {number}", _mutation(target, pool, rng)) for number in itertools.count())


def _mutation(target: harness.Target, pool: list[bytes], rng: random.Random) -> bytes:
    data = rng.choice(pool)
    for _again in range(rng.choice((1, 1, 2, 4))):
        data = target.mutate(data, rng)
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_kept_and_everyday_inputs(name: str, tmp_path: Path) -> None:
    inputs = [*kept(name), *seeds(name)]
    count, findings = harness.jailed(TARGETS[name], iter(inputs), 1e9, tmp_path)
    assert findings == []
    assert count == len(inputs)


def test_a_seed_gives_the_same_mutations() -> None:
    first, again, other = (
        [data for _name, data in itertools.islice(fresh("signing_policy", seed), 50)] for seed in "aab"
    )
    assert first == again != other


@pytest.mark.parametrize("name", TARGETS)
def test_fresh_mutations(name: str, tmp_path: Path) -> None:
    seed = SEED or secrets.token_hex(4)
    count, findings = harness.jailed(TARGETS[name], fresh(name, seed), SECONDS, tmp_path)
    print(f"{name}: {count} mutations. FUZZ_SEED={seed} makes the same mutations again.")  # pytest shows it on failure
    assert findings == []
    assert count > 20
