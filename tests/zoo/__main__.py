"""Write docs/families.md: `python -m tests.zoo`, or only print the rows of the families that are named.

`python -m tests.zoo pictures` writes only its section on texts with pictures.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

from models.errors import NoAttention
from tests.zoo import sounds
from tests.zoo.build import check_small, config_of
from tests.zoo.compare import Finding, examine, pair_of
from tests.zoo.reasons import refused_reason, untried_reason
from tests.zoo.table import PAGE, page, row, with_sounds, write_pictures


def main(names: list[str]) -> None:
    findings: list[Finding] = []
    refused: dict[str, str] = {}
    untried: dict[str, str] = {}
    for family in names or list(MODEL_MAPPING_NAMES):
        try:
            check_small(config_of(family))
            findings.append(examine(pair_of(family)))
            print(*row(findings[-1]), sep=" | ", flush=True)
        except NoAttention:
            refused[family] = refused_reason(family)
            print(family, "refused", refused[family], sep=" | ", flush=True)
        except Exception as error:
            untried[family] = untried_reason(error)
            print(family, "not tried", error, sep=" | ", flush=True)
    if not names:
        text = with_sounds(page(findings, refused, untried), *sounds.examine_all([]))
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.logging.set_verbosity(logging.CRITICAL)
    warnings.simplefilter("ignore")
    if sys.argv[1:] == ["pictures"]:
        write_pictures()
    else:
        main(sys.argv[1:])
