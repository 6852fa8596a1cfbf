// Logits decoded one position at a time, with the cache, against those of the whole forward pass.
#include <cstring>

#include "../catch.h"
#include "../compare.h"
#include "../expect_error.h"
#include "../kernels/tolerances.h"
#include "../random_tensor.h"
#include "lacuna/base/text.h"
#include "lacuna/train/decode_program.h"
#include "lacuna/train/program.h"
#include "tiny_model.h"

using namespace lacuna;

namespace {

// Both ways add up the same products, in another order: sums of at most 33 terms, each of which
// errs by a unit or two of the largest logit, through seven of them a layer and three layers; the
// layers' norms neither magnify nor damp that much.
template <class T>
constexpr double kRounding = 100 * kUnit<T>;

nn::ModelConfig small(const std::vector<std::string>& attention, int64_t context) {
  return {.layers = 3,
          .heads = 2,
          .width = 12,
          .qk_width = 6,
          .feedforward_width = 20,
          .context = context,
          .vocabulary = 11,
          .attention = attention};
}

template <class T>
std::vector<T> whole_logits(const TinyModel& tiny, int64_t batch) {
  train::Program program = train::Program::evaluation(Queue::cpu(1), *tiny.model, batch);
  std::copy_n(tiny.tokens.view().data<int32_t>(), tiny.tokens.view().count(), program.tokens());
  program.run(*tiny.model);
  return elements<T>(program.logits());
}

/// Sequences first .. first + batch - 1 of the model's tokens; [B, T, V].
template <class T>
std::vector<T> decoded_logits(const TinyModel& tiny, int64_t first, int64_t batch,
                              int threads = 1) {
  train::DecodeProgram program(Queue::cpu(threads), *tiny.model, batch);
  const int64_t context = tiny.config.context, vocabulary = tiny.config.vocabulary;
  std::vector<T> logits(static_cast<size_t>(batch * context * vocabulary));
  for (int64_t t = 0; t < context; ++t) {
    for (int64_t b = 0; b < batch; ++b) {
      program.tokens()[b] = t == 0 ? -1 : tiny.token((first + b) * context + t - 1);
    }
    program.run(t);
    REQUIRE(program.logits().shape() == Shape{batch, 1, vocabulary});
    for (int64_t b = 0; b < batch; ++b) {
      std::copy_n(program.logits().data<T>() + b * vocabulary, vocabulary,
                  logits.begin() + (b * context + t) * vocabulary);
    }
  }
  return logits;
}

template <class T>
void check_agreement() {
  for (const auto& attention : all_combinations()) {
    for (const int64_t context : {1, 7, 13, 24, 33}) {
      TinyModel tiny(small(attention, context), 2, DTypeOf<T>::value, 21);
      INFO(join(attention, ", ") << ", context " << context);
      CHECK(relative_error(decoded_logits<T>(tiny, 0, 2), [&] {
              const std::vector<T> whole = whole_logits<T>(tiny, 2);
              return std::vector<double>(whole.begin(), whole.end());
            }()) <= kRounding<T>);
    }
  }
}

}  // namespace

TEST_CASE("decoding gives the logits of the whole pass for every combination, in f64") {
  check_agreement<double>();
}
TEST_CASE("decoding gives the logits of the whole pass for every combination, in f32") {
  check_agreement<float>();
}

namespace {

void check_batches(const nn::ModelConfig& config) {
  TinyModel tiny(config, 5, DType::kF32, 22);
  const std::vector<float> all = decoded_logits<float>(tiny, 0, 5);
  CHECK(same_bits(all, decoded_logits<float>(tiny, 0, 5, 3)));
  const int64_t size = config.context * config.vocabulary;
  for (const int64_t batch : {1, 2, 4}) {
    for (int64_t first = 0; first + batch <= 5; ++first) {
      const std::vector<float> own(all.begin() + first * size,
                                   all.begin() + (first + batch) * size);
      CHECK(same_bits(own, decoded_logits<float>(tiny, first, batch)));
    }
  }
}

}  // namespace

TEST_CASE("a sequence is decoded to the same bits in any batch and on any number of threads") {
  for (const auto& attention : all_combinations()) {
    INFO(join(attention, ", "));
    check_batches(small(attention, 13));
  }
  // Rows that are long, begin at every alignment and end in the middle of a register.
  nn::ModelConfig odd = small({"strided(4)"}, 13);
  odd.width = 106;
  odd.qk_width = 70;
  odd.feedforward_width = 139;
  check_batches(odd);
}

TEST_CASE("sequences that begin anew do not see what the cache held before") {
  TinyModel tiny(small({"strided(4)", "fixed(4, 2)"}, 13), 2, DType::kF64, 23);
  train::DecodeProgram program(Queue::cpu(1), *tiny.model, 1);
  std::vector<double> first, second;
  for (std::vector<double>* logits : {&first, &second}) {
    for (int64_t t = 0; t < 9; ++t) {
      program.tokens()[0] = t == 0 ? 0 : tiny.token(t - 1);
      program.run(t);
      const std::vector<double> row = elements<double>(program.logits());
      logits->insert(logits->end(), row.begin(), row.end());
    }
    // In between another text goes through, to the end.
    for (int64_t t = 0; t < 13; ++t) {
      program.tokens()[0] = static_cast<int32_t>(t % 11);
      program.run(t);
    }
  }
  CHECK(same_bits(first, second));
}

TEST_CASE("a cache takes the memory of what can still be read, and reports it") {
  const auto bytes = [](const std::string& pattern) {
    nn::ModelConfig config = small({pattern}, 64);
    TinyModel tiny(config, 1, DType::kF32, 1);
    const MemoryUse use = train::DecodeProgram(Queue::cpu(1), *tiny.model, 4).memory();
    CHECK(use.total() > use[MemoryTag::kCache]);
    return use[MemoryTag::kCache];
  };
  // 4 sequences, 3 layers, keys of 6 and values of 12 elements over both heads.
  const size_t slot = size_t{4} * 3 * (6 + 12) * sizeof(float);
  CHECK(bytes("dense()") == 64 * slot);
  CHECK(bytes("column(8)") == (64 - 7) * slot);
  CHECK(bytes("local(8)") == 8 * slot);
  CHECK(bytes("fixed(8, 2)") == (7 * 2 + 8) * slot);
  CHECK(bytes("local(4) | local(8)") == 8 * slot);  // the head that needs most
}

TEST_CASE("a position outside the context is refused") {
  TinyModel tiny(small({"local(4)"}, 13), 1, DType::kF32, 1);
  train::DecodeProgram program(Queue::cpu(1), *tiny.model, 1);
  for (const int64_t position : {-1, 13}) {
    expect_error(ErrorKind::kInternal, "DecodeProgram::run", [&] { program.run(position); });
  }
}
