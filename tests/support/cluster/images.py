# SPDX-License-Identifier: GPL-3.0-or-later
"""Build a directory tree for each release once, in ``build/images``. Nodes never write to it."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mirror

from .errors import ClusterError
from .plan import BUILD, Image

__all__ = ["build", "incomplete", "path", "prune"]

_IMAGES = BUILD / "images"
_CUSTOMIZE = Path(__file__).with_name("customize")
_PARTIAL = ".partial"


def path(image: Image) -> Path:
    """Return the path of an image. The name changes with the packages and with the build script."""
    recipe = [image.release, *image.packages, _CUSTOMIZE.read_text(), Path(__file__).read_text()]
    digest = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()
    return _IMAGES / f"{image.release}-{digest[:16]}"


def build(images: Iterable[Image]) -> list[str]:
    """Build missing images, one on each processor at the same time. Return the names of the new images.

    :raises ClusterError: an image cannot be built. The message has the end of the log.
    """
    missing = [image for image in set(images) if not path(image).is_dir()]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(_build, missing))


def incomplete() -> list[Path]:
    """Return incomplete images of killed runs."""
    return sorted(_IMAGES.glob(f"*{_PARTIAL}"))


def prune(images: Iterable[Image]) -> list[Path]:
    """Remove incomplete and outdated images, and return them. No process may run from these images."""
    wanted = {path(image) for image in images}
    removed = [one for one in sorted(_IMAGES.glob("*")) if one not in wanted]
    for one in removed:
        _remove(one)
    return removed


def _build(image: Image) -> str:
    start = time.monotonic()
    final = path(image)
    partial = final.with_name(final.name + _PARTIAL)
    _remove(partial)
    (partial / "tmp").mkdir(parents=True)
    log = partial / "log"
    with log.open("wb") as stream:
        done = subprocess.run(
            _command(image, partial / "root"),
            env={**os.environ, "TMPDIR": str(partial / "tmp")},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        lines = log.read_text(errors="replace").splitlines()[-20:]
        raise ClusterError("\n".join([f"mmdebstrap cannot build {image.release}, see {log}:", *lines]))
    (partial / "root").rename(final)
    _remove(partial)
    return f"image {final.name}: built in {time.monotonic() - start:.0f} s"


def _command(image: Image, target: Path) -> list[str]:
    return [
        # As root, mmdebstrap mounts /proc and /sys in the image. All processes see them, and they stay after a kill.
        *("unshare", "--mount", "--propagation", "private"),
        "mmdebstrap",
        "--mode=root",
        "--format=directory",
        "--variant=minbase",
        "--dpkgopt=force-unsafe-io",
        '--aptopt=Acquire::Languages "none"',
        '--aptopt=APT::Install-Recommends "false"',
        f"--include={','.join(image.packages)}",
        f'--essential-hook={shlex.quote(str(_CUSTOMIZE))} without-manuals "$1"',
        f'--customize-hook={shlex.quote(str(_CUSTOMIZE))} finish "$1"',
        image.release,
        str(target),
        f"deb [signed-by={mirror.KEYRING}] {mirror.debian()} {image.release} main",
    ]


def _remove(tree: Path) -> None:
    # Do not empty other file systems that are mounted below.
    subprocess.run(["rm", "-rf", "--one-file-system", "--", tree], check=True)
