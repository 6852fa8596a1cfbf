#!/usr/bin/env python3
"""An outside check of lacuna's numbers: recomputes the logits of a run in float64 with NumPy alone.

Written from the published description of the model, not from lacuna's sources, so that the two can
only agree by both being right. Dense masks and no cleverness: meant for small models.

    lacuna eval RUN_DIR --logits LOGITS.safetensors
    reference.py RUN_DIR LOGITS.safetensors [--tolerance 1e-5]

Exit codes: 0 both agree, 1 they differ, 2 the files cannot be read as a model.
"""
import argparse
import json
import math
import re
import sys
import tomllib
from pathlib import Path

import numpy as np

QUERIES_AT_ONCE = 1024  # bounds the memory of a dense mask at long contexts
ARGUMENTS = {"dense": (0,), "local": (1,), "column": (1,), "strided": (1,), "block": (1,),
             "summary": (2, 3), "fixed": (2, 3)}  # how many numbers a pattern takes


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """8 bytes of header length, a JSON header, then the raw little-endian row-major tensors."""
    types = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4"}
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        array = np.frombuffer(data[begin:end], types[entry["dtype"]]).reshape(entry["shape"])
        if entry["dtype"] == "BF16":  # the upper half of a float32
            array = (array.astype(np.uint32) << 16).view(np.float32)
        tensors[name] = array if array.dtype.kind == "i" else array.astype(np.float64)
    return tensors


def attends(pattern: str, head: int, q: np.ndarray, k: np.ndarray) -> np.ndarray:
    """True where query q of this head sees key k; q and k broadcast against each other."""
    entries = pattern.split("|")  # `a | b` shares the heads out in turn
    head, entry = head // len(entries), entries[head % len(entries)]
    union = np.zeros(np.broadcast_shapes(q.shape, k.shape), bool)
    for atom in entry.split("+"):
        union |= attends_atom(atom, head, q, k)
    return union & (k <= q)


def attends_atom(atom: str, head: int, q: np.ndarray, k: np.ndarray) -> np.ndarray:
    match = re.fullmatch(r"(\w+)\((\d+(?:,\d+)*)?(,window=paper)?\)", "".join(atom.split()))
    name, digits, paper = match.groups() if match else (None, None, None)
    numbers = [int(n) for n in digits.split(",")] if digits else []
    if len(numbers) not in ARGUMENTS.get(name, ()) or paper and name not in ("local", "strided"):
        raise ValueError(f"'{atom.strip()}' is not a pattern this check knows")
    if name == "dense":
        return k <= q
    l, c, groups = numbers + [0, 1][len(numbers) - 1:]
    # The paper's window {q-l .. q} holds l+1 keys, the authors' code keeps l of them.
    local = (k <= q) & (q - k < l + bool(paper))
    column = (q - k) % l == 0
    block = q // l == k // l
    group = head % groups  # counted from the end of the stride block
    summary = (k % l >= l - (group + 1) * c) & (k % l < l - group * c)
    return {"local": local, "column": column, "strided": local | column,
            "block": block, "summary": summary, "fixed": block | summary}[name]


def masked_softmax(scores: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Rows of weights that add up to 1, or to 0 where a query has no key at all."""
    scores = np.where(mask, scores, -np.inf)
    top = scores.max(-1, keepdims=True)
    weights = np.exp(scores - np.where(np.isfinite(top), top, 0.0))
    total = weights.sum(-1, keepdims=True)
    return weights / np.where(total == 0.0, 1.0, total)


class Model:
    def __init__(self, config: dict, weights: dict[str, np.ndarray]):
        self.layers, self.heads, self.width = config["layers"], config["heads"], config["width"]
        self.qk_width = config.get("qk_width", 0) or self.width
        self.feedforward_width = config.get("feedforward_width", 0) or 4 * self.width
        self.tables, self.patterns = config["position_tables"], config["attention"]
        self.weights = weights
        self.check_shapes()

    def check_shapes(self) -> None:
        d, dq, f = self.width, self.qk_width, self.feedforward_width
        vocabulary = len(self.weights["embedding.token"])
        expected = {"embedding.token": (vocabulary, d), "embedding.start": (d,),
                    "norm.gain": (d,), "norm.bias": (d,), "head.weight": (vocabulary, d)}
        expected |= {f"embedding.position.{i}": (n, d) for i, n in enumerate(self.tables)}
        for i in range(self.layers):
            for norm in ("attention.norm", "feedforward.norm"):
                expected |= {f"blocks.{i}.{norm}.{part}": (d,) for part in ("gain", "bias")}
            for name, out, inner in (("attention.qkv", 2 * dq + d, d), ("attention.project", d, d),
                                     ("feedforward.up", f, d), ("feedforward.down", d, f)):
                expected[f"blocks.{i}.{name}.weight"] = (out, inner)
                expected[f"blocks.{i}.{name}.bias"] = (out,)
        found = {name: tensor.shape for name, tensor in self.weights.items()}
        for name in sorted(expected.keys() | found.keys()):
            if expected.get(name) != found.get(name):
                raise ValueError(f"weight {name}: the configuration asks for "
                                 f"{expected.get(name)}, the file has {found.get(name)}")

    def norm(self, x: np.ndarray, name: str, eps: float) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred ** 2).mean(-1, keepdims=True) + eps)
        return scaled * self.weights[f"{name}.gain"] + self.weights[f"{name}.bias"]

    def linear(self, x: np.ndarray, name: str) -> np.ndarray:
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def embed(self, tokens: np.ndarray) -> np.ndarray:
        """Slot t carries token t-1 with the position of token t-1, slot 0 only the start vector."""
        if len(tokens) > math.prod(self.tables):
            raise ValueError(f"{len(tokens)} positions do not fit position tables {self.tables}")
        x = self.weights["embedding.token"][tokens]
        digits = np.unravel_index(np.arange(len(tokens)), self.tables)  # the last table is fastest
        for i, digit in enumerate(digits):
            x = x + self.weights[f"embedding.position.{i}"][digit]
        return np.concatenate([self.weights["embedding.start"][None], x[:-1]])

    def attention(self, x: np.ndarray, name: str, pattern: str) -> np.ndarray:
        length, heads = len(x), self.heads
        q, k, v = np.split(self.linear(x, f"{name}.qkv"), [self.qk_width, 2 * self.qk_width], -1)
        q, k, v = (part.reshape(length, heads, -1).swapaxes(0, 1) for part in (q, k, v))
        out = np.empty_like(v)
        keys = np.arange(length)[None, :]
        for head in range(heads):
            for begin in range(0, length, QUERIES_AT_ONCE):
                rows = slice(begin, min(begin + QUERIES_AT_ONCE, length))
                mask = attends(pattern, head, np.arange(rows.start, rows.stop)[:, None], keys)
                scores = q[head, rows] @ k[head].T / math.sqrt(q.shape[-1])
                out[head, rows] = masked_softmax(scores, mask) @ v[head]
        return self.linear(out.swapaxes(0, 1).reshape(length, -1), f"{name}.project")

    def feedforward(self, x: np.ndarray, name: str) -> np.ndarray:
        u = self.linear(x, f"{name}.up")
        return self.linear(u / (1.0 + np.exp(np.minimum(-1.702 * u, 700.0))), f"{name}.down")

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        x = self.embed(tokens)
        for i in range(self.layers):
            pattern = self.patterns[i % len(self.patterns)]
            attention, feedforward = f"blocks.{i}.attention", f"blocks.{i}.feedforward"
            x = x + self.attention(self.norm(x, f"{attention}.norm", 1e-5), attention, pattern)
            x = x + self.feedforward(self.norm(x, f"{feedforward}.norm", 1e-5), feedforward)
        return self.norm(x, "norm", 1e-6) @ self.weights["head.weight"].T


def bits_of(logits: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """-log2 of the probability that logits[b, t] give to tokens[b, t]."""
    top = logits.max(-1, keepdims=True)
    total = np.log(np.exp(logits - top).sum(-1)) + top[..., 0]
    return (total - np.take_along_axis(logits, tokens[..., None], -1)[..., 0]) / math.log(2.0)


def compare(name: str, want: np.ndarray, got: np.ndarray, scale: np.ndarray, bound: float) -> bool:
    difference = np.abs(want - got)
    relative = np.max(difference / np.maximum(1.0, scale))
    agrees = bool(relative <= bound)  # false for NaN as well
    print(f"{name}: worst difference {np.max(difference):.3e}, relative {relative:.3e}, "
          f"bound {bound:.1e}: {'agrees' if agrees else 'DIFFERS'}")
    return agrees


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("logits", type=Path)
    parser.add_argument("--tolerance", type=float, default=1e-5)
    args = parser.parse_args()
    try:
        config = tomllib.loads((args.run_dir / "config.toml").read_text(encoding="utf-8"))
        model = Model(config["model"], read_safetensors(args.run_dir / "weights.safetensors"))
        written = read_safetensors(args.logits)
        tokens, logits, bits = (written[name] for name in ("tokens", "logits", "bits"))
        vocabulary = len(model.weights["head.weight"])
        if tokens.ndim != 2 or tokens.size == 0 or bits.shape != tokens.shape \
                or logits.shape != (*tokens.shape, vocabulary):
            raise ValueError(f"{args.logits}: tokens {tokens.shape}, logits {logits.shape} and "
                             f"bits {bits.shape} are not [B, T], [B, T, {vocabulary}] and [B, T]")
        if tokens.min() < 0 or tokens.max() >= vocabulary:
            raise ValueError(f"{args.logits}: a token lies outside the vocabulary of {vocabulary}")
        own = np.stack([model.logits(row) for row in tokens])
    except (OSError, ValueError, KeyError) as error:
        print(f"reference.py: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    own_bits = bits_of(own, tokens)
    print(f"mean bits: {own_bits.mean():.8f} here, {bits.mean():.8f} in {args.logits.name}")
    agree = [
        compare("logits", own, logits, np.abs(own), args.tolerance),
        compare("mean bits", own_bits.mean(), bits.mean(), own_bits.mean(), args.tolerance),
        # The mean hides a shift or a permutation. Errors e of the logits move a position's bits by
        # up to 2e/ln 2, hence the factor 3 and the size of the logits as the scale.
        compare("bits of a position", own_bits, bits, np.abs(own).max(-1), 3.0 * args.tolerance)]
    return 0 if all(agree) else 1


if __name__ == "__main__":
    sys.exit(main())
