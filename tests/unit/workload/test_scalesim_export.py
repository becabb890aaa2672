"""Networks as SCALE-Sim topologies: rows by hand, and the MACs of the way back."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelsim.errors import DataError
from accelsim.workload import Workload, load_workload
from accelsim.workload.importers.scalesim_export import Topology, topology_text


def exported(tmp_path: Path, workload: Workload, kind: Topology, batch: int = 1) -> Workload:
    path = tmp_path / f"{kind}.csv"
    path.write_text(topology_text(workload, kind, batch=batch), encoding="utf-8")
    return load_workload(path)


@pytest.mark.parametrize("kind", list(Topology))
@pytest.mark.parametrize(
    "name", ["tiny", "resnet50", "mobilenet_v2", "squeezenet", "transformer_tiny", "bert_base"]
)
def test_the_way_back_has_the_same_macs(tmp_path: Path, name: str, kind: Topology) -> None:
    workload = load_workload(name)
    assert exported(tmp_path, workload, kind).macs() == workload.macs()


def test_a_batch_is_more_rows(tmp_path: Path) -> None:
    workload = load_workload("tiny")
    for kind in Topology:
        assert exported(tmp_path, workload, kind, batch=3).macs() == 3 * workload.macs()


NET = """\
name: net
input: {shape: [9, 8, 4]}
layers:
- {name: a, kind: conv2d, in_channels: 4, out_channels: 6, kernel: [3, 3], stride: [2, 2],
   padding: [1, 1], groups: 2}
- {name: b, kind: conv2d, in_channels: 6, out_channels: 5, kernel: [3, 1], dilation: [2, 1],
   stride: [1, 2], padding: [2, 0]}
- {name: f, kind: flatten}
- {name: c, kind: linear, in_features: 50, out_features: 7}
"""


def test_rows_are_these(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(NET, encoding="utf-8")
    workload = load_workload(path)
    # a makes (9 + 2 - 3) / 2 + 1 = 5 rows and (8 + 2 - 3) // 2 + 1 = 4 columns, so that its
    # windows read 11 x 9 places; b makes 5 x 2 and is dilated; both have groups apart.
    rows = topology_text(workload, Topology.CONV).splitlines()[1:]
    assert rows == [
        "a, 11, 9, 3, 3, 2, 3, 2,",
        "a_2, 11, 9, 3, 3, 2, 3, 2,",
        "b, 10, 1, 1, 1, 18, 5, 1,",
        "c, 1, 1, 1, 1, 50, 7, 1,",
    ]
    rows = topology_text(workload, Topology.GEMM).splitlines()
    assert rows == [
        "Layer, M, N, K,", "a, 20, 3, 18,", "a_2, 20, 3, 18,", "b, 10, 5, 18,", "c, 1, 7, 50,",
    ]  # fmt: skip


def test_a_network_without_products_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text("name: n\ninput: {shape: [3]}\nlayers: [{name: r, kind: relu}]\n")
    with pytest.raises(DataError, match="n has no products to export"):
        topology_text(load_workload(path), Topology.CONV)
