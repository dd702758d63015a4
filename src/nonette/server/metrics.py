"""What Prometheus is told: what happens in this process, and what the database says when asked.

Each app has a registry of its own. Jobs that ended are counted by the keeper's rounds, so the
numbers of a job appear some seconds after its end.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from nonette.server.database import Database
from nonette.server.outlook import num_workers
from nonette.server.settings import Settings
from nonette.server.tables import ENDED, RUNNING, WAITING, Job, Model, QueueState

SECONDS = (0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics:
    """The numbers of one API process."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "nonette_http_requests",
            "Answers, by method and status.",
            ("method", "status"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "nonette_http_request_seconds",
            "Seconds from a request to the end of its answer; streams last.",
            registry=self.registry,
        )
        self.refusals = Counter(
            "nonette_refusals",
            "Answers of 400 and above, by their code.",
            ("code",),
            registry=self.registry,
        )
        self.ended = Counter(
            "nonette_jobs_ended", "Jobs that ended, by how.", ("state",), registry=self.registry
        )
        self.phases = Histogram(
            "nonette_job_seconds",
            "Seconds that jobs waited, and from the first claim to the end.",
            ("phase",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.registry.register(_Outlook(database, settings))
        self._version: int | None = None

    def page(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self.registry)

    def note_ends(self) -> None:
        """Count the jobs that ended since the last call; the first only begins to count."""
        with self.database.read() as session:
            last = session.scalar(select(QueueState.changes)) or 0
            if self._version is None:
                self._version = last
            jobs = session.scalars(
                select(Job).where(
                    Job.version > self._version, Job.version <= last, Job.state.in_(ENDED)
                )
            )
            for job in jobs:
                self.ended.labels(job.state).inc()
                if job.started_at is not None and job.finished_at is not None:
                    self.phases.labels("waiting").observe(job.started_at - job.created_at)
                    self.phases.labels("drawing").observe(job.finished_at - job.started_at)
            self._version = last


class _Outlook(Collector):
    """What the database and the disk say at the moment of asking."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges."""
        jobs = GaugeMetricFamily("nonette_jobs", "Jobs now.", labels=("model", "state"))
        workers = GaugeMetricFamily(
            "nonette_workers", "Workers that report now.", labels=("model",)
        )
        speed = GaugeMetricFamily(
            "nonette_seconds_per_candidate", "Measured speed.", labels=("model",)
        )
        oldest = GaugeMetricFamily("nonette_oldest_waiting_seconds", "Age of the oldest job.")
        with self.database.read() as session:
            grouped = (
                select(Job.model, Job.state, func.count())
                .where(Job.state.in_((WAITING, RUNNING)))
                .group_by(Job.model, Job.state)
            )
            counts = {(model, state): count for model, state, count in session.execute(grouped)}
            for model in self.settings.models:
                for state in (WAITING, RUNNING):
                    jobs.add_metric((model, state), counts.get((model, state), 0))
                workers.add_metric((model,), num_workers(session, self.database, model))
            for row in session.scalars(select(Model)):
                if row.seconds_per_candidate is not None:
                    speed.add_metric((row.name,), row.seconds_per_candidate)
            first = session.scalar(select(func.min(Job.created_at)).where(Job.state == WAITING))
            oldest.add_metric((), 0.0 if first is None else max(0.0, time.time() - first))
        yield from (jobs, workers, speed, oldest)
        free = GaugeMetricFamily("nonette_disk_free_bytes", "Room left for the data folder.")
        free.add_metric((), shutil.disk_usage(self.settings.data_dir).free)
        yield free
