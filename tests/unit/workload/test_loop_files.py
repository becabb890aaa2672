"""Timeloop problems and ZigZag workloads: shapes by hand, and what is refused, with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import accelsim
from accelsim.config import dump_yaml, parse_yaml
from accelsim.errors import ConfigError
from accelsim.precision import get_recipe
from accelsim.workload import load_workload, lower
from accelsim.workload.importers import import_network, is_foreign
from accelsim.workload.importers.timeloop import load_problem
from accelsim.workload.importers.zigzag import load_workload_list

CONV_SHAPE = """\
problem:
  version: 0.4
  shape:
    name: cnn layer
    dimensions: [C, M, R, S, N, P, Q]
    coefficients:
    - {name: Wstride, default: 1}
    - {name: Hstride, default: 1}
    - {name: Wdilation, default: 1}
    - {name: Hdilation, default: 1}
    data_spaces:
    - name: Weights
      projection: [[[C]], [[M]], [[R]], [[S]]]
    - name: Inputs
      projection:
      - [[N]]
      - [[C]]
      - [[R, Wdilation], [P, Wstride]]
      - [[S, Hdilation], [Q, Hstride]]
    - name: Outputs
      projection: [[[N]], [[M]], [[Q]], [[P]]]
      read_write: true
"""
CONV = CONV_SHAPE + "  instance: {C: 3, M: 64, R: 7, S: 5, N: 1, P: 12, Q: 10}\n"
GEMM = """\
problem:
  shape:
    name: gemm
    dimensions: [M, N, K]
    data-spaces:
    - {name: A, projection: [[[M]], [[K]]]}
    - {name: B, projection: [[[N]], [[K]]]}
    - {name: Z, projection: [[[M]], [[N]]], read-write: True}
  instance: {M: 16, N: 8, K: 32}
"""


def write(tmp_path: Path, text: str, name: str = "net.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def gemms(path: Path) -> list[tuple[int, int, int, int]]:
    trace = lower(load_workload(path), get_recipe("fp32"))
    return [(op.groups, op.m, op.n, op.k) for op in trace.gemms]


def test_a_timeloop_convolution_is_one(tmp_path: Path) -> None:
    path = write(tmp_path, CONV)
    assert is_foreign(path)
    assert gemms(path) == [(1, 120, 64, 105)]  # 12 x 10 places; 3 x 7 x 5 products
    network = load_workload(path)
    assert network.given["input"].shape == (12 + 6, 10 + 4, 3)
    assert network.layers[0].name == "cnn_layer"
    assert network.macs() == 3 * 64 * 7 * 5 * 12 * 10


def test_strides_and_dilations_are_coefficients(tmp_path: Path) -> None:
    path = write(tmp_path, CONV.replace("Q: 10}", "Q: 10, Wstride: 2, Hdilation: 3}"))
    (layer,) = load_workload(path).layers
    assert (layer.stride, layer.dilation) == ((2, 1), (1, 3))  # type: ignore[attr-defined]
    # (12 - 1) 2 + 7 and 10 - 1 + (5 - 1) 3 + 1: what whole windows read.
    assert load_workload(path).given["input"].shape == (29, 22, 3)


def test_samples_become_the_batch(tmp_path: Path) -> None:
    network = import_network(write(tmp_path, CONV.replace("N: 1", "N: 4")))
    assert network.workload.macs(batch=4) == 4 * 3 * 64 * 7 * 5 * 12 * 10
    assert network.warnings() == ("The file runs a batch of 4; --batch sets it here.",)


def test_a_timeloop_gemm_is_one_and_runs(tmp_path: Path) -> None:
    path = write(tmp_path, GEMM)
    assert gemms(path) == [(1, 16, 8, 32)]
    assert accelsim.run(path, arch="fp32").totals.macs == 16 * 8 * 32


def test_loops_in_all_three_tensors_are_groups(tmp_path: Path) -> None:
    many = GEMM.replace("[M, N, K]", "[M, N, K, H]").replace("K: 32}", "K: 32, H: 3}")
    many = re.sub(r"projection: \[", "projection: [[[H]], ", many)
    assert gemms(write(tmp_path, many)) == [(3, 16, 8, 32)]
    depthwise = CONV.replace("[C, M, R", "[C, R").replace("M: 64, ", "").replace("[[M]], ", "")
    depthwise = depthwise.replace("[[N]], [[Q]]", "[[N]], [[C]], [[Q]]")
    assert gemms(write(tmp_path, depthwise)) == [(3, 120, 1, 35)]


def test_a_series_has_the_height_1(tmp_path: Path) -> None:
    text = """\
problem:
  shape:
    dimensions: [R, P]
    data-spaces:
    - {name: Weights, projection: [[[R]]]}
    - {name: Inputs, projection: [[[R], [P]]]}
    - {name: Outputs, projection: [[[P]]], read-write: true}
  instance: {R: 3, P: 16}
"""
    path = write(tmp_path, text)
    assert load_workload(path).given["input"].shape == (1, 18, 1)
    assert gemms(path) == [(1, 16, 1, 3)]


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("P: 12", "P: 0", 23, "The extent of P is 0; it must be a positive whole number"),
        ("P: 12", "P: 2*6", 23, "The extent of P is '2*6'; it must be a positive"),
        ("P: 12", "P: 2147483647", 4, "No layer computes this: shape: "),
        ("P: 12, ", "", 23, "The instance has no extent of the dimension P"),
        ("[R, Wdilation], [P", "[R, Wdil], [P", 18, "Wdil is neither a dimension nor"),
        ("[R, Wdilation], [P", "[R, S], [P", 18, "A term of an axis has one dimension"),
        ("      read_write: true\n", "", 12, "3 and 0"),
        ("shape:\n", "shape: cnn-layer\n  x:\n", 3, "is one of Timeloop's own; write the shape"),
        ("[[C]], [[M]], [[R]]", "[[C]], [[R]]", 4, "the loop M of 64 is in one of three tensors"),
        ("[[M]], [[Q]], [[P]]", "[[M]], [[Q], [P]]", 4, "two of its tensors have windows"),
        ("[[N]], [[M]], [[Q]]", "[[N]], [[N]], [[M]], [[Q]]", 4, "two axes of Outputs share"),
        ("  instance:", "  instances:", 2, "no instance. Did you mean instances?"),
        ("- [[C]]", "- 7", 17, "An axis of a projection must be a list"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_problem_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, reason: str
) -> None:
    assert old in CONV
    path = write(tmp_path, CONV.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        import_network(path)
    (problem,) = caught.value.problems
    assert reason in problem.message
    assert (problem.file, problem.line) == (str(path), line)


def conv(**changes: Any) -> dict[str, Any]:
    """Return a layer of the form that ZigZag's own examples have."""
    return {
        "id": 0,
        "operator_type": "Conv",
        "equation": "O[b][k][oy][ox]+=W[k][c][fy][fx]*I[b][c][iy][ix]",
        "dimension_relations": ["ix=2*ox+1*fx", "iy=2*oy+fy"],
        "loop_dims": ["B", "K", "C", "OY", "OX", "FY", "FX"],
        "loop_sizes": [1, 64, 3, 112, 112, 7, 7],
        "operand_source": {"I": 0, "W": 0},
        **changes,
    }


GEMM_LAYER = {
    "operator_type": "Gemm", "equation": "O[b][k]+=W[k][c]*I[b][c]",
    "loop_dims": ["B", "K", "C"], "loop_sizes": [4, 10, 64],
}  # fmt: skip
ADD_LAYER = {
    "operator_type": "Add", "equation": "O[b][g][oy][ox]=W[b][g][oy][ox]+I[b][g][oy][ox]",
    "loop_dims": ["B", "G", "OY", "OX"], "loop_sizes": [1, 64, 56, 56],
}  # fmt: skip
POOL_LAYER = {
    "operator_type": "Pooling", "equation": "O[b][g][oy][ox]+=W[fx][fy]*I[b][g][iy][ix]",
    "dimension_relations": ["ix=2*ox+1*fx", "iy=2*oy+1*fy"],
    "loop_dims": ["B", "G", "OY", "OX", "FX", "FY"], "loop_sizes": [1, 64, 56, 56, 3, 3],
}  # fmt: skip


def zigzag(tmp_path: Path, *layers: dict[str, Any]) -> Path:
    return write(tmp_path, dump_yaml(list(layers)))


def test_zigzag_layers_are_taken_one_by_one(tmp_path: Path) -> None:
    padded = conv(name="stem", pr_loop_dims=["IX", "IY"], padding=[[3, 2], [1, 0]])
    path = zigzag(tmp_path, padded, {**GEMM_LAYER, "id": 7})
    assert is_foreign(path)
    network = load_workload(path)
    assert gemms(path) == [(1, 112 * 112, 64, 147), (1, 4, 10, 64)]
    # (112 - 1) 2 + 7 = 229 rows and columns, of which 1 and 3 + 2 are zeros.
    assert network.given["input"].shape == (228, 224, 3)
    assert network.outputs == ("stem", "Gemm_7")
    assert network.macs() == 112 * 112 * 64 * 147 + 4 * 10 * 64


def test_zigzag_depthwise_layers_have_groups(tmp_path: Path) -> None:
    layer = conv(
        equation="O[b][g][oy][ox]+=W[g][fy][fx]*I[b][g][iy][ix]",
        loop_dims=["B", "G", "OY", "OX", "FY", "FX"], loop_sizes=[1, 32, 14, 14, 3, 3],
    )  # fmt: skip
    assert gemms(zigzag(tmp_path, layer)) == [(32, 196, 1, 9)]


def test_one_batch_serves_all_layers_of_a_file(tmp_path: Path) -> None:
    sizes = [4, 64, 3, 112, 112, 7, 7]
    network = import_network(zigzag(tmp_path, conv(loop_sizes=sizes), GEMM_LAYER))
    assert network.workload.macs(batch=4) == 4 * 112 * 112 * 64 * 147 + 4 * 10 * 64
    assert network.warnings() == ("The file runs a batch of 4; --batch sets it here.",)
    with pytest.raises(ConfigError, match="It has no one batch: batches of 1, 4 in one file"):
        import_network(zigzag(tmp_path, conv(loop_sizes=sizes), conv()))
    with pytest.raises(ConfigError, match="4 rows of Gemm_ and a batch of 8"):
        import_network(zigzag(tmp_path, conv(loop_sizes=[8, *sizes[1:]]), GEMM_LAYER))


def test_what_is_no_product_is_named_with_its_line(tmp_path: Path) -> None:
    path = zigzag(tmp_path, conv(), {**POOL_LAYER, "id": 1}, {**ADD_LAYER, "id": 2})
    network = import_network(path)
    assert [(left.op, left.node) for left in network.not_modelled] == [
        ("Pooling", "Pooling_1 (line 26)"), ("Add", "Add_2 (line 46)"),
    ]  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        import_network(path, strict=True)
    assert [problem.line for problem in caught.value.problems] == [26, 46]
    assert "as in pooling" in caught.value.problems[0].message
    with pytest.raises(ConfigError, match="Add_ is not modelled: its equation is no"):
        import_network(zigzag(tmp_path, ADD_LAYER))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"loop_sizes": [1, 64]}, "loop_sizes must name 7 sizes"),
        ({"loop_sizes": [1, 64, 3, -1, 112, 7, 7]}, "The size of OY is -1"),
        ({"dimension_relations": ["ix=2*ox", "iy=oy**9"]}, "'iy=oy.*' is no relation such as"),
        ({"dimension_relations": ["iy=2*oy+fy"]}, "ix in the equation is none of loop_dims"),
        ({"equation": 3}, "The equation is 3; it must be a text"),
        ({"padding": [[1, 1]]}, "A layer with padding has no pr_loop_dims"),
        ({"padding": [[1, 1]], "pr_loop_dims": ["IX", "IY"]}, "padding must have 2 pairs"),
        ({"padding": [[1]], "pr_loop_dims": ["IX"]}, "IX must be one of dimension_relations"),
        ({"padding": [[999, 0]], "pr_loop_dims": ["IX"]}, "leaves nothing of an axis"),
        ({"equation": "O[b]+=" + "W" * 2000 + "*I[b]"}, "its equation is no"),
        ({"operator_type": ""}, "operator_type is ''"),
    ],
)
def test_what_is_wrong_in_a_layer_is_refused(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        import_network(zigzag(tmp_path, conv(**changes)))
    assert all(problem.line for problem in caught.value.problems)


def test_only_files_of_that_structure_are_taken_for_foreign(tmp_path: Path) -> None:
    own = Path(__file__).parents[3] / "workloads" / "tiny.yaml"
    for path in (
        own, tmp_path / "missing.yaml", write(tmp_path, "a: [", "broken.yaml"),
        write(tmp_path, "- 1\n", "list.yaml"), write(tmp_path, "", "empty.yaml"),
    ):  # fmt: skip
        assert not is_foreign(path)
    with pytest.raises(ConfigError, match="neither a problem of Timeloop nor a list"):
        import_network(own)


ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 2**40, "", "x", "[[", "O[b]+=W*I", "ix=ix+ix", [], {}, [[]], [["N"]],
    {"name": 1}, [1, 2, 3],
)  # fmt: skip


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value."""
    yield path
    if isinstance(data, dict | list):
        for step, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from places(value, (*path, step))


def changed(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(data) if isinstance(data, dict) else list(data)
    copy[path[0]] = changed(data[path[0]], path[1:], value)
    return copy


@pytest.mark.parametrize("tool", ["timeloop", "zigzag"])
def test_any_value_in_any_place_is_read_or_refused(tmp_path: Path, tool: str) -> None:
    padded = conv(pr_loop_dims=["IX", "IY"], padding=[[3, 2], [1, 0]])
    data = parse_yaml(CONV).data if tool == "timeloop" else [padded, GEMM_LAYER]
    refused = []
    for index, path in enumerate(places(data)):
        odd = changed(data, path, ODD[index % len(ODD)])
        document = parse_yaml(dump_yaml(odd), file="net.yaml")
        try:
            if tool == "timeloop":
                load_problem(document)
            else:
                load_workload_list(document, strict=False)
        except ConfigError as error:
            refused += error.problems
    assert len(refused) > 30
    assert {problem.file for problem in refused} == {"net.yaml"}
