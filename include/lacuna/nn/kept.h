// What the blocks of a model keep of their forward pass. The rest is dropped as soon as the forward
// pass has gone on, and made again by the backward pass of the block: to the same bits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lacuna::nn {

/// The results of a block that its backward pass needs, in the order in which they are made.
enum class BlockResult : uint8_t {
  kEntry,             // the residual stream as the block finds it; block 0: the embedding
  kAttentionInput,    // its norm
  kProjection,        // queries, keys and values
  kAttention,         // the attention's output, and the log-sum-exp of each row and head
  kMiddle,            // the residual stream with the attention's branch added
  kFeedForwardInput,  // its norm
  kPreactivation,
  kActivation,
};
inline constexpr int kBlockResults = 8;
const char* name_of(BlockResult result);

/// A set of them.
class BlockResults {
 public:
  static constexpr BlockResults all() { return BlockResults((1u << kBlockResults) - 1); }
  static constexpr BlockResults none() { return BlockResults(0); }

  constexpr bool has(BlockResult result) const { return (bits_ >> int(result) & 1) != 0; }
  constexpr BlockResults with(BlockResult result) const {
    return BlockResults(bits_ | 1u << int(result));
  }
  constexpr BlockResults without(BlockResult result) const {
    return BlockResults(bits_ & ~(1u << int(result)));
  }
  constexpr bool operator==(const BlockResults&) const = default;

 private:
  constexpr explicit BlockResults(unsigned bits) : bits_(bits) {}
  unsigned bits_;
};

/// What each block keeps; empty: all of them everything. The entry of a block that does not keep it
/// is made again by running the block before from its own entry, that of block 0 from the tokens.
using KeptByBlock = std::vector<BlockResults>;

/// Blocks in a row that keep the same, counted from 1.
struct KeptRange {
  int64_t first, last;
  BlockResults kept;
};
/// Of `blocks` blocks.
std::vector<KeptRange> ranges_of(const KeptByBlock& kept, int64_t blocks);
/// "3", "1-12".
std::string text_of(const KeptRange& range);

/// "everything", "nothing", or what is kept by name.
std::string text_of(BlockResults kept);
/// The same of `blocks` blocks: "1-12 everything; 13 entry, attention".
std::string text_of(const KeptByBlock& kept, int64_t blocks);

}  // namespace lacuna::nn
