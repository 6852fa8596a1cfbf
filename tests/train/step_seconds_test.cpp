#include "lacuna/train/step_seconds.h"

#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <fstream>

#include "../catch.h"
#include "../expect_error.h"
#include "../temp_folder.h"
#include "lacuna/base/files.h"
#include "lacuna/train/keep_search.h"
#include "lacuna/train/step_bytes.h"
#include "lacuna/train/trainer.h"
#include "memory_data.h"

using namespace lacuna;
using namespace lacuna::train;
using nn::BlockResult;
using nn::BlockResults;

namespace {

constexpr int64_t kBatch = 2;

// Widths by which every result can be told from all others.
nn::ModelConfig small_config() {
  nn::ModelConfig config{.layers = 3,
                         .heads = 2,
                         .width = 32,
                         .qk_width = 16,
                         .feedforward_width = 80,
                         .context = 40,
                         .vocabulary = 11,
                         .attention = {"strided(8)", "fixed(8, 2)"},
                         .dropout = 0.2};
  return config.resolved();
}

BlockResults set_of(int bits) {
  BlockResults kept = BlockResults::none();
  for (int k = 0; k < nn::kBlockResults; ++k) {
    if (bits >> k & 1) kept = kept.with(static_cast<BlockResult>(k));
  }
  return kept;
}

/// Bytes of all results that a step makes, again or for the first time.
double bytes_made(const nn::Transformer& model, const nn::KeptByBlock& kept) {
  double bytes = 0;
  for (const Lifetime& life : plan_step(model, kBatch, kept).lifetimes) {
    if (life.tag == MemoryTag::kActivations) bytes += static_cast<double>(life.bytes);
  }
  return bytes;
}

/// What each op makes, in bytes, in the place of its seconds.
struct MadeByOps {
  double rows, row, statistics, inner;
  BlockSeconds block;

  explicit MadeByOps(const nn::ModelConfig& c)
      : rows(static_cast<double>(kBatch * c.context)),
        row(rows * static_cast<double>(c.width) * 4),
        statistics(2 * rows * 4),
        inner(rows * static_cast<double>(c.feedforward_width) * 4),
        block{.norm = row,
              .projection = rows * static_cast<double>(2 * c.qk_width + c.width) * 4,
              .attention = row + rows * static_cast<double>(c.heads) * 4,
              .output = row,
              .seam = 2 * row,
              .up = inner,
              .activate = inner,
              .down = row,
              .backward = 0} {}
};

/// Seconds that are kept in this folder alone, as long as this lives.
class CacheIn {
 public:
  explicit CacheIn(const std::string& folder) { setenv("XDG_CACHE_HOME", folder.c_str(), 1); }
  ~CacheIn() { unsetenv("XDG_CACHE_HOME"); }
};

bool same(const StepSeconds& a, const StepSeconds& b) {
  if (a.blocks.size() != b.blocks.size() || a.around != b.around || a.update != b.update) {
    return false;
  }
  for (size_t k = 0; k < a.blocks.size(); ++k) {
    if (a.blocks[k].forward() != b.blocks[k].forward()) return false;
    if (a.blocks[k].backward != b.blocks[k].backward) return false;
  }
  return true;
}

}  // namespace

// The results that the backward pass allocates are those that it makes again.
TEST_CASE("What is made again is what a block's replays make, for every set of results",
          "[seconds]") {
  const DryModel dry(small_config(), DType::kF32);
  const MadeByOps made(small_config());
  const StepSeconds bytes{.blocks = {made.block, made.block, made.block}};
  const nn::KeptByBlock all(3, BlockResults::all());
  const double before = bytes_made(dry.model(), all);
  for (int bits = 0; bits < 1 << nn::kBlockResults; ++bits) {
    const BlockResults kept = set_of(bits);
    CAPTURE(nn::text_of(kept));
    for (const int64_t block : {0, 1, 2}) {
      if (block == 0 && !kept.has(BlockResult::kEntry)) continue;
      nn::KeptByBlock by_block = all;
      by_block[static_cast<size_t>(block)] = kept;
      double expected = seconds_again(bytes, block, kept);
      if (!kept.has(BlockResult::kEntry)) {
        // The run of the block before has two norms with statistics of their own, and makes the
        // activation in one piece. The norm of the entry comes with it.
        expected += 2 * made.statistics - made.inner;
        if (!kept.has(BlockResult::kAttentionInput)) expected -= made.row;
      }
      CHECK(bytes_made(dry.model(), by_block) - before == expected);
    }
  }
}

TEST_CASE("The first block has no block before it from which its entry could come", "[seconds]") {
  const StepSeconds seconds{.blocks = {BlockSeconds{}}};
  expect_error(ErrorKind::kInternal, "first block",
               [&] { (void)seconds_again(seconds, 0, BlockResults::none()); });
}

TEST_CASE("A step is its micro-batches and one update", "[seconds]") {
  const BlockSeconds block{.norm = 1,
                           .projection = 2,
                           .attention = 4,
                           .output = 8,
                           .seam = 16,
                           .up = 32,
                           .activate = 64,
                           .down = 128,
                           .backward = 256};
  const StepSeconds seconds{.blocks = {block, block}, .around = 1000, .update = 5000};
  const double once = 2 * (2 + 4 + 8 + 2 * 16 + 32 + 64 + 128 + 256) - 16 + 1 + 1000;
  CHECK(seconds.whole() == once + 5000);
  CHECK(seconds.whole(3) == 3 * once + 5000);
}

// docs/results/steps.csv; nothing else tells how good the table of an H200 is without one.
TEST_CASE("The table of an H200 gives the times of the steps that were measured on one",
          "[seconds]") {
  struct Measured {
    const char* name;
    nn::ModelConfig config;
    int64_t batch;
    double ms;
  };
  const Measured cases[] = {
      {"enwik8",
       {.layers = 30, .heads = 8, .width = 512, .context = 12288, .attention = {"fixed(128, 32)"}},
       8,
       286},
      {"imagenet64",
       {.layers = 48,
        .heads = 16,
        .width = 512,
        .context = 12288,
        .attention = {"local(128)", "column(128)", "local(128)", "local(128)"}},
       4,
       130.29},
      {"cifar10",
       {.layers = 128,
        .heads = 2,
        .width = 256,
        .qk_width = 128,
        .feedforward_width = 512,
        .context = 3072,
        .attention = {"column(96)", "local(96)", "local(96)", "local(96)"}},
       16,
       91.83}};
  for (const Measured& measured : cases) {
    const StepSeconds seconds =
        estimate_step(measured.config.resolved(), measured.batch, DType::kBF16,
                      known_rates("h200", DType::kBF16), false);
    CAPTURE(measured.name, 1e3 * seconds.whole());
    CHECK(std::abs(1e3 * seconds.whole() / measured.ms - 1) < 0.05);
  }
}

TEST_CASE("Rates of products lie between those of their neighbours", "[seconds]") {
  const Rates rates{{"product forward 256", {.per_second = 100}},
                    {"product forward 1024", {.per_second = 400}},
                    {"attention forward 32", {.per_second = 3, .beside = 7}},
                    {"attention forward 128", {.per_second = 5, .beside = 9}}};
  CHECK(rate_of_width(rates, "product forward", 256).per_second == 100);
  CHECK(rate_of_width(rates, "product forward", 512).per_second == Approx(200));
  CHECK(rate_of_width(rates, "product forward", 128).per_second == Approx(50));
  CHECK(rate_of_width(rates, "product forward", 9999).per_second == 400);
  CHECK(rate_of_width(rates, "attention forward", 48).beside == 7);
  CHECK(rate_of_width(rates, "attention forward", 96).beside == 9);
  CHECK(rate_of_width(rates, "attention forward", 4).beside == 7);
  expect_error(ErrorKind::kInternal, "row",
               [&] { (void)rate_of_width(rates, "attention backward", 4); });
  expect_error(ErrorKind::kUsage, "h200", [] { (void)known_gpu("h20"); });
}

TEST_CASE("A step is measured once and then known, unless its file is damaged", "[seconds]") {
  const TempFolder folder;
  const CacheIn cache(folder.path());
  const std::string file = folder / "lacuna/seconds.json";
  const DryModel dry(small_config(), DType::kF32);
  const Queue queue = Queue::cpu(1);
  const StepSeconds first = measure_step(queue, dry.model(), kBatch, true);
  REQUIRE(first.blocks.size() == 3);
  for (const BlockSeconds& block : first.blocks) {
    for (const double seconds : {block.norm, block.projection, block.attention, block.output,
                                 block.seam, block.up, block.activate, block.down}) {
      CHECK(seconds > 0);
    }
    CHECK(block.backward > block.attention);
  }
  CHECK(first.around > 0);
  CHECK(first.update > 0);
  CHECK(first.blocks[0].attention == first.blocks[2].attention);  // of one pattern
  CHECK(same(measure_step(queue, dry.model(), kBatch, true), first));

  // Another batch is other shapes, and the first stay as they are.
  CHECK(!same(measure_step(queue, dry.model(), kBatch + 1, true), first));
  CHECK(same(measure_step(queue, dry.model(), kBatch, true), first));

  const std::string text = read_text(file);
  for (const std::string& damaged :
       {std::string(), text.substr(0, text.size() / 2), std::string("[]"), std::string("7"),
        std::string(R"({"format": 1, "machines": 3})")}) {
    CAPTURE(damaged.size());
    folder.put("lacuna/seconds.json", damaged);
    CHECK(measure_step(queue, dry.model(), kBatch, true).around > 0);
    CHECK(read_text(file).size() > 100);
  }
}

TEST_CASE("Where nothing can be kept a step is measured each time", "[seconds]") {
  const TempFolder folder;
  folder.put("file", "");
  const CacheIn cache(folder / "file");  // no folder can be made below it
  const DryModel dry(small_config(), DType::kF32);
  CHECK(measure_step(Queue::cpu(1), dry.model(), 1, false).whole() > 0);
  CHECK(folder.names() == std::vector<std::string>{"file"});
}

TEST_CASE("Bytes that are found without memory are those that a trainer holds", "[seconds]") {
  const MemoryData data(256, counting_text(1500, 0), counting_text(77, 900));
  for (const double average : {0.0, 0.9}) {
    Options options;
    options.model.layers = 2;
    options.model.heads = 2;
    options.model.width = 16;
    options.model.context = 16;
    options.model.attention = {"fixed(4, 1)"};
    options.optim.average = average;
    options.train.device = "cpu";
    options.train.threads = 1;
    const Trainer trainer(options, data);
    const DryModel dry(trainer.model().config(), DType::kF32);
    const size_t held =
        held_in_training(dry, options.train.batch, optimizer_config(options), average > 0).total();
    CHECK(held + plan_step(dry.model(), options.train.batch, {}).total == trainer.memory().total());
  }
}

TEST_CASE("A model without memory takes none, however large it is", "[seconds]") {
  const auto resident = [] {  // bytes
    std::ifstream file("/proc/self/statm");
    size_t all = 0, pages = 0;
    file >> all >> pages;
    return pages * static_cast<size_t>(sysconf(_SC_PAGE_SIZE));
  };
  const nn::ModelConfig config{
      .layers = 48, .heads = 16, .width = 1024, .context = 4096, .attention = {"fixed(128, 32)"}};
  const size_t before = resident();
  const DryModel dry(config.resolved(), DType::kF32);
  const size_t held = held_in_training(dry, 1, {}, true).total();
  CHECK(held > size_t{12'000'000'000});
  CHECK(resident() < before + held / 40);
}

TEST_CASE("A search keeps to its bytes, and more of them never make a step slower", "[seconds]") {
  const DryModel dry(small_config(), DType::kF32);
  const StepSeconds seconds =
      estimate_step(small_config(), kBatch, DType::kF32, known_rates("h200", DType::kF32), false);
  const KeepSearch search(dry.model(), kBatch, seconds);
  const size_t least = search.smallest().arena, most = search.everything().arena;
  REQUIRE(least < most);
  CHECK(!search.fastest(least - 64));
  double before = 1;
  for (size_t k = 0; k <= 20; ++k) {
    const size_t bytes = least + (most - least) * k / 20;
    const auto plan = search.fastest(bytes);
    REQUIRE(plan);
    CHECK(plan->arena <= bytes);
    CHECK(plan->arena == plan_step(dry.model(), kBatch, plan->kept).total);
    CHECK(plan->seconds_again <= before);
    before = plan->seconds_again;
  }
  CHECK(before == 0);
}
