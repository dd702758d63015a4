"""A worker that freezes itself, as SIGSTOP does, at the moment that its first argument names.

`drawing`: in the middle of a batch; `keeping`: when files are on disk and not recorded yet;
`never`. The second argument is the server's data folder. It never freezes in the middle of a write,
which would keep SQLite locked until it is killed; a server does that to its own workers.
"""

import signal
import sys
import threading
import time
from pathlib import Path

from nonette.core.flat import FlatEngine
from nonette.server import logs, results
from nonette.server.database import Database
from nonette.server.settings import load
from nonette.server.worker import WorkerLoop

moment = sys.argv[1]
write = results.write


class Freezing(FlatEngine):
    def draw(self, requests, on_progress=None, should_stop=None):
        def told(progress):
            time.sleep(0.05)
            on_progress(progress)
            if moment == "drawing" and progress.done == 4:
                freeze()

        return super().draw(requests, told, should_stop)


def written(*arguments):
    rows = write(*arguments)
    if moment == "keeping":
        freeze()
    return rows


def freeze():
    with loop.leases.database._turn:
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # this very moment


results.write = written
settings = load(data_dir=Path(sys.argv[2]))
logs.set_up("json", sys.stdout)
loop = WorkerLoop(Freezing(native_size=(32, 32)), Database(settings.url), settings)
signal.signal(signal.SIGTERM, lambda *_: loop.draining.set())
loop.run()
