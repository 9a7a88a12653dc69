"""A study on two Ray nodes of this machine, one core each."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from betavae.studies.cells import Cell
from betavae.studies.engines import Engine
from betavae.studies.run_cells import run_cells


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Start two nodes; yield the address of the first."""
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        nodes.add_node(num_cpus=1)
        yield nodes.address
    finally:
        nodes.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what Ray's own processes and files warn of is its affair
def test_a_study_uses_both_nodes_and_is_not_done_twice(cluster: str, tmp_path: Path) -> None:
    def met(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
        """Wait until two nodes work on the study: each has one core, so both are needed."""
        import ray

        node = ray.get_runtime_context().get_node_id()
        (folder.parent / f"node-{node}").touch()
        deadline = time.monotonic() + 60
        while len(list(folder.parent.glob("node-*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        return {"node": node, "square": options["k"] ** 2, "process": os.getpid()}

    cells = [Cell(f"tiny/{k}", {"k": k}) for k in range(4)]
    options: dict[str, Any] = {"engine": Engine("ray", ray_address=cluster), "progress": False}
    first = run_cells(tmp_path, cells, met, **options)
    assert [first[cell.name]["square"] for cell in cells] == [0, 1, 4, 9]
    assert len({found["node"] for found in first.values()}) == 2
    assert run_cells(tmp_path, cells, met, **options) == first  # read, not run
