"""What a server does with one training, without the pages: it starts it, reads its frames, and goes on when told.

Orders come in as lines of JSON (`{"start": SEED}`, `{"resume": true}`); what the server knows goes out in the same way.
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
LOOK_SECONDS = 0.05


def order(seed: int) -> TrainingRequest:
    return make_request("previous", "a b c", seed=seed, steps=STEPS, **SIZES)


def digest(frame: Frame) -> str:
    """Return what a frame shows; its loss is a mean since the last frame or start, and may differ after a kill."""
    return hashlib.sha256(repr(frame.accuracy).encode() + frame.scores.tobytes() + frame.maps.tobytes()).hexdigest()


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # Streamlit ends in the same way
    training_process.LOWER_PRIORITY = 0  # beside other work, fifty moments would take an hour
    trainings = Trainings()
    tell({"ready": True})
    threading.Thread(target=look, args=(trainings,), daemon=True).start()
    for line in sys.stdin:
        told = json.loads(line)
        try:
            if "start" in told:
                trainings.start(order(told["start"]), "visitor")
            else:
                trainings.resume("visitor")
            tell({"done": told})
        except HeadlightError as error:
            tell({"refused": str(error)})


def look(trainings: Trainings) -> None:
    known: dict[str, Any] = {}
    while True:
        training = trainings.of("visitor")
        if training is not None and training._process is not None:
            status, frames = training.status, training.frames()
            now = {"name": training.name, "status": status, "pid": training._process.pid, "frames": len(frames)}
            if now != known:
                new = frames[known["frames"] if now["name"] == known.get("name") else 0 :]
                tell({**now, "folder": str(training.folder), "new": {frame.step: digest(frame) for frame in new}})
                known = now
        time.sleep(LOOK_SECONDS)


def tell(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
