"""Turns the workers' answers into a table of medians and ratios, and checks that the loss curves agree."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from rows import CURVES, OP_ROWS, ROWS, Row

CURVE_TOLERANCE = 1e-3
Answers = dict[str, list[dict[str, Any]]]


def write_report(results: dict[str, Any], labels: list[str], folder: Path) -> str:
    """Writes results.json and results.md into `folder` and gives the text of the latter."""
    text = "\n\n".join(
        part
        for part in (
            machine_line(results["machine"]),
            timing_table(results["answers"], labels),
            curve_table(results["answers"], labels),
            reasons(results["answers"]),
        )
        if part
    )
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "results.md").write_text(text + "\n")
    return text


def machine_line(machine: dict[str, Any]) -> str:
    return (
        f"{machine['processor']}, {machine['cores']} cores: "
        f"{machine['flops_one_core'] / 1e9:.0f} GFLOP/s on one core, {machine['flops_all_cores'] / 1e9:.0f} on all "
        f"(float32); {machine['bytes_one_core'] / 1e9:.0f} and {machine['bytes_all_cores'] / 1e9:.0f} GB/s."
    )


def median(row: Row, answers: list[dict[str, Any]]) -> float | None:
    """The median of the rounds in the row's unit; none where a round failed or was not run."""
    if not answers or any("error" in answer for answer in answers):
        return None
    return row.scale * statistics.median(answer[row.field] for answer in answers)


def timing_table(answers: dict[str, Answers], labels: list[str]) -> str:
    rows = [row for row in [*ROWS, *OP_ROWS] if row.name in answers]
    if not rows:
        return ""
    base = labels[0]
    titles = ["", *labels, *(f"{label} ÷ {base}" for label in labels[1:])]
    lines = [line_of(titles), "|---|" + "---:|" * (len(titles) - 1)]
    for row in rows:
        medians = [median(row, answers[row.name].get(label, [])) for label in labels]
        ratios = [f"{other / medians[0]:.2f}" if medians[0] and other is not None else "" for other in medians[1:]]
        lines.append(line_of([row.title, *(figure(value, row.unit) for value in medians), *ratios]))
    return "\n".join(lines)


def curve_table(answers: dict[str, Answers], labels: list[str]) -> str:
    """First and last loss, and the largest relative difference from the reference (TensorFlow where it ran)."""
    rows = [row for row in CURVES if row.name in answers]
    if not rows:
        return ""
    reference = "tensorflow" if "tensorflow" in labels else labels[0]
    titles = ["loss curve of 20 steps", *labels]
    lines = [line_of(titles), "|---|" + "---:|" * len(labels)]
    for row in rows:
        right = losses(answers[row.name].get(reference, []))
        cells = []
        for label in labels:
            mine = losses(answers[row.name].get(label, []))
            if mine is None:
                cells.append("failed")
                continue
            text = f"{mine[0]:.4f} → {mine[-1]:.4f}"
            if right is not None and label != reference:
                apart = max(abs(a - b) / max(abs(b), 1e-6) for a, b in zip(mine, right))
                text += f", {apart:.1e} apart" + ("" if apart <= CURVE_TOLERANCE else " (over 1e-3)")
            cells.append(text)
        lines.append(line_of([row.title.partition(": ")[2], *cells]))
    return "\n".join(lines)


def losses(answers: list[dict[str, Any]]) -> list[float] | None:
    return answers[0].get("losses") if answers else None


def reasons(answers: dict[str, Answers]) -> str:
    """Why a figure is missing."""
    lines = []
    for row in [*ROWS, *CURVES, *OP_ROWS]:
        for label, taken in answers.get(row.name, {}).items():
            errors = [answer["error"] for answer in taken if "error" in answer]
            if errors:
                lines.append(f"- {row.title}, {label}: {errors[0]}")
    return "\n".join(["Not measured:", *lines]) if lines else ""


def figure(value: float | None, unit: str) -> str:
    if value is None:
        return "failed"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {unit}"


def line_of(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
