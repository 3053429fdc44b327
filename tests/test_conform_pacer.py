"""``python -m gcsim conform``: Go's pacer and limiter, and logs of real programs.

Samples that always run are in tests/data/pacer; the whole files are replayed where they lie beside
the checkout.
"""

from __future__ import annotations

import csv
import gzip
import json
import random
from pathlib import Path

import pytest

from gcsim.__main__ import main
from gcsim._gctrace import is_log, read_gctrace
from gcsim.lowlevel import Pacer

DATA = Path(__file__).parent / "data" / "pacer"
SHARED = Path(__file__).parents[2] / "shared"
LOGS = SHARED / "data" / "gctrace"

SAMPLES = {
    "pacer-sample.csv.gz": 450,
    "pacer-revise-sample.csv.gz": 1200,
    "pacer-vectors-sample.csv.gz": 327,
    "pacer-workers-sample.csv.gz": 256,
    "limiter-sample.csv.gz": 1464,
}
WHOLE = {
    "pacer-go1.26.csv": 1_100,
    "pacer-revise-go1.26.csv": 8_191,
    "pacer-vectors-go1.26.csv": 3_000,
    "pacer-workers-go1.26.csv": 256,
    "limiter-go1.26.csv": 29_650,
}
# Columns that hold what Go decided, not what it was given.
DECIDED = {
    "pacer-sample.csv.gz": "trigger trigger_goal heap_live_start heap_scan_start dedicated"
    " fractional_goal idle_max goal_start work_per_byte_start bytes_per_work_start goal_end"
    " work_per_byte_end bytes_per_work_end next_cons_mark next_cm3 next_gc_percent_goal"
    " next_sweep_dist next_runway next_trigger next_goal",
    "pacer-revise-sample.csv.gz": "goal work_per_byte bytes_per_work",
    "pacer-vectors-sample.csv.gz": "trigger idle_goal goal work_per_byte bytes_per_work"
    " next_cons_mark next_cm0 next_cm1 next_cm2 next_cm3 next_heap_scan next_gc_percent_goal"
    " next_sweep_dist next_runway next_trigger next_goal",
    "pacer-workers-sample.csv.gz": "dedicated fractional_goal idle_max_heap_trigger"
    " idle_max_timed_trigger",
    "limiter-sample.csv.gz": "fill capacity overflow limiting need_update",
}


def rows_of(path: Path) -> list[dict[str, str]]:
    data = path.read_bytes()
    text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    return list(csv.DictReader(text.decode().splitlines()))


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        out = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        out.writeheader()
        out.writerows(rows)
    return path


def run(capsys: pytest.CaptureFixture[str], *paths: Path) -> tuple[int, list[str], str]:
    status = main(["conform", *map(str, paths)])
    out, err = capsys.readouterr()
    return status, out.splitlines(), err


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_conforms_wholly(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, lines, err = run(capsys, DATA / name)
    assert (status, err) == (0, "")
    assert lines[0] == f"{name}: {SAMPLES[name]}/{SAMPLES[name]}"
    assert len(rows_of(DATA / name)) == SAMPLES[name]


@pytest.mark.parametrize("name", WHOLE)
def test_whole_file_conforms_wholly(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = SHARED / "golden" / name
    if not path.exists():
        pytest.skip("the whole files are not beside this checkout")
    status, lines, _ = run(capsys, path)
    assert status == 0
    assert lines[0] == f"{name}: {WHOLE[name]}/{WHOLE[name]}"
    if name.startswith("pacer-go"):
        assert lines[1:] == [
            "  open loop 1100/1100 rows; closed loop 1100/1100 rows of 19 scenarios"
        ]


def test_samples_are_rows_that_go_wrote() -> None:
    for name in SAMPLES:
        whole = SHARED / "golden" / name.replace("sample.csv.gz", "go1.26.csv")
        if not whole.exists():
            pytest.skip("the whole files are not beside this checkout")
        rows = {tuple(row.values()) for row in rows_of(whole)}
        assert all(tuple(row.values()) in rows for row in rows_of(DATA / name))


def other_digit(text: str, chance: random.Random) -> str:
    """The number with one digit changed; of a double the last bit."""
    if "0x" in text:
        value = float.fromhex(text)
        return (value * (1 + 2.0**-52) if value else 2.0**-1074).hex()
    at = chance.randrange(len(text))
    return text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :] if text[at] != "-" else "0"


@pytest.mark.parametrize("name", SAMPLES)
def test_changed_digit_is_told_by_row_and_column(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pacer-sample.csv.gz").write_bytes((DATA / "pacer-sample.csv.gz").read_bytes())
    for column in DECIDED[name].split():
        chance = random.Random(column)
        rows = rows_of(DATA / name)
        at = chance.randrange(len(rows))
        rows[at][column] = other_digit(rows[at][column], chance)
        copy = write(tmp_path / name.replace("sample.csv.gz", "spoiled.csv"), rows)
        if "revise" in name:
            copy = copy.rename(tmp_path / "pacer-revise-sample.csv")
        status, lines, _ = run(capsys, copy)
        assert status == 1
        assert lines[0] == f"{copy.name}: {len(rows) - 1}/{len(rows)}"
        told = [line for line in lines[1:] if "gcsim " in line]
        assert told
        assert all(line.startswith(f"  row {at + 2}, ") for line in told)
        assert any(f" {column}: gcsim " in line for line in told)
        assert any(line.endswith(f", Go {rows[at][column]}") for line in told)


def test_changed_input_of_a_scenario_shows_in_closed_loop(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of(DATA / "pacer-sample.csv.gz")
    rows[10]["alloc_rate"] = (float.fromhex(rows[10]["alloc_rate"]) * 2).hex()
    status, lines, _ = run(capsys, write(tmp_path / "pacer-other.csv", rows))
    assert status == 1
    assert "open loop 450/450 rows; closed loop " in lines[1]
    assert any("row 12, " in line and "closed loop" in line for line in lines)


def test_settings_that_change_between_cycles_are_replayed_in_open_loop_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rows stay Go's: those of a scenario with another percentage follow in one scenario."""
    rows = rows_of(DATA / "pacer-sample.csv.gz")
    mixed = [row for row in rows if row["scenario"] in ("Steady", "SteadyMemoryLimit")]
    for number, row in enumerate(mixed):
        row |= {"scenario": "mixed", "cycle": str(number + 1)}
    status, lines, _ = run(capsys, write(tmp_path / "pacer-mixed.csv", mixed))
    assert status == 0
    assert lines[0] == "pacer-mixed.csv: 100/100"
    assert lines[1] == "  open loop 100/100 rows; closed loop 0/0 rows of 0 scenarios"


def test_revisions_need_the_pacer_file_beside_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of(DATA / "pacer-revise-sample.csv.gz")
    alone = write(tmp_path / "pacer-revise-alone.csv", rows)
    status, lines, err = run(capsys, alone)
    assert (status, lines) == (2, [])
    assert "its pacer file" in err and "pacer-alone.csv is not there" in err
    unnamed = write(tmp_path / "other.csv", rows)
    status, _, err = run(capsys, unnamed)
    assert status == 2 and "is named pacer-revise-NAME.csv" in err
    write(tmp_path / "pacer-alone.csv", rows_of(DATA / "pacer-sample.csv.gz")[1:])
    status, _, err = run(capsys, alone)
    assert status == 2 and "Steady cycle 1 is not in its pacer file" in err


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("text", ["", "x", "-1", "99999999999999999999", "0x1p+2000", "nan"])
def test_damaged_number_is_an_error_or_a_difference(
    name: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pacer-sample.csv.gz").write_bytes((DATA / "pacer-sample.csv.gz").read_bytes())
    rows = rows_of(DATA / name)[:4]
    for column in rows[0]:
        if column in ("utilization", "amd64_only", "arg"):
            continue
        changed = [dict(row) for row in rows]
        changed[2][column] = text
        path = write(tmp_path / name.removesuffix(".gz"), changed)
        status, _, err = run(capsys, path)
        path.unlink()
        assert status in (0, 1, 2)
        assert (status == 2) == (err != "")


# --- logs


def test_sample_logs_are_predicted_and_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    logs = sorted(DATA.glob("*.log.gz"))
    status, lines, err = run(capsys, *logs)
    assert (status, err) == (0, "")
    assert lines == [
        "btreesvc.p2.gogc100.limit40MiB.log.gz: 7 cycles; by GOGC 5: goal equal 5/5, trigger"
        " above 0, within 64 KiB 5/5 (100.0 %), within 1 % of the goal 5/5 (100.0 %);"
        " by limit 2: within 10 % 2/2",
        "httpsvc.p2.gogc50.log.gz: 33 cycles; by GOGC 33: goal equal 33/33, trigger above 0,"
        " within 64 KiB 33/33 (100.0 %), within 1 % of the goal 33/33 (100.0 %)",
        "2 logs: 40 cycles; by GOGC 38: goal equal 38/38, trigger above 0, within 64 KiB 38/38"
        " (100.0 %), within 1 % of the goal 38/38 (100.0 %); by limit 2: within 10 % 2/2",
    ]
    assert main(["conform", "--json", str(logs[0])]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["figures"]["by_gogc"] == told["figures"]["goal_equal"] == 5


def test_all_logs_are_predicted_as_well_as_they_can_be(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs = sorted(LOGS.glob("*.log.gz"))
    if not logs:
        pytest.skip("the logs are not beside this checkout")
    assert main(["conform", "--json", *map(str, logs)]) == 0
    told = json.loads(capsys.readouterr().out)
    total = {name: sum(log["figures"][name] for log in told) for name in told[0]["figures"]}
    assert total["cycles"] == 523
    assert total["by_gogc"] == 455 and total["goal_equal"] >= 454
    assert total["trigger_above"] == 0
    assert total["within_64k"] >= 0.94 * 455
    assert total["within_1_percent"] >= 0.997 * 455
    assert total["by_limit"] == total["limit_within_10_percent"] == 68


def spoiled_log(tmp_path: Path, old: str, new: str) -> Path:
    name = "httpsvc.p2.gogc50"
    metrics = f"{name}.metrics.csv.gz"
    (tmp_path / metrics).write_bytes((DATA / metrics).read_bytes())
    text = gzip.decompress((DATA / f"{name}.log.gz").read_bytes()).decode()
    assert old in text
    path = tmp_path / f"{name}.log"
    path.write_text(text.replace(old, new, 1))
    return path


def test_one_wrong_goal_fails_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cycles = read_gctrace(
        gzip.decompress((DATA / "httpsvc.p2.gogc50.log.gz").read_bytes()).decode()
    )
    pacer = cycles[10].pacer
    assert pacer is not None
    path = spoiled_log(tmp_path, f"∆goal {pacer.over_goal},", f"∆goal {pacer.over_goal + 1},")
    status, lines, _ = run(capsys, path)
    assert status == 1
    assert "goal equal 32/33" in lines[0]
    assert lines[1].startswith(f"  gc {cycles[10].number} by GOGC: gcsim goal {pacer.goal} ")


def test_a_trigger_below_the_predicted_one_fails_a_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cycles = read_gctrace(
        gzip.decompress((DATA / "httpsvc.p2.gogc50.log.gz").read_bytes()).decode()
    )
    pacer = cycles[10].pacer
    assert pacer is not None
    at = pacer.triggered
    path = spoiled_log(tmp_path, f"in {at} B ->", f"in {at - (200 << 10)} B ->")
    status, lines, _ = run(capsys, path)
    assert status == 1
    assert "trigger above 1" in lines[0]


def test_a_log_needs_its_metrics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = spoiled_log(tmp_path, "pacer", "pacer")
    (tmp_path / "httpsvc.p2.gogc50.metrics.csv.gz").unlink()
    status, lines, err = run(capsys, path)
    assert (status, lines) == (2, [])
    assert "httpsvc.p2.gogc50.metrics.csv.gz" in err and "are not beside it" in err


def test_a_log_without_a_cycle_to_predict_does_not_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = spoiled_log(tmp_path, "pacer", "pacer")
    first, _, _ = path.read_text().partition("gc 2 @")
    path.write_text(first)
    assert run(capsys, path)[0] == 1


def test_log_reader_takes_what_go_119_printed() -> None:
    rest = (
        " 3%: 0.10+2.0+0.10 ms clock, 0.20+0/1.0/0+0.20 ms cpu, 4->4->1 MB, 5 MB goal, 0 MB stacks,"
        " 0 MB globals, 2 P\n"
    )
    text = (
        "noise\npacer: 25% CPU (25 exp.) for 100+20+3 B work (99 B exp.) in 4000 B -> 5000 B"
        " (∆goal -500, cons/mark +1.850000e-001)\n"
        "gc 7 @1.500s" + rest + "gc 8 @1.600s" + rest
    )
    assert is_log(text) and not is_log("a,b\n1,2\n")
    first, second = read_gctrace(text)
    assert (first.number, first.at_s, second.number, second.pacer) == (7, 1.5, 8, None)
    assert first.pacer is not None
    assert (first.pacer.goal, first.pacer.triggered, first.pacer.cons_mark) == (5500, 4000, 0.185)


def test_pacer_is_a_value() -> None:
    pacer = Pacer()
    pacer.init(100, (1 << 63) - 1)
    saved = pacer.save()
    assert pacer.trigger() == (4 * (1 << 20) // 64 * 61, 4 << 20)
    assert pacer.set_gc_percent(-1) == 100
    pacer.commit(True)
    assert pacer.heap_goal() > 1 << 62
    pacer.restore(saved)
    assert pacer.heap_goal() == 4 << 20
