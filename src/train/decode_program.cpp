#include "lacuna/train/decode_program.h"

#include <utility>

namespace lacuna::train {

DecodeProgram::DecodeProgram(const Queue& queue, const nn::Transformer& model, int64_t batch,
                             std::shared_ptr<SharedBlock> block)
    : planned_(queue, {batch, 1}, std::move(block)),
      model_(model),
      cache_(model, batch),
      state_(queue.zeros({sizeof(DecodeState)}, DType::kU8)) {
  planned_.plan([&](Queue& dry, Arena& recorder) { launch_model(dry, recorder); });
  logits_ = {};
}

void DecodeProgram::run(int64_t position) {
  require(position >= 0 && position < model_.config().context, "DecodeProgram::run",
          "the position is not in the context");
  require(position == 0 || planned_.is_last(), "DecodeProgram::run",
          "the cache does not hold the positions before this one");
  const DecodeState state{position};
  planned_.queue().upload(state_, &state);
  planned_.run(step_, [&](Queue& queue, Arena& arena) { launch_model(queue, arena); });
}

void DecodeProgram::clear_cache() {
  require(planned_.is_last(), "DecodeProgram::clear_cache", "there is no cache");
  cache_.clear(planned_.queue());
}

const View& DecodeProgram::logits() {
  return planned_.to_host(logits_.value, host_logits_);
}

MemoryUse DecodeProgram::memory() const {
  MemoryUse use = planned_.memory();
  use[MemoryTag::kWorkspace] += use[MemoryTag::kCache] - cache_.bytes();  // its rows are aligned
  use[MemoryTag::kCache] = cache_.bytes();
  return use;
}

void DecodeProgram::launch_model(Queue& queue, Arena& arena) {
  cache_.place(arena);
  Tape tape(queue, arena, Tape::Mode::kForward);
  logits_ = model_.decode(tape, planned_.device_tokens(), cache_,
                          static_cast<const DecodeState*>(state_.view().raw()));
}

}  // namespace lacuna::train
