"""Some of the benchmark's hostile trace files (`python -m benchmarks fuzz --kinds traces` reads 10,000), and bombs."""

import io
import os
import resource
import tempfile
import zipfile

import numpy as np
import pytest

from benchmarks.fuzzing.checks import check
from benchmarks.fuzzing.kinds import KINDS
from models import AttentionTrace
from models.errors import BadTrace
from models.trace_files.npy import make_header

N_FILES = 300


@pytest.fixture(scope="module", autouse=True)
def _folder(tmp_path_factory):
    before, tempfile.tempdir = tempfile.tempdir, str(tmp_path_factory.mktemp("traces"))
    yield
    tempfile.tempdir = before


@pytest.mark.slow
def test_a_hostile_file_is_read_or_refused_in_a_sentence():
    outcomes = {number: check(KINDS["traces"], number) for number in range(N_FILES)}
    failed = {number: outcome.why for number, outcome in outcomes.items() if outcome.what == "failed"}
    assert failed == {}, f"to see one: python -m benchmarks.fuzz traces {min(failed)}"
    found = {outcome.what for outcome in outcomes.values()}
    assert found == {"refused", "notice", "accepted"}  # some are spoilt where it does no harm


def deflated(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)
    return file.getvalue()


BIG = 60_000_000
STATED = make_header("<f4", (1, 1, 5_000, 3_000))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "raw", "sentence"),
    [
        ("npz", lambda: deflated({"a.npy": STATED + bytes(BIG)}), "unpacks from .* to 60.0 MB; save it without"),
        ("npz", lambda: deflated({"trace.json": b" " * 20_000_000}), "unpacks from .* to 20.0 MB"),
        ("npy", lambda: STATED, "has 0 bytes, its shape .1, 1, 5000, 3000. and type float32 need 60,000,000"),
        ("npy", lambda: make_header("<f4", (2**31, 2**31, 2**31)), "has 0 bytes, its shape"),
        ("json", lambda: b"[" * 50_000_000, "takes about .* of memory"),
        ("safetensors", lambda: (2**40).to_bytes(8, "little") + b"{}", "its header has 1,099,511,627,776 bytes"),
        ("csv", lambda: b'layer,head,query,key,query_token,key_token,weight\n"' + b"a" * 20_000_000, "is no table"),
        ("csv", lambda: far_apart(), "has 20,000 of the 400,000,000 pairs"),
    ],
    ids=["weights", "document", "npy", "huge npy", "nesting", "safetensors", "cell", "far apart"],
)
def test_a_bomb_takes_no_memory(tmp_path, suffix, raw, sentence):
    path = tmp_path / f"it.{suffix}"
    path.write_bytes(raw())
    before, handles = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, os.listdir("/proc/self/fd")
    with pytest.raises(BadTrace, match=sentence):
        AttentionTrace.load(path, max_bytes=500_000_000)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < BIG
    assert os.listdir("/proc/self/fd") == handles


def far_apart() -> bytes:
    lines = [f"0,0,{number},{number},a,a,0.5" for number in range(20_000)]
    return "\n".join(["layer,head,query,key,query_token,key_token,weight", *lines]).encode()


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "it.npz")
    (tmp_path / "a.json").mkdir()
    for name in ("it.npz", "a.json", "a\0.npz", "\ud800.npz"):
        with pytest.raises(BadTrace, match=r"it is no file; save the trace with AttentionTrace.save"):
            AttentionTrace.load(tmp_path / name)


def test_a_damaged_byte_is_found(tmp_path):
    np.savez(tmp_path / "it.npz", a=np.full((1, 1, 5, 5), 0.2, np.float32))
    raw = bytearray((tmp_path / "it.npz").read_bytes())
    raw[raw.index(b"\xcd\xccL>") + 30] ^= 1
    (tmp_path / "it.npz").write_bytes(raw)
    with pytest.raises(BadTrace, match=r"member 'a.npy' is damaged: the checksum is wrong"):
        AttentionTrace.load(tmp_path / "it.npz")


def test_members_that_share_their_bytes_are_refused(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("a0.npy", "a1.npy"):
            archive.writestr(name, make_header("<f4", (1, 2, 2)) + bytes(16))
    raw = bytearray(file.getvalue())
    second = raw.rindex(b"PK\x01\x02")
    raw[second + 42 : second + 46] = (0).to_bytes(4, "little")  # it begins where the first one does
    (tmp_path / "it.npz").write_bytes(raw)
    with pytest.raises(BadTrace, match="overlap"):
        AttentionTrace.load(tmp_path / "it.npz")
