"""Server-side tables: what `kubectl get` shows of each kind, and with `-o wide`.

`COLUMNS` gives each kind's columns as data, NAME and AGE among them; `table` makes the `meta.k8s.io/v1` Table.
Columns of priority 1 are for `-o wide`. Kinds without an entry show NAME and AGE.

Source of names, order and cells: k8s.io/kubernetes pkg/printers/internalversion/printers.go.
"""

from collections.abc import Mapping

from portway.kubeapi.kinds import Column
from portway.kubeapi.printing import cluster, config, network, pods, storage, workloads
from portway.kubeapi.printing.duration import human_duration
from portway.kubeapi.printing.table import table

COLUMNS: Mapping[str, tuple[Column, ...]] = {
    **pods.COLUMNS,
    **workloads.COLUMNS,
    **network.COLUMNS,
    **cluster.COLUMNS,
    **config.COLUMNS,
    **storage.COLUMNS,
}

__all__ = ["COLUMNS", "human_duration", "table"]
