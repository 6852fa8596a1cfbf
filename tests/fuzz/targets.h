// What is fuzzed: each function hands bytes that anybody may have written to a parser, which must
// give a value or throw Error(kData) or Error(kConfig), never anything else. A value that is given
// must keep its parser's promises; a broken one aborts. Run under libFuzzer (entry.cpp,
// tools/fuzz.sh), and over the kept seeds as a test of every build (replay_test.cpp).
#pragma once

#include <cstdlib>
#include <string_view>

#include "lacuna/base/error.h"

namespace lacuna::fuzz {

void safetensors(std::string_view bytes);
void config(std::string_view bytes);
void manifest(std::string_view bytes);
void npy(std::string_view bytes);
void npz(std::string_view bytes);
void picture(std::string_view bytes);
void shards(std::string_view bytes);
void sound(std::string_view bytes);
void cifar10(std::string_view bytes);

/// For promises; not an exception, which a parser's caller could take for a refusal.
inline void promise(bool kept) {
  if (!kept) std::abort();
}

/// Runs `parse`; its refusal is an answer too.
template <class Parse>
void answer(const Parse& parse) {
  try {
    parse();
  } catch (const Error& refusal) {
    promise(refusal.kind() == ErrorKind::kData || refusal.kind() == ErrorKind::kConfig);
  }
}

}  // namespace lacuna::fuzz
