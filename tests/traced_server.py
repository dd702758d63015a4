"""Callers who submit at once and a worker that draws, in one process, for a trace of its writes.

What was promised goes to standard output: `accepted JOB` and `done JOB`, each a write of its own.
"""

import os
import sys
import threading
from pathlib import Path

from sqlalchemy import event

from nonette.core.flat import FlatEngine
from nonette.core.types import Request
from nonette.server import logs
from nonette.server.database import Database
from nonette.server.queue import Queue
from nonette.server.settings import Settings
from nonette.server.views import Submission
from nonette.server.worker import WorkerLoop

CALLERS, JOBS = 4, 3

logs.set_up("json", sys.stderr)
settings = Settings(data_dir=Path(sys.argv[1]), models=("flat",), batch_jobs=3)
database = Database(settings.url)
# Often, so that power is cut while the log is copied into the database, too.
event.listen(
    database.engine, "connect", lambda one, _: one.execute("PRAGMA wal_autocheckpoint=100")
)
queue = Queue(database, settings)
loop = WorkerLoop(FlatEngine(native_size=(16, 16), candidates=2), database, settings)
loop.leases.register(loop.capabilities)
told: set[str] = set()


def submit(owner):
    for number in range(JOBS):
        request = Request(prompt=f"a fox {number}", num_pictures=2)
        job = queue.submit(Submission(owner=owner, request=request))
        os.write(1, f"accepted {job.id}\n".encode())


threads = [threading.Thread(target=submit, args=[f"caller {n}"]) for n in range(CALLERS)]
for thread in threads:
    thread.start()
while len(told) < CALLERS * JOBS:
    claims = loop.leases.claim("flat")
    loop.work(claims) if claims else threads[len(told) % CALLERS].join(0.05)
    for claim in claims:
        if queue.look(claim.id).state == "done":
            told.add(claim.id)
            os.write(1, f"done {claim.id}\n".encode())
