"""The table of mutants fits the sources: else only a run of all of them would tell."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
TABLE: dict[str, Any] = runpy.run_path(str(HERE / "mutants" / "table.py"))


@pytest.mark.parametrize("mutant", TABLE["MUTANTS"], ids=lambda m: m.name)
def test_its_text_is_there_once(mutant: Any) -> None:
    text = (HERE.parent / "csrc" / mutant.file).read_text()
    assert text.count(mutant.find) == 1 and mutant.replace != mutant.find
