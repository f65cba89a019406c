"""tf.train.ClusterSpec: which processes work together, by jobs and tasks; and the messages that say so."""

from __future__ import annotations

from typing import Any

from millstream.api.public import public, publish
from millstream.base.errors import explain
from millstream.base.messages import message

ClusterDef = message("ClusterDef")

for _name in ("ClusterDef", "JobDef", "ServerDef"):
    publish(f"train.{_name}", message(_name))
    publish(f"compat.v1.train.{_name}", message(_name))
publish("compat.v1.train.SaverDef", message("SaverDef"))


@public("train.ClusterSpec", "compat.v1.train.ClusterSpec")
class ClusterSpec:
    """The addresses of tasks by the names of their jobs.

    Args:
      cluster: a dictionary from names of jobs to lists of addresses, or to dictionaries from numbers of tasks to addresses; a
        `tf.train.ClusterDef`; or another ClusterSpec.

    Raises:
      TypeError: for anything else.

    >>> cluster = tf.train.ClusterSpec({"worker": ["a:1", "b:1"], "ps": {3: "c:1"}})
    >>> cluster.num_tasks("worker"), cluster.task_address("ps", 3)
    (2, 'c:1')
    """

    def __init__(self, cluster: Any) -> None:
        self._tasks: dict[str, dict[int, str]] = {}
        if isinstance(cluster, ClusterSpec):
            cluster = cluster.as_cluster_def()
        if isinstance(cluster, dict):
            for job, tasks in cluster.items():
                self._tasks[job] = self._numbered(job, tasks)
        elif isinstance(cluster, ClusterDef):
            self._tasks = {job.name: dict(job.tasks) for job in cluster.job}
        else:
            raise TypeError(
                explain(
                    "`cluster` must be a dictionary mapping one or more job names to lists of network addresses, or a `ClusterDef` "
                    f"protocol buffer; got {type(cluster).__name__}."
                )
            )
        self._message = ClusterDef()
        for job, addresses in sorted(self._tasks.items()):
            added = self._message.job.add(name=job)
            for number, address in addresses.items():
                added.tasks[number] = address

    @staticmethod
    def _numbered(job: Any, tasks: Any) -> dict[int, str]:
        if not isinstance(job, (str, bytes)):
            raise TypeError(explain(f"The job name {job!r} must be bytes or unicode"))
        if isinstance(tasks, (list, tuple)):
            tasks = dict(enumerate(tasks))
        elif not isinstance(tasks, dict):
            raise TypeError(
                explain(f"The tasks for job {job!r} must be a list or a dictionary from integers to strings.")
            )
        for number, address in tasks.items():
            if not isinstance(address, (str, bytes)):
                raise TypeError(
                    explain(
                        f"The task address for task {number} of job {job!r} must be bytes or unicode, got {address!r}"
                    )
                )
        return {int(i): a.decode() if isinstance(a, bytes) else a for i, a in tasks.items()}

    def __bool__(self) -> bool:
        return bool(self._tasks)

    def __eq__(self, other: object) -> bool:
        return self._tasks == (other._tasks if isinstance(other, ClusterSpec) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        found = self.as_dict()
        return "ClusterSpec({" + ", ".join(f"{job!r}: {found[job]!r}" for job in sorted(found)) + "})"

    def as_dict(self) -> dict[str, Any]:
        """Return the addresses by job: lists, or dictionaries where numbers of tasks are left out."""
        return {
            job: {}
            if not tasks
            else self.job_tasks(job)
            if max(tasks) + 1 == len(tasks)
            else dict(sorted(tasks.items()))
            for job, tasks in self._tasks.items()
        }

    def as_cluster_def(self) -> Any:
        """Return the same as a `tf.train.ClusterDef`."""
        return self._message

    @property
    def jobs(self) -> list[str]:
        """The names of the jobs."""
        return list(self._tasks)

    def _of(self, job_name: str) -> dict[int, str]:
        if job_name not in self._tasks:
            raise ValueError(explain(f"No such job in cluster: {job_name!r}; there are {self.jobs}."))
        return self._tasks[job_name]

    def num_tasks(self, job_name: str) -> int:
        """Return how many tasks a job has; ValueError where there is no such job."""
        return len(self._of(job_name))

    def task_indices(self, job_name: str) -> list[int]:
        """Return the numbers of a job's tasks; ValueError where there is no such job."""
        return sorted(self._of(job_name))

    def task_address(self, job_name: str, task_index: int) -> str:
        """Return the address of a task; ValueError where there is none."""
        tasks = self._of(job_name)
        if task_index not in tasks:
            raise ValueError(explain(f"No task with index {task_index!r} in job {job_name!r}; it has {sorted(tasks)}."))
        return tasks[task_index]

    def job_tasks(self, job_name: str) -> list[str | None]:
        """Return the addresses of a job's tasks by number, None for numbers left out; ValueError where there is no such job."""
        tasks = self._of(job_name)
        return [tasks.get(number) for number in range(max(tasks) + 1)]
