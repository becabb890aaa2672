"""Write ``docs/inference.md``: trained networks in many formats.

    python -m tests.benchmarks.inference_page

takes some tens of minutes and needs the packages of the ``[pretrained]`` extra. The page is
kept up to the mark of its results; they are made anew, and written one table after the other.
"""

from __future__ import annotations

from pathlib import Path

from accelsim.explore.inference_study import InferenceStudy, study_inference
from accelsim.files import atomic_write
from accelsim.inference import load_task
from accelsim.report.inference_study import inference_cells, inference_heads

PAGE = Path(__file__).parents[2] / "docs" / "inference.md"
MARK = "<!-- results -->"

#: Network, data, samples and calibration samples of each table.
STUDIES = (
    ("efficientnet_lite0", "imagenet_samples", 20, 10),
    ("minilm_l6", "lee", None, 8),
)


def table(study: InferenceStudy) -> str:
    """Return a study as a Markdown table under its title."""
    heads = inference_heads(study)
    lines = [
        f"### {study.task}, {study.samples} samples, {study.calibration_samples} for calibration",
        "",
        "| " + " | ".join(heads) + " |",
        "|" + "---|" * len(heads),
    ]
    for variant, *cells in inference_cells(study):
        lines.append("| " + " | ".join((f"`{variant}`", *cells)) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run every study and put its table on the page."""
    text = PAGE.read_text(encoding="utf-8")
    text = text[: text.index(MARK) + len(MARK)] + "\n"
    for network, data, samples, calibration_samples in STUDIES:
        task = load_task(
            network, data=data, samples=samples, calibration_samples=calibration_samples
        )
        text += "\n" + table(study_inference(task)) + "\n"
        atomic_write(PAGE, text)


if __name__ == "__main__":
    main()
