"""The multi-head attention from scratch next to torch's own with the weights of each head, same weights, same input."""

from collections.abc import Callable
from statistics import median

import torch
from torch import nn

from benchmarks.fresh import in_new_process, peak_of
from benchmarks.table import Report, interleaved, met, milliseconds, ratio, size, timed
from models.scratch.layers import MultiHeadAttention

# Batch, positions, width, heads.
SIZES = ((8, 128, 256, 8), (1, 512, 768, 12), (32, 24, 64, 4))
MOST_OF_TORCH = 1.2
# One call may take less time than the noise of the machine, so this many calls are timed together.
CALLS = {24: 50, 128: 10, 512: 3}


def contestants(batch: int, n_positions: int, d_model: int, n_heads: int, device: str) -> dict[str, Callable[[], None]]:
    """Return, by name and pass, functions that attend once."""
    torch.manual_seed(0)
    ours = MultiHeadAttention(d_model, n_heads).to(device)
    theirs = nn.MultiheadAttention(d_model, n_heads, batch_first=True, device=device)
    projections = (ours.query_projection, ours.key_projection, ours.value_projection)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in projections]))
        theirs.in_proj_bias.copy_(torch.cat([part.bias for part in projections]))
        theirs.out_proj.load_state_dict(ours.output_projection.state_dict())
    x = torch.randn(batch, n_positions, d_model, device=device, requires_grad=True)
    attends = {
        "ours": lambda: ours(x, x, x),
        "torch": lambda: theirs(x, x, x, need_weights=True, average_attn_weights=False),
    }
    with torch.no_grad():
        for one, other in zip(attends["ours"](), attends["torch"](), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)

    def forward(who: str) -> None:
        with torch.no_grad():
            attends[who]()

    def both(who: str) -> None:
        x.grad = None
        attends[who]()[0].sum().backward()

    return {
        f"{who}, {name}": lambda who=who, work=work: work(who)
        for name, work in (("forward", forward), ("both", both))
        for who in attends
    }


def growth(contestant: str, device: str, sizes: list[int]) -> int:
    """Return the peak growth in bytes of one call; called in a new process."""
    work = contestants(*sizes, device)[contestant]
    work()
    return peak_of(work, device)[1]


def main(report: Report, device: str = "cpu") -> None:
    """Print times, ratios and memory of all sizes."""
    rows, slowest = [], 0.0
    for sizes in SIZES:
        works, calls = contestants(*sizes, device), CALLS[sizes[1]]

        def repeated(work: Callable[[], None], calls: int = calls) -> float:
            def several() -> None:
                for _ in range(calls):
                    work()
                if device.startswith("cuda"):
                    torch.cuda.synchronize()

            return timed(several) / calls

        taken = interleaved({name: lambda work=work: repeated(work) for name, work in works.items()}, seconds=5)
        for name, label in (("forward", "forward"), ("both", "forward and backward")):
            found = ratio(taken[f"ours, {name}"], taken[f"torch, {name}"])
            slowest = max(slowest, found)
            times = [milliseconds(median(taken[f"{who}, {name}"])) for who in ("ours", "torch")]
            grown = [
                in_new_process("scratch.growth", contestant=f"{who}, {name}", device=device, sizes=sizes)
                for who in ("ours", "torch")
            ]
            rows.append([*sizes, label, *times, f"{found:.2f}", *map(size, grown)])
    report.table(
        "From scratch, next to `nn.MultiheadAttention`",
        (
            "batch",
            "positions",
            "width",
            "heads",
            "pass",
            "ours",
            "torch",
            "ours / torch",
            "memory: ours",
            "memory: torch",
        ),
        rows,
        "Both give their output and the weights of each head (`need_weights=True, average_attn_weights=False`), take "
        "turns in one process, and have the same weights and input; ratios are medians of the turns' own ratios.",
        "Memory is the growth of the peak over what was held before the call, each in a process of its own.",
    )
    reached = ("slowest, ours / torch", f"{slowest:.2f}", f"at most {MOST_OF_TORCH}", met(slowest <= MOST_OF_TORCH))
    report.table("From scratch, to reach", ("what", "reached", "to reach", "met"), [reached])
