"""Write ``docs/inference.md``: trained networks in many formats.

    python -m tests.benchmarks.inference_page

takes some tens of minutes and needs the packages of the ``[pretrained]`` extra. The text of
the page above its first table is kept; tables and the date of nothing else are made anew.
"""

from __future__ import annotations

from pathlib import Path

from accelsim.explore.inference_study import InferenceStudy, study_inference
from accelsim.files import atomic_write
from accelsim.inference import load_task

PAGE = Path(__file__).parents[2] / "docs" / "inference.md"
MARK = "<!-- results -->"

#: Network, data and samples of each table.
STUDIES = (
    ("efficientnet_lite0", "imagenet_samples", 40),
    ("minilm_l6", "lee", None),
    ("minilm_l6", "simlex", 400),
)
_PJ_PER_MJ = 1e9


def table(study: InferenceStudy) -> str:
    """Return a study as a Markdown table under its title."""
    scores = tuple(study.rows[0].scores)
    heads = (
        "variant",
        *scores,
        "agreement, %",
        "output error",
        "cycles",
        "energy, mJ",
        "area, mm2",
    )
    lines = [
        f"### {study.task}, {study.samples} samples, {study.calibration_samples} for calibration",
        "",
        "| " + " | ".join(heads) + " |",
        "|" + "---|" * len(heads),
    ]
    for row in study.rows:
        cells = (
            f"`{row.variant}`",
            *(f"{row.scores[name]:.3f}" for name in scores),
            f"{100 * row.agreement:.1f}",
            "" if row.output_error is None else f"{row.output_error:.2g}",
            "" if row.cycles is None else f"{row.cycles:,.0f}",
            "" if row.energy_pj is None else f"{row.energy_pj / _PJ_PER_MJ:.2f}",
            "" if row.area_mm2 is None else f"{row.area_mm2:.2f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run every study and put its table on the page."""
    tables = []
    for network, data, samples in STUDIES:
        task = load_task(network, data=data, samples=samples)
        study = study_inference(task)
        tables.append(table(study))
    text = PAGE.read_text(encoding="utf-8")
    head = text[: text.index(MARK) + len(MARK)]
    atomic_write(PAGE, head + "\n\n" + "\n\n".join(tables) + "\n")


if __name__ == "__main__":
    main()
