"""A server of one training, without pages: it starts the training, reads its frames, and resumes it on request.

Requests are lines of JSON on the standard input (`{"start": SEED}`, `{"resume": true}`); reports are lines of JSON on
the standard output.
"""

import hashlib
import json
import signal
import sys
import threading
import time
from typing import Any

from analysis.recording import Frame
from models.errors import HeadlightError
from ui.services import training_process
from ui.services.trainings import TrainingRequest, Trainings, make_request

STEPS = 200
SIZES = {"n_layers": 1, "n_heads": 3, "d_model": 12, "d_feedforward": 17, "batch_size": 7}
POLL_SECONDS = 0.05


def small_request(seed: int) -> TrainingRequest:
    return make_request("previous", "a b c", seed=seed, steps=STEPS, **SIZES)


def digest(frame: Frame) -> str:
    """Return a hash of a frame without its loss, which is a mean since the last frame and differs after a kill."""
    return hashlib.sha256(repr(frame.accuracy).encode() + frame.scores.tobytes() + frame.maps.tobytes()).hexdigest()


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # Streamlit ends in the same way
    training_process.LOWER_PRIORITY = 0  # beside other work, fifty kills would take an hour
    trainings = Trainings()
    send({"ready": True})
    threading.Thread(target=report_changes, args=(trainings,), daemon=True).start()
    for line in sys.stdin:
        message = json.loads(line)
        try:
            if "start" in message:
                trainings.start(small_request(message["start"]), "visitor")
            else:
                trainings.resume("visitor")
            send({"done": message})
        except HeadlightError as error:
            send({"refused": str(error)})


def report_changes(trainings: Trainings) -> None:
    known: dict[str, Any] = {}
    while True:
        training = trainings.of("visitor")
        if training is not None and training._process is not None:
            status, frames = training.status, training.frames()
            now = {"name": training.name, "status": status, "pid": training._process.pid, "frames": len(frames)}
            if now != known:
                new = frames[known["frames"] if now["name"] == known.get("name") else 0 :]
                send({**now, "folder": str(training.folder), "new": {frame.step: digest(frame) for frame in new}})
                known = now
        time.sleep(POLL_SECONDS)


def send(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
