#include "page.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "../version.h"
#include "lacuna/base/text.h"
#include "lacuna/train/sum_seconds.h"

namespace lacuna::cli {
namespace {

using Json = nlohmann::ordered_json;

// "9.5 ms", "2.31 s".
std::string seconds_text(double seconds) {
  return seconds < 1 ? fixed(1e3 * seconds, 2) + " ms" : fixed(seconds, 2) + " s";
}

std::string flops_text(double flops) {
  return flops < 1e12 ? fixed(1e-9 * flops, 2) + " GFLOP" : fixed(1e-12 * flops, 2) + " TFLOP";
}

std::string padded(std::string text, size_t width) {
  if (text.size() < width) text.insert(0, width - text.size(), ' ');
  return text;
}

// Blocks that keep the same, wherever they are, in one row.
std::string plan_text(const nn::KeptByBlock& kept, int64_t blocks) {
  const std::vector<nn::KeptRange> ranges = nn::ranges_of(kept, blocks);
  std::string text;
  for (size_t k = 0; k < ranges.size(); ++k) {
    const auto same = [&](const nn::KeptRange& other) { return other.kept == ranges[k].kept; };
    if (std::any_of(ranges.begin(), ranges.begin() + static_cast<std::ptrdiff_t>(k), same)) {
      continue;
    }
    std::vector<std::string> places;
    int64_t count = 0;
    for (const nn::KeptRange& range : ranges) {
      if (!same(range)) continue;
      places.push_back(text_of(range));
      count += range.last - range.first + 1;
    }
    text += str("    ", padded(str(count), 4), count == 1 ? " block keeps  " : " blocks keep ",
                nn::text_of(ranges[k].kept), ": ", join(places, ", "), "\n");
  }
  return text;
}

// Of a day or more in days.
std::string duration_text(double seconds) {
  return seconds < 86400 ? human_seconds(seconds) : fixed(seconds / 86400, 1) + " days";
}

std::string length_text(const PlanPage& page) {
  const std::string& length = page.setting.options.train.length;
  if (!page.steps) {
    return str("train.length = ", length, " depends on the data; 1000 steps take ",
               duration_text(1000 * page.chosen.seconds), " without evaluations");
  }
  return str("train.length = ", length, " takes ",
             duration_text(static_cast<double>(*page.steps) * page.chosen.seconds),
             " without evaluations");
}

std::string fits_text(const PlanPage& page) {
  const nn::ModelConfig& config = page.setting.config;
  std::string text = "  fits: ";
  text += page.fits.batch ? str("train.batch up to ", *page.fits.batch) : "no other train.batch";
  if (!page.fits.why_no_context.empty()) {
    return text + "; model.context stays: " + page.fits.why_no_context + "\n";
  }
  if (!page.fits.context) return text + "; no longer model.context\n";
  const nn::ModelConfig& longest = *page.fits.context;
  std::vector<std::string> tables;
  for (const int64_t rows : longest.position_tables) tables.push_back(str(rows));
  return text + str("; at train.batch ", page.setting.options.train.batch, " model.context up to ",
                    grouped(longest.context), " (now ", grouped(config.context),
                    ") with position tables [", join(tables, ", "), "]\n");
}

std::string count_text(int64_t count, const char* what, const char* plural) {
  return str(grouped(count), " ", count == 1 ? what : plural);
}

// What each of several GPUs does and holds.
std::string share_text(const PlanPage& page) {
  if (page.gpus() == 1) return "";
  const train::Share& share = page.dry.share();
  return str("  each of ", grouped(page.gpus()), " GPUs, on ",
             count_text(train::kLinks.hosts(page.gpus()), "host", "hosts"), ", has ",
             count_text(share.micro_batches, "micro-batch", "micro-batches"), " of ",
             count_text(share.batch, "sequence", "sequences"),
             "; all bytes are those of one, without what NCCL takes for itself\n");
}

std::string scaling_text(const PlanPage& page) {
  if (page.gpus() == 1) return "";
  const bool overlaps =
      page.setting.options.dist.bucket > 0 && page.setting.options.dist.shard != "optimizer";
  return str("  predicted: ", seconds_text(page.chosen.seconds - page.sums_seconds),
             " on each and ", seconds_text(page.sums_seconds), " for the sums",
             overlaps ? " (as after the pass: what dist.bucket hides is not known)" : "", ", ",
             fixed(100 * page.speed(), 1), " % of ", grouped(page.gpus()),
             " times one GPU with such a share\n  ", train::sources_text(page.gpus()), "\n");
}

std::string curve_text(const PlanPage& page) {
  const int64_t blocks = page.setting.config.layers;
  std::string text = str("  ", padded("budget", 12), padded("bytes", 18), padded("a step", 12),
                         padded("times", 8), "  blocks that keep everything\n");
  for (const CurvePoint& point : page.curve) {
    int64_t whole = 0;
    for (const nn::KeptRange& range : nn::ranges_of(point.plan.kept, blocks)) {
      if (range.kept == nn::BlockResults::all()) whole += range.last - range.first + 1;
    }
    text += str("  ", padded(human_bytes(point.budget), 12),
                padded(grouped(static_cast<int64_t>(point.bytes)), 18),
                padded(seconds_text(point.seconds), 12),
                padded(fixed(point.seconds / page.everything_seconds, 3), 8), "  ", whole, " of ",
                blocks, "\n");
  }
  return text;
}

Json json_of(const nn::KeptByBlock& kept, int64_t of_blocks) {
  Json blocks = Json::array();
  for (const nn::KeptRange& range : nn::ranges_of(kept, of_blocks)) {
    Json names = Json::array();
    for (int k = 0; k < nn::kBlockResults; ++k) {
      const auto result = static_cast<nn::BlockResult>(k);
      if (range.kept.has(result)) names.push_back(nn::name_of(result));
    }
    blocks.push_back({{"first", range.first}, {"last", range.last}, {"keeps", names}});
  }
  return blocks;
}

Json json_of(const CurvePoint& point, int64_t blocks) {
  return {{"budget_bytes", point.budget},
          {"bytes", point.bytes},
          {"arena_bytes", point.plan.arena},
          {"step_seconds", point.seconds},
          {"blocks", json_of(point.plan.kept, blocks)}};
}

}  // namespace

int64_t PlanPage::samples() const {
  return setting.options.train.batch * setting.options.train.accumulation;
}

double PlanPage::speed() const {
  return 1 - sums_seconds / chosen.seconds;
}

int64_t PlanPage::tokens() const {
  return samples() * dry.model().config().context;
}

double PlanPage::flops() const {
  return static_cast<double>(samples()) * dry.model().training_flops();
}

MemoryUse PlanPage::use() const {
  return dry.memory(chosen.plan.kept).use();
}

std::string page_text(const PlanPage& page) {
  const Target& target = page.target;
  const nn::ModelConfig& config = page.setting.config;
  const DType dtype = page.setting.dtype;
  const int64_t weights = nn::parameter_count(nn::parameter_specs(config));
  std::string text =
      str(page.config_file, " on ",
          page.gpus() == 1 ? target.name : str(grouped(page.gpus()), " GPUs (", target.name, ")"),
          ", ", name_of(dtype), ", ", page.samples(), " x ", grouped(config.context),
          " tokens a step; seconds are ", target.seconds_text(dtype), "\n");
  text += str("  ", grouped(weights), " parameters, ", flops_text(page.flops()),
              " a step, checkpoints of ", human_bytes(page.dry.checkpoint_bytes()), "\n");
  text += share_text(page);
  text += str("  budget ", human_bytes(page.budget), " (", page.setting.options.memory.budget, ")",
              page.budget > target.available ? str(", which is more than the ",
                                                   human_bytes(target.available), " that are free")
                                             : "",
              "; needed: ", human_bytes(page.least), " at least, ", human_bytes(page.everything),
              " to keep everything\n");
  const size_t context = target.device.context;
  text += str("  peak ", grouped(static_cast<int64_t>(page.chosen.bytes)),
              " bytes: ", context > 0 ? str("CUDA context ", human_bytes(context), " and ") : "",
              memory_text(page.use()), "\n");
  text +=
      str("  a step ", seconds_text(page.chosen.seconds), ", ",
          grouped(static_cast<int64_t>(static_cast<double>(page.tokens()) / page.chosen.seconds)),
          " tokens/s, ", fixed(page.chosen.seconds / page.everything_seconds, 3),
          " times as long as keeping everything\n");
  text += scaling_text(page) + "  " + length_text(page) + "\n" + fits_text(page);
  text += "  what is kept:\n" + plan_text(page.chosen.plan.kept, config.layers);
  return text + curve_text(page);
}

std::string page_json(const PlanPage& page) {
  const nn::ModelConfig& config = page.setting.config;
  Json tags = Json::object(), curve = Json::array();
  const MemoryUse use = page.use();
  for (size_t tag = 0; tag < kMemoryTags; ++tag) {
    tags[name_of(static_cast<MemoryTag>(tag))] = use.bytes[tag];
  }
  for (const CurvePoint& point : page.curve) curve.push_back(json_of(point, config.layers));
  Json json{{"lacuna", version_number()},
            {"config", page.config_file},
            {"device", page.target.name},
            {"seconds_are", page.target.queue ? "measured" : "estimated"},
            {"type", name_of(page.setting.dtype)},
            {"parameters", nn::parameter_count(nn::parameter_specs(config))},
            {"batch", page.dry.batch()},
            {"accumulation", page.setting.options.train.accumulation},
            {"context", config.context},
            {"gpus", page.gpus()},
            {"gpu_batch", page.dry.share().batch},
            {"gpu_accumulation", page.dry.share().micro_batches},
            {"sums_seconds", page.sums_seconds},
            {"sums_are", "predicted"},
            {"share_of_linear", page.speed()},
            {"step_tokens", page.tokens()},
            {"step_flops", page.flops()},
            {"checkpoint_bytes", page.dry.checkpoint_bytes()},
            {"context_bytes", page.target.device.context},
            {"planned_bytes", use.total()},
            {"bytes_by_tag", tags},
            {"minimum_bytes", page.least},
            {"everything_bytes", page.everything},
            {"everything_seconds", page.everything_seconds},
            {"tokens_per_second", static_cast<double>(page.tokens()) / page.chosen.seconds},
            {"times_everything", page.chosen.seconds / page.everything_seconds},
            {"plan", json_of(page.chosen, config.layers)},
            {"curve", curve}};
  json["steps"] = page.steps ? Json(*page.steps) : Json();
  json["days"] =
      page.steps ? Json(static_cast<double>(*page.steps) * page.chosen.seconds / 86400) : Json();
  json["largest_batch"] = page.fits.batch ? Json(*page.fits.batch) : Json();
  json["longest_context"] = page.fits.context ? Json(page.fits.context->context) : Json();
  return json.dump(2) + "\n";
}

}  // namespace lacuna::cli
