"""How trace files are spoilt, format by format: lies about sizes, bombs, damaged bytes, wrong fields, garbage."""

import io
import json
import struct
import warnings
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

from benchmarks.fuzzing.mutations import NUMBERS, STRINGS, mutated_json, nested, scalar
from models.trace_files.npy import make_header

_TYPES = ("u1", "i1", "i8", "f2", "f8", "c16", "?", "S3", "U5", "M8[s]", "V7", "O", ">i4", ">f4", "f4,i4")


def npy_bytes(array: np.ndarray) -> bytes:
    """Return an array as a `.npy`, also one that holds Python objects."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=True)
    return file.getvalue()


def flipped(dice: Random, raw: bytes) -> bytes:
    """Return bytes of which some bits are flipped."""
    found = bytearray(raw)
    for _ in range(dice.choice((1, 1, 2, 8, 64))):
        found[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
    return bytes(found)


def _spoil_json(dice: Random, raw: bytes) -> bytes:
    deed = dice.randrange(12)
    if deed == 0:
        return (b'{"format": "headlight-trace", "version": 1, "attentions": ' + b"[" * 200_000 + b"]" * 200_000) + b"}"
    if deed == 1:
        return b"[" + b"{}," * dice.choice((1_000, 3_000_000)) + b"{}]"
    if deed == 2:
        return b'{"format": ' + b"9" * dice.choice((1_000, 5_000, 1_000_000)) + b"}"
    return _spoilt_document(dice, json.loads(raw))


def _spoilt_document(dice: Random, document: Any) -> bytes:
    """Return a document with other values, names, shapes or lists of numbers, as text."""
    deed = dice.randrange(6)
    if deed == 0:
        record = dice.choice(list(document["arrays"].values()))
        record["shape"] = [
            dice.choice((0, 1, 2, 3, 2**20, 2**31, 2**40, 2**61, 10**30, -1)) for _ in range(dice.randrange(9))
        ]
    elif deed == 1:
        record = dice.choice(list(document["arrays"].values()))
        record["dtype"] = dice.choice(("float16", "float64", "bfloat16", "bool", "int64", "object", "", "float32"))
    elif deed == 2:
        layer = dice.choice(document["attentions"]["cross"]["layers"])
        layer[dice.choice(list(layer))] = dice.choice(
            (nested(dice), scalar(dice), [[[0.5, None]]], [[[True]]], [[[1e999]]])
        )
    elif deed == 3:
        document["attentions"]["cross"]["query_tokens"] = dice.choice(
            (
                ["a"] * 5,
                ["a"] * 6,
                [dice.choice(STRINGS)] * 5,
                {"text": ["a"] * 5, "start": [3] * 5, "end": [1] * 5},
                nested(dice),
            )
        )
    elif deed == 4:
        document["version"] = dice.choice((2, 99, 0, -1, 1.0, True, "1", None, 10**400))
    else:
        document = mutated_json(dice, document)
    return json.dumps(document).encode("utf-8", "surrogatepass")


def _spoil_npz(dice: Random, raw: bytes) -> bytes:
    """Return an archive with other members, or with false tables."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    deed = dice.randrange(8)
    if deed == 0:
        return _bomb(dice)
    if deed == 1:
        return _with_lies(dice, raw)
    for _ in range(dice.choice((1, 1, 2))):
        name = dice.choice(list(parts))
        if name == "trace.json" or (deed == 2 and "trace.json" in parts):
            parts["trace.json"] = _spoilt_document(dice, json.loads(parts.get("trace.json", b"{}")))
        else:
            parts[name] = _spoil_npy(dice, parts[name])
    if deed == 3:
        del parts[dice.choice(list(parts))]
    return _zipped(dice, parts)


def _zipped(dice: Random, parts: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    kind = dice.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", kind) as archive:
        warnings.simplefilter("ignore")  # of members with one name
        for name, raw in parts.items():
            odd = (f"../{name}", f"/{name}", f"C:\\{name}", f"{name}\0", "é" * 99, f"{name}.npy", "\u202e.npy", ".")
            archive.writestr(name if dice.random() < 0.97 else dice.choice(odd), raw)
            if dice.random() < 0.01:
                archive.writestr(name, raw)
    return file.getvalue()


def _with_lies(dice: Random, raw: bytes) -> bytes:
    """Return an archive whose table or whose headers say something else."""
    spoilt = bytearray(raw)
    marks = [at for at in range(len(raw) - 4) if raw[at : at + 4] in (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06")]
    for _ in range(dice.choice((1, 1, 2, 4))):
        start = dice.choice(marks) + dice.choice((6, 8, 10, 16, 20, 24, 26, 28, 30, 42))
        number = dice.choice(
            (0, 1, 2, 8, 99, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF, dice.randrange(len(raw)))
        )
        width = dice.choice((2, 4))
        spoilt[start : start + width] = (number % (1 << 8 * width)).to_bytes(width, "little")
    return bytes(spoilt[: len(raw)])


def _bomb(dice: Random) -> bytes:
    """Return a small file that says or is a large one."""
    deed, file = dice.randrange(5), io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")
        if deed == 0:
            archive.writestr("trace.json", b" " * dice.choice((10**6, 3 * 10**7)))
        elif deed == 1:
            archive.writestr("a.npy", make_header("<f4", (1, 1, 2_500, 2_500)) + bytes(25_000_000))
        elif deed == 2:
            for number in range(dice.choice((1_000, 30_000))):
                archive.writestr(f"layer_{number}.npy", b"")
        elif deed == 3:
            archive.writestr("tokens.npy", make_header("<U90000", (70,)) + bytes(4 * 90_000 * 70))
        else:
            shape = dice.choice(((2**40, 2**20), (10**9,) * 3, (0,), (2**62,), ()))
            archive.writestr("a.npy", make_header(dice.choice(("<f4", "<U0", "|b1")), shape) + bytes(8))
    return file.getvalue()


def _spoil_npy(dice: Random, raw: bytes) -> bytes:
    deed = dice.randrange(6)
    if deed == 0:
        array = np.zeros(tuple(dice.choice((0, 1, 2, 3, 5)) for _ in range(dice.randrange(6))), dice.choice(_TYPES))
        return npy_bytes(array)
    if deed == 1:
        return npy_bytes(
            np.array(dice.choice((*STRINGS[:20], *NUMBERS[:19], None)), dtype=object if dice.random() < 0.3 else None)
        )
    if deed == 2:
        return npy_bytes(np.full((1, 2, 5, 7), dice.choice((np.nan, np.inf, -1e308, 1e-320, 2.0))))
    end = raw.find(b"\n") + 1
    texts = (
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 5, 7)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999, 7), }",
        "{'descr': '<f4', 'fortran_order': True, 'shape': (-1, 2, 5, 7), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (3,), }",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,), }",
        "__import__('os').system('true')",
        "{" * 5_000,
        "(" * 5_000 + ")" * 5_000,
        "{'descr': '<U999999999', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1," * 60 + "), }",
        f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({dice.choice(NUMBERS)},), }}",
    )
    text = dice.choice(texts).encode()
    version = dice.choice((1, 1, 2, 3, 0, 9))
    length = dice.choice((len(text), len(text), 0, 1, 0xFFFF, 2**31))
    head = struct.pack("<H", length % 2**16) if version == 1 else struct.pack("<L", length)
    return b"\x93NUMPY" + bytes((version, 0)) + head + text + raw[end:]


def _spoil_safetensors(dice: Random, raw: bytes) -> bytes:
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    deed = dice.randrange(4)
    if deed == 0:
        tensor = dice.choice([header[name] for name in header if name != "__metadata__"])
        tensor[dice.choice(list(tensor))] = dice.choice(
            ("F16", "BF16", "I64", "X", [0, 2**62], [5, 7], [2**40] * 5, [])
        )
    elif deed == 1:
        header["__metadata__"] = {
            "tokens": dice.choice(("[", '["a"]', '["\\ud800"]', "[1]", "[" * 5_000, json.dumps(["a"] * 5)))
        }
    else:
        header = mutated_json(dice, header)
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    size = dice.choice((len(text), len(text), len(text), 0, 2**40, 2**63, len(text) + 1))
    return size.to_bytes(8, "little") + text + raw[8 + length :]


def _spoil_csv(dice: Random, raw: bytes) -> bytes:
    lines = raw.decode("utf-8-sig").splitlines()
    for _ in range(dice.choice((1, 1, 3, 9))):
        at = dice.randrange(len(lines))
        cells = lines[at].split(",")
        cells[dice.randrange(len(cells))] = dice.choice(
            (str(dice.choice(NUMBERS)), dice.choice(STRINGS), '"', "1;2", "-1", "9" * 5_000)
        )
        lines[at] = dice.choice((",".join(cells), "", lines[at] + ",", ";".join(cells), lines[0], '"' + lines[at]))
    if dice.random() < 0.1:
        far = [lines[1].replace("0,2,0,0", f"0,2,{number},{number}") for number in range(3_000)]
        lines = [lines[0], *far]
    made = "\r\n".join(lines)
    if dice.random() < 0.1:
        made = made.replace(",", dice.choice((";", "\t", "|")))
    return made.encode(dice.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252")), "replace")


SPOILERS: dict[str, Callable[[Random, bytes], bytes]] = {
    "npz": _spoil_npz,
    "json": _spoil_json,
    "csv": _spoil_csv,
    "npy": _spoil_npy,
    "safetensors": _spoil_safetensors,
}
