# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzz with coverage (atheris with libFuzzer): python -m ...fuzz.long DIRECTORY SECONDS [TARGET...].

Inputs that reach new code are kept in DIRECTORY/TARGET, and findings beside it. A person checks both, and adds useful
inputs to the corpus.
"""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ansible_collections.grid.security.plugins", "tarfile"]):
    from ansible_collections.grid.security.tests.fuzz import harness, test_corpus
    from ansible_collections.grid.security.tests.fuzz.targets import TARGETS

_OWN_MUTATIONS = 0.7  # our mutations among all; the others are from libFuzzer
_LARGEST = 1 << 16  # bytes
_TIMEOUT = 30  # seconds for one input
_MEMORY = 3000  # MiB


def main(directory: str, seconds: str, *names: str) -> None:
    """Fuzz the named targets, or all targets, each in its own process. libFuzzer ends the process."""
    if len(names) == 1:
        _fuzz(names[0], Path(directory), seconds)
    command = [sys.executable, *sys.orig_argv[1 : -len(sys.argv[1:])], directory, seconds]
    found = [name for name in names or TARGETS if subprocess.run([*command, name], check=False).returncode != 0]
    sys.exit(f"findings in {directory}: {', '.join(found)}" if found else 0)


def _fuzz(name: str, root: Path, seconds: str) -> None:
    target = TARGETS[name]
    corpus, findings = root / name, root / f"{name}-findings"
    for path in (corpus, findings):
        path.mkdir(parents=True, exist_ok=True)
    for number, (_name, data) in enumerate((*test_corpus.kept(name), *test_corpus.seeds(name))):
        (corpus / f"seed-{number}").write_bytes(data[:_LARGEST])

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        own = rng.random() < _OWN_MUTATIONS
        return (target.mutate(data, rng) if own else atheris.Mutate(data, most))[:most]

    options = [f"-max_total_time={seconds}", f"-max_len={_LARGEST}", f"-timeout={_TIMEOUT}", f"-rss_limit_mb={_MEMORY}"]
    options += [f"-artifact_prefix={findings}/", "-print_final_stats=1", "-verbosity=1", str(corpus)]
    atheris.Setup([sys.argv[0], *options], lambda data: harness.check(target, data), custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
