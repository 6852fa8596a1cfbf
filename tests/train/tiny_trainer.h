// What a small trainer on the CPU is made of: a text, options, and comparisons of what it holds.
#pragma once

#include <cstring>

#include "lacuna/train/trainer.h"
#include "memory_data.h"

inline const MemoryData& text() {
  static const MemoryData data(256, counting_text(1500, 0), counting_text(77, 900));
  return data;
}

inline lacuna::train::Options tiny_options() {
  lacuna::train::Options options;
  options.model.layers = 2;
  options.model.heads = 2;
  options.model.width = 16;
  options.model.context = 16;
  options.model.attention = {"fixed(4, 1)", "local(4) | column(4)"};
  options.model.dropout = 0.2;
  options.optim.learning_rate = 0.01;
  options.optim.warmup = "5 steps";
  options.train.length = "20 steps";
  options.train.device = "cpu";
  options.train.precision = "f64";
  options.train.threads = 1;
  return options;
}

inline bool same_bits(const lacuna::View& a, const lacuna::View& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}
