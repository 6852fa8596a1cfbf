#include "lacuna/train/step_seconds.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "../catch.h"
#include "../expect_error.h"
#include "../temp_folder.h"
#include "dry_model.h"
#include "lacuna/base/files.h"

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
double bytes_made(const DryModel& dry, const nn::KeptByBlock& kept) {
  double bytes = 0;
  for (const Lifetime& life : dry.plan_step(kBatch, kept).lifetimes) {
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
  const DryModel dry(small_config());
  const MadeByOps made(small_config());
  const StepSeconds bytes{.blocks = {made.block, made.block, made.block}};
  const nn::KeptByBlock all(3, BlockResults::all());
  const double before = bytes_made(dry, all);
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
      CHECK(bytes_made(dry, by_block) - before == expected);
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

TEST_CASE("A step is measured once and then known, unless its file is damaged", "[seconds]") {
  const TempFolder folder;
  const CacheIn cache(folder.path());
  const std::string file = folder / "lacuna/seconds.json";
  const DryModel dry(small_config());
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
  const DryModel dry(small_config());
  CHECK(measure_step(Queue::cpu(1), dry.model(), 1, false).whole() > 0);
  CHECK(folder.names() == std::vector<std::string>{"file"});
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
  const DryModel dry(config.resolved());
  const size_t held = dry.parameters().values().bytes() + dry.parameters().gradients().bytes();
  CHECK(held > size_t{4'000'000'000});
  CHECK(resident() < before + held / 40);
}
