#!/usr/bin/env python3
"""The CPU peer of `lacuna bench cpu`: the same training step in PyTorch, float32.

A byte model of 4 layers, 4 heads, width 256, 4096 positions, attention fixed(128, 32) (own stride
block plus the last 32 positions of every earlier one, under one softmax, alike for all heads), no
dropout; a step is forward, backward, clipping to 1.0 and AdamW. Prints tokens per second (median of
the steps after a warm-up) for what a PyTorch user could run:

  dense          causal attention over everything, the fused kernel (a larger problem, for scale)
  mask           the same kernel with a boolean mask of the pattern
  split          own blocks as a batch of [128, 128] products, summaries beside them, one softmax
  split-kernel   the fused kernel once a stride block, over just the keys that block can see
  flex           FlexAttention with a block mask (compiled only)

Each in eager mode and with torch.compile. `--check` instead compares every variant's output and
gradients with a masked softmax written out. Needs PyTorch 2.5 or newer and a C++ compiler.
"""
import argparse
import json
import math
import os
import statistics
import sys
import time
import warnings
from typing import Callable

try:
    import torch
    import torch.nn.functional as F
    from torch import Tensor, nn
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention
except ImportError as missing:
    print(f"bench_torch_cpu.py needs PyTorch 2.5 or newer: {missing}", file=sys.stderr)
    sys.exit(2)

LAYERS, HEADS, WIDTH, FEEDFORWARD, POSITIONS, VOCABULARY = 4, 4, 256, 1024, 4096, 256
STRIDE, SUMMARY = 128, 32
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]  # q, k, v [B, H, T, D] to [B, H, T, D]


def pattern(b, h, q, k):
    return (k <= q) & ((q // STRIDE == k // STRIDE) | (k % STRIDE >= STRIDE - SUMMARY))


def pattern_mask(positions: int) -> Tensor:
    i = torch.arange(positions)
    return pattern(0, 0, i[:, None], i[None, :])


def dense(positions: int) -> Attend:
    return lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True)


def mask(positions: int) -> Attend:
    keep = pattern_mask(positions)
    return lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=keep)


def flex(positions: int) -> Attend:
    blocks = create_block_mask(pattern, None, None, positions, positions, device="cpu")
    return lambda q, k, v: flex_attention(q, k, v, block_mask=blocks)


def blocks_of(x: Tensor) -> Tensor:
    """[B, H, T, D] to [B, H, T/l, l, D]"""
    return x.unflatten(2, (-1, STRIDE))


def summaries_of(x: Tensor) -> Tensor:
    """[B, H, T, D] to [B, H, T/l * c, D]: the last c positions of each stride block."""
    return blocks_of(x)[:, :, :, STRIDE - SUMMARY:].flatten(2, 3)


def split(positions: int) -> Attend:
    blocks = positions // STRIDE
    own_hidden = torch.ones(STRIDE, STRIDE, dtype=torch.bool).triu(1)
    key_block = torch.arange(blocks * SUMMARY) // SUMMARY
    earlier_hidden = (key_block[None, :] >= torch.arange(blocks)[:, None])[:, None, :]

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q = blocks_of(q * q.shape[-1] ** -0.5)
        own = (q @ blocks_of(k).transpose(-1, -2)).masked_fill(own_hidden, -math.inf)
        earlier = (q.flatten(2, 3) @ summaries_of(k).transpose(-1, -2)).unflatten(2, (-1, STRIDE))
        earlier = earlier.masked_fill(earlier_hidden, -math.inf)
        weights = torch.cat([own, earlier], -1).softmax(-1)
        own, earlier = weights.split([STRIDE, blocks * SUMMARY], -1)
        return (own @ blocks_of(v)).flatten(2, 3) + earlier.flatten(2, 3) @ summaries_of(v)
    return attend


def split_kernel(positions: int) -> Attend:
    own = torch.ones(STRIDE, STRIDE, dtype=torch.bool).tril()
    keeps = [F.pad(own, (i * SUMMARY, 0), value=True) for i in range(positions // STRIDE)]

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        earlier_k, earlier_v = summaries_of(k), summaries_of(v)
        out = []
        for i, keep in enumerate(keeps):
            rows, columns = slice(i * STRIDE, (i + 1) * STRIDE), slice(0, i * SUMMARY)
            keys = torch.cat([earlier_k[:, :, columns], k[:, :, rows]], 2)
            values = torch.cat([earlier_v[:, :, columns], v[:, :, rows]], 2)
            out.append(F.scaled_dot_product_attention(q[:, :, rows], keys, values, attn_mask=keep))
        return torch.cat(out, 2)
    return attend


VARIANTS = {"dense": dense, "mask": mask, "split": split, "split-kernel": split_kernel,
            "flex": flex}


class Block(nn.Module):
    def __init__(self, attend: Attend):
        super().__init__()
        self.attend = attend
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.project = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, FEEDFORWARD), nn.Linear(FEEDFORWARD, WIDTH)
        for linear, depth in ((self.qkv, 1), (self.up, 1), (self.project, 2 * LAYERS),
                              (self.down, 2 * LAYERS)):
            nn.init.normal_(linear.weight, std=math.sqrt(0.125 / linear.in_features / depth))
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2)
                   for part in self.qkv(self.norm1(x)).chunk(3, -1))
        x = x + self.project(self.attend(q, k, v).transpose(1, 2).flatten(2))
        u = self.up(self.norm2(x))
        return x + self.down(u * torch.sigmoid(1.702 * u))


class Model(nn.Module):
    def __init__(self, attend: Attend):
        super().__init__()
        self.token = nn.Embedding(VOCABULARY, WIDTH)
        self.row = nn.Embedding(POSITIONS // STRIDE, WIDTH)
        self.column = nn.Embedding(STRIDE, WIDTH)
        self.start = nn.Parameter(0.01 * torch.randn(1, 1, WIDTH))
        for table in (self.token, self.row, self.column):
            nn.init.normal_(table.weight, std=0.01)
        self.blocks = nn.ModuleList(Block(attend) for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH, eps=1e-6)
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)
        nn.init.zeros_(self.head.weight)

    def embed(self, tokens: Tensor) -> Tensor:
        i = torch.arange(tokens.shape[1])
        x = self.token(tokens) + self.row(i // STRIDE) + self.column(i % STRIDE)
        return torch.cat([self.start.expand(len(tokens), 1, -1), x[:, :-1]], 1)

    def loss(self, x: Tensor, tokens: Tensor) -> Tensor:
        return F.cross_entropy(self.head(self.norm(x)).flatten(0, 1), tokens.flatten())

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.loss(x, tokens)

    def compile_parts(self) -> None:
        """Block by block: one compilation serves all layers."""
        for block in self.blocks:
            block.compile(dynamic=False)
        self.embed = torch.compile(self.embed, dynamic=False)
        self.loss = torch.compile(self.loss, dynamic=False)


def time_steps(attend: Attend, compiled: bool, batch: int, warmup: int, steps: int) -> dict:
    torch.manual_seed(0)
    model = Model(attend)
    if compiled:
        model.compile_parts()
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.01},
                                   {"params": vectors, "weight_decay": 0.0}], lr=1e-3, fused=True)
    tokens = torch.randint(0, VOCABULARY, (batch, POSITIONS))
    seconds = []
    for _ in range(warmup + steps):
        begin = time.perf_counter()
        loss = model(tokens)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss_value = loss.item()
        seconds.append(time.perf_counter() - begin)
    timed = seconds[warmup:]
    median = statistics.median(timed)
    return {"seconds_per_step": median, "tokens_per_second": batch * POSITIONS / median,
            "fastest_step_seconds": min(timed), "spread": max(timed) / min(timed),
            "first_step_seconds": seconds[0], "loss": loss_value}


def first_line(error: Exception) -> str:
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {text}"[:240]


def gradients(attend: Attend, inputs: list[Tensor], upstream: Tensor) -> list[Tensor]:
    out = attend(*inputs)
    return [out.detach(), *torch.autograd.grad(out, inputs, upstream)]


def check(names: list[str]) -> bool:
    """Every sparse variant against a masked softmax in float64, at a smaller length."""
    positions = 5 * STRIDE
    torch.manual_seed(1)
    inputs = [torch.randn(2, HEADS, positions, WIDTH // HEADS, requires_grad=True) for _ in "qkv"]
    upstream = torch.randn_like(inputs[0])
    hidden = ~pattern_mask(positions)

    def written_out(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).masked_fill(hidden, -math.inf)
        return scores.softmax(-1) @ v

    exact = gradients(written_out, [x.detach().double().requires_grad_() for x in inputs],
                      upstream.double())
    passed = True
    for name in names:
        for compiled in (False, True):
            if name == "dense" or name == "flex" and not compiled:
                continue
            attend = VARIANTS[name](positions)
            try:
                got = gradients(torch.compile(attend, dynamic=False) if compiled else attend,
                                inputs, upstream)
            except Exception as error:  # reported: some backends lack a backward pass
                print(f"{name:14s} {'compiled' if compiled else 'eager':9s} fails: "
                      f"{first_line(error)}", flush=True)
                continue
            worst = max(float((a - b).norm() / b.norm()) for a, b in zip(got, exact))
            passed &= worst < 1e-5
            print(f"{name:14s} {'compiled' if compiled else 'eager':9s} worst relative error of "
                  f"output and gradients {worst:.1e}", flush=True)
    print("check", "passed" if passed else "FAILED")
    return passed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=7, help="timed steps, at least 5")
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--variant", action="append", choices=list(VARIANTS))
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    if args.steps < 5 or args.warmup < 1 or args.threads < 1 or args.batch < 1:
        parser.error("--steps must be at least 5; --warmup, --threads and --batch at least 1")
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    warnings.filterwarnings("ignore")
    names = args.variant or list(VARIANTS)
    if args.check:
        return 0 if check(names) else 1
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads of {os.cpu_count()} "
          f"({torch.backends.cpu.get_cpu_capability()}), batch {args.batch}", flush=True)
    rows = []
    for name in names:
        for compiled in (False, True):
            if name == "flex" and not compiled:
                continue  # eager FlexAttention writes the whole score matrix and is only a fallback
            label = f"{name} {'compiled' if compiled else 'eager'}"
            row = {"variant": name, "compiled": compiled, "batch": args.batch,
                   "threads": args.threads}
            torch._dynamo.reset()
            try:
                row |= time_steps(VARIANTS[name](POSITIONS), compiled, args.batch, args.warmup,
                                  args.steps)
                print(f"{label:22s} {row['tokens_per_second']:9.0f} tokens/s  "
                      f"{1e3 * row['seconds_per_step']:8.1f} ms/step  slowest/fastest "
                      f"{row['spread']:.2f}  first step {row['first_step_seconds']:.1f} s  "
                      f"loss {row['loss']:.4f}", flush=True)
            except Exception as error:  # a variant this build cannot run is a result, not an end
                row["error"] = first_line(error)
                print(f"{label:22s} fails: {row['error']}", flush=True)
            rows.append(row)
    done = [row for row in rows if "error" not in row]
    for what, some in (("with the pattern", [row for row in done if row["variant"] != "dense"]),
                       ("of all", done)):
        if some:
            best = max(some, key=lambda row: row["tokens_per_second"])
            mode = "compiled" if best["compiled"] else "eager"
            print(f"fastest {what}: {best['variant']} {mode}, "
                  f"{best['tokens_per_second']:.0f} tokens/s")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"torch": torch.__version__, "rows": rows}, file, indent=1)
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
