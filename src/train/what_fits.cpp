#include "lacuna/train/what_fits.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "lacuna/sparse/pattern.h"
#include "lacuna/train/keep_search.h"
#include "lacuna/train/setup.h"

namespace lacuna::train {
namespace {

constexpr int64_t kMostContext = int64_t{1} << 24, kMostBatch = 65536;  // as options.def has them

using Bytes = std::optional<size_t>;

// Nothing where no device can run it, or no pattern has it.
template <class Make>
Bytes bytes_if_possible(const Make& make) {
  try {
    return least_bytes(make());
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInternal) throw;
    return std::nullopt;
  }
}

// Where the line through the two known points that are nearest to `good` comes to `room`.
int64_t guess(const std::map<int64_t, double>& known, int64_t good, double room) {
  auto second = known.upper_bound(good);
  if (second == known.end()) --second;
  if (second == known.begin()) ++second;
  const auto first = std::prev(second);
  const double slope =
      (second->second - first->second) / static_cast<double>(second->first - first->first);
  if (slope <= 0) return 2 * good;
  const double at = static_cast<double>(first->first) + (room - first->second) / slope;
  return static_cast<int64_t>(std::clamp(at, 0.0, 1e12));
}

// How a model takes other contexts: by what they must be divisible, and its position tables then.
class Contexts {
 public:
  explicit Contexts(const Setting& setting)
      : config_(setting.config), own_tables_(!setting.options.model.position_tables.empty()) {
    const std::unique_ptr<Medium> medium = medium_of(setting.options);
    if (medium->sample_size() > 0) {
      why_none_ = str("a sample of this data has ", config_.context, " symbols");
      return;
    }
    if (own_tables_) {
      for (size_t k = 1; k < config_.position_tables.size(); ++k) {
        unit_ *= config_.position_tables[k];
      }
    } else {
      for (const std::string& text : config_.attention) {
        unit_ = std::max(unit_, sparse::parse_pattern(text)->stride());
      }
    }
    unit_ = std::lcm(unit_, medium->grid().alignment);
    if (unit_ > kMostContext) why_none_ = "its position tables leave no other";
  }

  int64_t unit() const { return unit_; }
  const std::string& why_none() const { return why_none_; }
  nn::ModelConfig with(int64_t context) const {
    nn::ModelConfig other = config_;
    other.context = context;
    if (own_tables_) {
      int64_t below = 1;
      for (size_t k = 1; k < other.position_tables.size(); ++k) below *= other.position_tables[k];
      other.position_tables[0] = (context + below - 1) / below;
    } else {
      other.position_tables.clear();
    }
    return other.resolved();
  }

 private:
  nn::ModelConfig config_;
  bool own_tables_;
  int64_t unit_ = 1;
  std::string why_none_;
};

std::optional<int64_t> narrower(const Setting& setting, size_t bytes) {
  for (int64_t eighths = 7; eighths > 0; --eighths) {
    Setting other = setting;
    nn::ModelConfig& config = other.config;
    bool whole = true;
    for (int64_t* width : {&config.width, &config.qk_width, &config.feedforward_width}) {
      whole = whole && *width * eighths % 8 == 0;
      *width = *width * eighths / 8;
    }
    whole = whole && config.width % config.heads == 0 && config.qk_width % config.heads == 0;
    if (!whole) continue;
    const Bytes needed = bytes_if_possible([&] { return other; });
    if (needed && *needed <= bytes) return config.width;
  }
  return std::nullopt;
}

Fits fits_up_to(const Setting& setting, size_t bytes, int64_t most_batch, int64_t most_context,
                const std::function<void()>& between) {
  Fits found;
  const int64_t own = share_of(setting.options, setting.world).batch;
  const int64_t cuts = setting.options.train.batch / own;  // of each micro-batch of the step
  const int64_t largest = largest_within(bytes, own, most_batch / cuts, [&](int64_t candidate) {
    between();
    return bytes_if_possible([&] {
      Setting other = setting;
      other.options.train.batch = candidate * cuts;
      return other;
    });
  });
  if (largest > 0) found.batch = largest * cuts;
  const Contexts contexts(setting);
  found.why_no_context = contexts.why_none();
  if (!found.why_no_context.empty()) return found;
  const int64_t unit = contexts.unit(), from = setting.config.context / unit;
  const int64_t units = largest_within(bytes, from, most_context / unit, [&](int64_t candidate) {
    between();
    return bytes_if_possible([&] {
      Setting other = setting;
      other.config = contexts.with(candidate * unit);
      return other;
    });
  });
  if (units > 0) found.context = contexts.with(units * unit);
  return found;
}

}  // namespace

int64_t largest_within(size_t room, int64_t from, int64_t most,
                       const std::function<std::optional<size_t>(int64_t)>& bytes_of) {
  int64_t good = 0, bad = most + 1;
  std::map<int64_t, double> known;
  int64_t next = from;
  for (int tries = 1; bad - good > 1; ++tries) {
    next = std::clamp(next, good + 1, bad - 1);
    const Bytes bytes = bytes_of(next);
    const bool fits = bytes && *bytes <= room;
    if (bytes) known[next] = static_cast<double>(*bytes);
    (fits ? good : bad) = next;
    const bool can_guess = known.size() >= 2 && (bad > most || known.contains(bad));
    if (can_guess && tries % 3 != 0) {
      next = guess(known, good, static_cast<double>(room));
    } else {  // whatever the bytes do, the search ends soon
      next = bad > most ? 2 * good : good + (bad - good) / 2;
    }
  }
  return good;
}

size_t least_bytes(const Setting& setting) {
  const DryTrainer dry(setting.options, setting.config, setting.device, setting.dtype,
                       setting.world);
  return dry.bytes_with(KeepSearch(dry.model(), dry.batch(), {}).least());
}

Fits what_fits(const Setting& setting, size_t bytes, const std::function<void()>& between) {
  return fits_up_to(setting, bytes, kMostBatch, kMostContext, between);
}

std::string what_to_lower(const Setting& setting, size_t bytes,
                          const std::function<void()>& between) {
  const nn::ModelConfig& config = setting.config;
  const int64_t batch = setting.options.train.batch;
  const Fits found = fits_up_to(setting, bytes, batch, config.context, between);
  std::vector<std::string> ways;
  if (found.batch && *found.batch < batch) {
    // Ranks cut no batch where each has a whole number of them.
    const int64_t own = share_of(setting.options, setting.world).batch;
    const std::string enough =
        setting.world.alone() ? "" : str(" to a multiple of ", setting.world.size);
    ways.push_back(str("train.batch from ", batch, " to ", *found.batch * own / batch,
                       " (and raise train.accumulation", enough, ")"));
  }
  if (found.context && found.context->context < config.context) {
    ways.push_back(str("model.context from ", config.context, " to ", found.context->context));
  }
  if (const auto width = narrower(setting, bytes)) {
    ways.push_back(str("model.width from ", config.width, " to ", *width));
  }
  const DType shorter = setting.device.gpu ? DType::kBF16 : DType::kF32;
  if (size_of(shorter) < size_of(setting.dtype)) {
    Setting other = setting;
    other.dtype = shorter;
    const Bytes needed = bytes_if_possible([&] { return other; });
    if (needed && *needed <= bytes) {
      ways.push_back(
          str("train.precision from ", name_of(setting.dtype), " to ", name_of(shorter)));
    }
  }
  if (ways.empty()) return "Lower model.layers and model.width: neither alone is enough";
  return "Lower " + join(ways, ", or ");
}

}  // namespace lacuna::train
