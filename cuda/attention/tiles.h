// How the kernels cut up attention, as far as its tables depend on it. Without CUDA's headers, so
// that the tables are known where there is no CUDA.
#pragma once

namespace lacuna::cuda::attention {

/// The general kernels and those of f32: a warp takes a group, and a tile has 64 columns.
inline constexpr int kGroups = 4;
inline constexpr int kColumnTile = 64;
inline constexpr int kThreads = 32 * kGroups;

/// Fragments of 16 rows in a group, and blocks that should fit on a multiprocessor, which bounds
/// the registers of a thread. Two fragments read a tile half as often, one leaves room for more
/// warps.
template <int kQk, int kV>
inline constexpr int kForwardFragments = kQk == 64 && kV == 64 ? 2 : 1;
template <int kQk, int kV>
inline constexpr int kForwardBlocks = kV <= 32                 ? 4
                                      : kQk == 64 && kV == 128 ? 3
                                                               : 2;
template <int kQk, int kV>
inline constexpr int kQueryFragments = kQk == 64 && kV == 64 ? 2 : 1;
template <int kQk, int kV>
inline constexpr int kQueryBlocks = kV <= 32                 ? 4
                                    : kQk == 64 && kV == 128 ? 3
                                                             : 2;
template <int kQk, int kV>
inline constexpr int kKeyFragments = kQk == 64 && kV == 64 ? 2 : 1;
template <int kQk, int kV>
inline constexpr int kKeyBlocks = kV <= 32 ? 4 : 2;

/// A warp per row.
inline constexpr int kF32GroupRows = 16;

/// The Hopper kernels.
inline constexpr int kSm90Rows = 128;  // of an item: two warpgroups with 64 each
inline constexpr int kSm90Lanes = 8;   // that an item holds at most
inline constexpr int kSm90Walks = 16;  // that a plan has at most
// Columns of a tile. The backward kernels keep the elements of two products and two sums in
// registers, forward those of one each.
inline constexpr int kSm90BackwardColumns = 64;
/// Small tiles fit small windows and lanes; of narrow heads, they let two blocks share a
/// multiprocessor, too.
constexpr int sm90_forward_columns(int qk) {
  return qk <= 64 ? 64 : 128;
}

}  // namespace lacuna::cuda::attention
