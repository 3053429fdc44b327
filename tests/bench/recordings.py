"""Recordings of Go programs (GODEBUG=traceallocfree=1, as .npz) in the form that work/c/recording.c reads."""

from __future__ import annotations

import json
from pathlib import Path
from zipfile import BadZipFile

import programs

PLACES = (programs.ROOT.parent / "shared/data/trace", programs.ROOT / "tests/data/trace")


def recordings() -> list[Path]:
    """Those at hand, one of each name."""
    found = {p.name: p for place in reversed(PLACES) for p in sorted(place.glob("*.npz"))}
    return [found[name] for name in sorted(found)]


def flatten(source: Path, target: Path) -> None:
    """Write the recording's allocations and frees; BuildError if it is none."""
    import numpy as np

    try:
        with np.load(source) as file:
            ops = json.loads(bytes(file["meta_json"]))["ops"]
            op, number, size, noscan = (file[key] for key in ("op", "id", "size", "noscan"))
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise programs.BuildError(f"{source} is no recording: {error}") from None
    made = np.isin(op, [ops.index("exists"), ops.index("alloc")])
    rows = made | (op == ops.index("free"))
    freed = np.uint32(1 << 31)
    out = np.zeros((int(rows.sum()), 2), dtype="<u4")
    out[:, 0] = number[rows] | np.where(made[rows], 0, freed).astype("u4")
    out[:, 1] = size[rows] | np.where(noscan[rows] == 1, freed, 0).astype("u4")
    head = np.array([int(number[rows].max()) + 1, len(out)], dtype="<u4")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(head.tobytes() + out.tobytes())


def flat(source: Path) -> Path:
    """The flattened form, made if it is not there."""
    target = programs.PEERS / "recordings" / f"{source.stem}.rec"
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        flatten(source, target)
    return target
