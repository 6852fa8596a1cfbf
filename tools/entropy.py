#!/usr/bin/env python3
"""The order-k entropy of the bytes of a file, for judging a model's bits per byte: the mean of
-log2 p(byte | the k bytes before it) under the counts of the same bytes. Small files flatter it: a
context that occurs once predicts its byte for certain.

Usage: entropy.py FILE [--begin N] [--end N] [--orders 0 1 2]
"""
import argparse

import numpy as np


def order_entropy(data: np.ndarray, order: int) -> float:
    """H(last byte | context) = H(context and byte) - H(context), over all windows of order+1 bytes."""
    def entropy(length: int) -> float:
        windows = len(data) - order
        codes = np.zeros(windows, np.uint64)
        for i in range(length):
            codes = codes * np.uint64(256) + data[i:i + windows].astype(np.uint64)
        counts = np.unique(codes, return_counts=True)[1] / windows
        return float(-(counts * np.log2(counts)).sum())
    return entropy(order + 1) - (entropy(order) if order else 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--begin", type=int, default=0)
    parser.add_argument("--end", type=int)
    parser.add_argument("--orders", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    data = np.fromfile(arguments.file, np.uint8)[arguments.begin:arguments.end]
    print(f"{len(data):,} bytes")
    for order in arguments.orders:
        if not 0 <= order <= 7 or len(data) <= order:
            parser.error(f"order {order} needs 0 to 7 and more than {order} bytes")
        print(f"order {order}: {order_entropy(data, order):.4f} bits per byte")


if __name__ == "__main__":
    main()
