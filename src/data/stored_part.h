// A part whose symbols lie in a store.
#pragma once

#include <memory>
#include <vector>

#include "lacuna/data/dataset.h"
#include "lacuna/data/record_store.h"

namespace lacuna {

/// Bytes [begin, end) of a store.
struct StoreRange {
  int64_t begin, end;
};

/// The ranges one after the other: ascending, apart from each other, none empty. A record that a
/// range begins or ends within counts with what is in it.
std::unique_ptr<Part> stored_part(std::shared_ptr<const RecordStore> store,
                                  const std::vector<StoreRange>& ranges, bool records_apart);

}  // namespace lacuna
