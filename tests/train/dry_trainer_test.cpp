// What is planned without a device, data and memory is what a trainer holds.
#include "lacuna/train/dry_trainer.h"

#include "../catch.h"
#include "../comm/ranks.h"
#include "../expect_error.h"
#include "lacuna/train/what_fits.h"
#include "tiny_trainer.h"

using namespace lacuna;
using namespace lacuna::train;

namespace {

Setting setting_for(Options options) {
  resolve(options);
  const nn::ModelConfig config = model_config(options, text().medium());
  return {options, config, {}, DType::kF64};
}

}  // namespace

TEST_CASE("A run is planned without memory to the bytes of its trainer") {
  for (const char* samples : {"0 steps", "2 steps"}) {
    for (const double average : {0.0, 0.9}) {
      for (const char* optimizer : {"adamw", "lion"}) {
        for (const bool recomputes : {false, true}) {
          CAPTURE(samples, average, optimizer, recomputes);
          Options options = tiny_options();
          options.train.sample_every = samples;
          options.optim.average = average;
          options.optim.name = optimizer;
          const Setting setting = setting_for(options);
          if (recomputes) options.memory.budget = std::to_string(least_bytes(setting));
          const Trainer trainer(options, text());
          const DryTrainer dry(setting.options, setting.config, {}, DType::kF64);
          const RunMemory planned = dry.memory(trainer.plan().kept);
          CHECK(trainer.plan().kept.empty() == !recomputes);
          CHECK(planned.use().bytes == trainer.memory().bytes);
          CHECK(planned.use().total() == dry.bytes_with(trainer.plan().arena));
          const std::vector<Need> needs = trainer.needs();
          REQUIRE(planned.needs.size() == needs.size());
          for (size_t k = 0; k < needs.size(); ++k) {
            CHECK(std::string(planned.needs[k].what) == needs[k].what);
            CHECK(planned.needs[k].block == needs[k].block);
            CHECK(planned.needs[k].memory.bytes == needs[k].memory.bytes);
          }
          if (recomputes) {  // a byte less is refused
            options.memory.budget = std::to_string(least_bytes(setting) - 1);
            expect_error(ErrorKind::kConfig, "memory.budget",
                         [&] { const Trainer refused(options, text()); });
          }
        }
      }
    }
  }
}

TEST_CASE("A rank is planned to the bytes of its trainer") {
  constexpr int kRanks = 4;
  for (const char* shard : {"nothing", "optimizer"}) {
    for (const char* reduce : {"f32", "bf16"}) {
      for (const bool draws_and_averages : {false, true}) {
        CAPTURE(shard, reduce, draws_and_averages);
        Options options = tiny_options();
        options.train.batch = 4;
        options.train.accumulation = 2;
        options.train.sample_every = draws_and_averages ? "2 steps" : "0 steps";
        options.optim.average = draws_and_averages ? 0.9 : 0;
        options.dist.shard = shard;
        options.dist.reduce = reduce;
        const Setting setting = setting_for(options);
        for (const std::string& fault : run_ranks(kRanks, [&](Group& group) {
               const std::shared_ptr<Group> shared(&group, [](Group*) {});
               const Trainer trainer(options, text(), shared);
               const DryTrainer dry(setting.options, setting.config, {}, DType::kF64,
                                    group.world());
               const RunMemory planned = dry.memory(trainer.plan().kept);
               require(dry.batch() == 2 && dry.share().micro_batches == 1, "share", "another");
               require(planned.use().bytes == trainer.memory().bytes, "bytes", "others");
               require(planned.needs.size() == trainer.needs().size(), "needs", "others");
               group.from_first("the end of the test", "");
             })) {
          CHECK(fault == "");
        }
      }
    }
  }
}

TEST_CASE("What ranks should lower is what makes each of them fit") {
  Options options = tiny_options();
  options.train.batch = 8;
  options.train.accumulation = 2;
  Setting setting = setting_for(options);
  setting.world.size = 8;  // each has a pass of 2 samples
  const size_t least = least_bytes(setting);
  const Fits fits = what_fits(setting, least, [] {});
  CHECK(fits.batch == 8);
  const std::string hint = what_to_lower(setting, least - 1);
  CAPTURE(hint);
  CHECK(hint.find("train.batch from 8 to 1 (and raise train.accumulation to a multiple of 8)") !=
        std::string::npos);
  setting.options.train.batch = 1;
  setting.options.train.accumulation = 16;
  CHECK(least_bytes(setting) < least);
  CHECK(what_fits(setting, least, [] {}).batch == 2);
}

TEST_CASE("The largest number that fits is found with few questions, however bytes grow") {
  const auto check = [](int64_t from, int64_t most, size_t room, int at_most, const auto& bytes) {
    int asked = 0;
    const int64_t found = largest_within(room, from, most, [&](int64_t number) {
      ++asked;
      REQUIRE((number >= 1 && number <= most));
      return bytes(number);
    });
    int64_t want = 0;
    for (int64_t n = 1; n <= most && bytes(n) && *bytes(n) <= room; ++n) want = n;
    CAPTURE(from, most, room, asked);
    CHECK(found == want);
    CHECK(asked <= at_most);
  };
  using Bytes = std::optional<size_t>;
  const auto even = [](int64_t n) -> Bytes { return 5000 + 640 * static_cast<size_t>(n); };
  const auto rounded = [](int64_t n) -> Bytes {
    return (100 * static_cast<size_t>(n) + 999) / 64 * 64;
  };
  const auto square = [](int64_t n) -> Bytes { return static_cast<size_t>(n * n); };
  const auto ending = [](int64_t n) -> Bytes {
    if (n > 37) return std::nullopt;
    return static_cast<size_t>(n);
  };
  for (const int64_t from : {1, 3, 40, 65536}) {
    for (const size_t room : {0, 5639, 5640, 5641, 6281, 70000, 12345678, 900000000}) {
      check(from, 65536, room, 12, even);
      check(from, 65536, room, 24, rounded);
      check(from, 65536, room, 40, square);
      check(from, 65536, room, 40, ending);
    }
  }
}
