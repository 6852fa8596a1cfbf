// memory.budget: the bytes that a process may hold of its device's memory.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "lacuna/tensor/memory.h"

namespace lacuna::train {

/// Bytes of "16GiB", "6.5 GB", "900MiB" or "80%" (of `whole` bytes); absent for "auto". Throws
/// Error(kConfig) naming memory.budget for anything else.
std::optional<size_t> parse_budget(const std::string& text, size_t whole);

/// What the process may hold on the queue's device by this option: absent for "auto", which means
/// all that is free. On a GPU a share is one of the whole memory, on a CPU of what the process can
/// still get. Throws as parse_budget does.
std::optional<size_t> budget_of(const std::string& text, const Queue& queue);

/// What the process holds on a GPU besides tensors: the context and its code; 0 on a CPU, where
/// planned memory alone is counted.
size_t beside_tensors(const Queue& queue);

/// Throws Error(kConfig) with a line "minimum: N bytes (X GiB)" when `needed` bytes, everything
/// counted, are more than the budget. `hint` says what to lower.
void check_budget(const std::optional<size_t>& budget, size_t needed, const std::string& hint);

}  // namespace lacuna::train
