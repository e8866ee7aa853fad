"""Modules with attention of their own, built as timm, vit-pytorch and minGPT build theirs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

D_MODEL, N_HEADS = 20, 5


class TimmAttention(nn.Module):
    """timm.layers.Attention: one projection, norms of queries and keys, and the function if it is `fused`."""

    def __init__(self, *, fused: bool = True, scale_norm: bool = False) -> None:
        super().__init__()
        self.num_heads, self.head_dim = N_HEADS, D_MODEL // N_HEADS
        self.scale, self.fused_attn = self.head_dim**-0.5, fused
        self.qkv = nn.Linear(D_MODEL, 3 * D_MODEL)
        self.q_norm, self.k_norm = nn.LayerNorm(self.head_dim), nn.LayerNorm(self.head_dim)
        self.attn_drop = nn.Dropout(0.3)
        self.norm = nn.LayerNorm(D_MODEL) if scale_norm else nn.Identity()
        self.proj = nn.Linear(D_MODEL, D_MODEL)
        self.weights: Tensor | None = None

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        n_rows, n, width = x.shape
        qkv = self.qkv(x).reshape(n_rows, n, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        q, k = self.q_norm(q), self.k_norm(k)
        if self.fused_attn:
            drop = self.attn_drop.p if self.training else 0.0
            x = functional.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask, dropout_p=drop)
        else:
            attn = (q * self.scale) @ k.transpose(-2, -1)
            attn = attn if attn_mask is None else attn.masked_fill(~attn_mask, -torch.inf)
            self.weights = attn.softmax(dim=-1)
            x = self.attn_drop(self.weights) @ v
        return self.proj(self.norm(x.transpose(1, 2).reshape(n_rows, n, width)))


class TimmBlock(nn.Module):
    def __init__(self, **options: bool) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(D_MODEL), TimmAttention(**options)

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        return x + self.attn(self.norm1(x), attn_mask)


class TimmTransformer(nn.Module):
    """timm.models.VisionTransformer: patches, a class token, blocks."""

    def __init__(self, **options: bool) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, D_MODEL, 4, 4)
        self.cls_token = nn.Parameter(torch.randn(1, 1, D_MODEL))
        self.blocks = nn.Sequential(*(TimmBlock(**options) for _ in range(3)))
        self.head = nn.Linear(D_MODEL, 7)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patch_embed(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1)
        return self.head(self.blocks(x)[:, 0]).softmax(-1)


class LucidAttention(nn.Module):
    """vit_pytorch.vit.Attention: scores and softmax by hand, in modules."""

    def __init__(self) -> None:
        super().__init__()
        self.heads, self.scale = N_HEADS, (D_MODEL // N_HEADS) ** -0.5
        self.norm, self.attend = nn.LayerNorm(D_MODEL), nn.Softmax(dim=-1)
        self.to_qkv = nn.Linear(D_MODEL, 3 * D_MODEL, bias=False)
        self.to_out = nn.Linear(D_MODEL, D_MODEL)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.to_qkv(self.norm(x)).chunk(3, dim=-1)
        q, k, v = (one.unflatten(-1, (self.heads, -1)).transpose(1, 2) for one in qkv)
        attn = self.attend(torch.matmul(q, k.transpose(-1, -2)) * self.scale)
        return self.to_out(torch.matmul(attn, v).transpose(1, 2).flatten(2))


class WindowBlock(nn.Module):
    """Swin's: the windows of a picture are rows of the batch."""

    def __init__(self, window: int = 4) -> None:
        super().__init__()
        self.window, self.attn = window, TimmAttention()

    def forward(self, x: Tensor) -> Tensor:
        return self.attn(x.reshape(-1, self.window, D_MODEL)).reshape(x.shape)


class CrossBlock(nn.Module):
    """A layer that attends to itself and to a context, which may be missing, by one class for both."""

    def __init__(self) -> None:
        super().__init__()
        self.mine, self.theirs = CrossAttention(), CrossAttention()

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        x = x + self.mine(x)
        return x + self.theirs(x, context=context)


class CrossAttention(nn.Module):
    """diffusers' and lucidrains': the context is the sequence itself if there is none. One head for keys and values."""

    def __init__(self, *, gqa: bool = False) -> None:
        super().__init__()
        self.heads, self.gqa = N_HEADS, gqa
        self.to_q, self.to_kv = nn.Linear(D_MODEL, D_MODEL), nn.Linear(D_MODEL, 2 * D_MODEL)

    def forward(self, x: Tensor, *, context: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        context = x if context is None else context
        q, (k, v) = self.to_q(x), self.to_kv(context).chunk(2, dim=-1)
        q, k, v = (one.unflatten(-1, (self.heads, -1)).transpose(1, 2) for one in (q, k, v))
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)


class Latents(nn.Module):
    """A Perceiver: latents attend to the input, then to themselves, each in a block of its own."""

    def __init__(self, n_latents: int, make: type[nn.Module] = CrossAttention) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(1, n_latents, D_MODEL))
        self.blocks = nn.ModuleList(make() for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        latents = self.latents.expand(len(x), -1, -1)
        for number, block in enumerate(self.blocks):
            latents = latents + block(latents, context=x if number % 2 == 0 else None)
        return latents


class Groups(nn.Module):
    """minGPT's layer with grouped queries, causal, and a scale of its own."""

    def __init__(self, n_key_heads: int = 1, *, flat: bool = False) -> None:
        super().__init__()
        self.num_heads, self.n_key_heads, self.flat = N_HEADS, n_key_heads, flat
        d_head = D_MODEL // N_HEADS
        self.q, self.kv = nn.Linear(D_MODEL, D_MODEL), nn.Linear(D_MODEL, 2 * d_head * n_key_heads)

    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        q, (k, v) = self.q(x), self.kv(x).chunk(2, dim=-1)
        heads = (self.num_heads, self.n_key_heads, self.n_key_heads)
        return tuple(one.unflatten(-1, (n, -1)).transpose(1, 2) for one, n in zip((q, k, v), heads, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.split(x)
        if self.flat:  # [row * head, position, d_head]
            q, k, v = (one.flatten(0, 1) for one in (q, k, v))
            return functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.7)
        return functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.7, enable_gqa=True)


def weights_of(q: Tensor, k: Tensor, *, scale: float | None = None, mask: Tensor | None = None) -> Tensor:
    """Return softmax weights as torch documents the function; `mask` is True where a query may attend."""
    k = k.repeat_interleave(q.shape[-3] // k.shape[-3], dim=-3) if q.dim() > 2 else k
    scores = q @ k.transpose(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    return (scores if mask is None else scores.masked_fill(~mask, -torch.inf)).softmax(-1)
