#include "request.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/data/checksum.h"

namespace lacuna::cli {
namespace {

constexpr int64_t kMostSamples = (int64_t{1} << 31) - 64;  // of a WAV file

train::DrawRule rule_of(const Parsed& parsed) {
  train::DrawRule rule{.temperature = parsed.number("temperature", 0),
                       .top_k = parsed.whole("top-k", 0),
                       .top_p = parsed.number("top-p", 0)};
  if (rule.top_p == 0 || rule.top_p > 1) {
    throw Error(ErrorKind::kUsage, "--top-p",
                "expected a number above 0 and not above 1, got '" + parsed.text("top-p") + "'");
  }
  return rule;
}

// A flag whose value follows from the medium says "auto" unless it is given.
bool is_given(const Parsed& parsed, const std::string& flag) {
  return parsed.is_set(flag) && parsed.text(flag) != "auto";
}

void refuse_together(const Parsed& parsed, const std::string& one, const std::string& other) {
  if (!is_given(parsed, one) || !is_given(parsed, other)) return;
  throw Error(ErrorKind::kUsage, "--" + one, "contradicts --" + other, "Give one of them");
}

void check_flags(const Parsed& parsed, const Medium& medium) {
  for (const char* flag : {"prompt", "prompt-file"}) {
    if (!parsed.is_set(flag) || is_printed(medium)) continue;
    throw Error(ErrorKind::kUsage, str("--", flag),
                "the symbols of this run are no text, so that none can come before them",
                "--complete FILE goes on with a picture or a sound");
  }
  if (parsed.is_set("complete") && is_printed(medium)) {
    throw Error(ErrorKind::kUsage, "--complete", "is for pictures and sound",
                "--prompt-file goes on with a text");
  }
  if (is_given(parsed, "length") && medium.sample_size() > 0) {
    throw Error(ErrorKind::kUsage, "--length", "a picture is always drawn whole", "Leave it out");
  }
  if (is_given(parsed, "seconds") && medium.rate() == 0) {
    throw Error(ErrorKind::kUsage, "--seconds", "only sound is as long as that",
                medium.sample_size() > 0 ? "Leave it out" : "--length is counted in symbols");
  }
}

std::vector<int32_t> symbols_of_text(const std::string& text, const Parsed& parsed,
                                     int64_t vocabulary) {
  std::vector<int32_t> symbols;
  for (const char byte : text) {
    symbols.push_back(static_cast<unsigned char>(byte));
    if (symbols.back() < vocabulary) continue;
    const bool file = parsed.is_set("prompt-file");
    throw Error(file ? ErrorKind::kData : ErrorKind::kUsage,
                file ? parsed.text("prompt-file") : "--prompt",
                str("byte ", symbols.size() - 1, " is ", symbols.back(),
                    ", which is no symbol of the model: it knows 0 to ", vocabulary - 1));
  }
  return symbols;
}

// Samples of sound as whole symbols.
int64_t symbols_in(const Parsed& parsed, const std::string& flag, const Medium& medium) {
  const double samples = parsed.number(flag, 0) * static_cast<double>(medium.rate());
  if (samples < 0.5 || samples > static_cast<double>(kMostSamples)) {
    throw Error(ErrorKind::kUsage, "--" + flag,
                str("expected from one sample of 1/", medium.rate(), " s to ",
                    grouped(kMostSamples), " of them, got '", parsed.text(flag), "' seconds"));
  }
  return std::llround(samples) * medium.unit().symbols;
}

// Whole rows, at least one of them, and one is left to be drawn.
int64_t kept_of_picture(const Parsed& parsed, const Medium& medium) {
  const double share = is_given(parsed, "keep") ? parsed.number("keep", 0) : 0.5;
  if (share <= 0 || share >= 1) {
    throw Error(
        ErrorKind::kUsage, "--keep",
        "expected a share of the picture between 0 and 1, got '" + parsed.text("keep") + "'");
  }
  const int64_t rows = medium.shape().front();
  // 0.58 of 50 rows are 29, although the product comes out just below.
  const auto kept = static_cast<int64_t>(std::floor(share * static_cast<double>(rows) + 1e-9));
  return std::max<int64_t>(std::min(kept, rows - 1), 1) * (medium.sample_size() / rows);
}

int64_t kept_of_sound(const Parsed& parsed, const Medium& medium, int64_t there, int64_t context) {
  const int64_t unit = medium.unit().symbols, half = context / 2 / unit * unit;
  if (!is_given(parsed, "keep")) return std::min(there, std::max(half, unit));
  const int64_t kept = symbols_in(parsed, "keep", medium);
  if (kept <= there) return kept;
  const double seconds = static_cast<double>(there / unit) / static_cast<double>(medium.rate());
  throw Error(ErrorKind::kUsage, "--keep",
              str("the file has only ", exact(seconds), " seconds, not ", parsed.text("keep")));
}

std::vector<int32_t> kept_symbols(const Parsed& parsed, const Medium& medium, int64_t context) {
  std::vector<int32_t> symbols = medium.symbols_of(parsed.text("complete"));
  const int64_t kept = medium.sample_size() > 0
                           ? kept_of_picture(parsed, medium)
                           : kept_of_sound(parsed, medium, std::ssize(symbols), context);
  symbols.resize(static_cast<size_t>(kept));
  return symbols;
}

// Symbols to draw after the prompt.
int64_t length_of(const Parsed& parsed, const Medium& medium, int64_t prompt, int64_t context) {
  if (medium.sample_size() > 0) return medium.sample_size() - prompt;
  if (is_given(parsed, "seconds")) return symbols_in(parsed, "seconds", medium);
  if (!is_given(parsed, "length")) {
    const int64_t whole = train::default_length(medium, context);
    return is_printed(medium) || prompt >= whole ? whole : whole - prompt;
  }
  const int64_t length = parsed.whole("length", 1), unit = medium.unit().symbols;
  if (length % unit == 0) return length;
  throw Error(
      ErrorKind::kUsage, "--length",
      str("a sample of this sound has ", unit, " symbols, and ", length, " are no whole number"),
      "--seconds is counted in time");
}

}  // namespace

train::SampleConfig sample_config(const Parsed& parsed) {
  refuse_together(parsed, "prompt", "prompt-file");
  refuse_together(parsed, "prompt", "complete");
  refuse_together(parsed, "prompt-file", "complete");
  refuse_together(parsed, "length", "seconds");
  if (is_given(parsed, "keep") && !parsed.is_set("complete")) {
    throw Error(ErrorKind::kUsage, "--keep", "says how much of a file stays, but there is none",
                "Name the file with --complete");
  }
  if (parsed.is_set("overwrite") && !parsed.is_set("output")) {
    throw Error(ErrorKind::kUsage, "--overwrite", "there is nothing to replace",
                "Name a place with --output");
  }
  if (parsed.text("length") != "auto") parsed.whole("length", 1);
  for (const char* flag : {"seconds", "keep"}) {
    if (parsed.text(flag) != "auto") parsed.number(flag, 0);
  }
  return {.first = parsed.whole("first", 1) - 1,
          .count = parsed.whole("count", 1),
          .batch = parsed.whole("batch", 1),
          .rule = rule_of(parsed),
          .seed = static_cast<uint64_t>(parsed.whole("seed", 0)),
          .cached = !parsed.is_set("no-cache")};
}

SampleRequest sample_request(const Parsed& parsed, const train::SampleConfig& config,
                             const Medium& medium, int64_t context) {
  check_flags(parsed, medium);
  SampleRequest request{.config = config};
  request.config.alignment = medium.unit().symbols;
  if (parsed.is_set("complete")) {
    request.prompt = kept_symbols(parsed, medium, context);
  } else {
    const std::string given = parsed.is_set("prompt-file") ? read_text(parsed.text("prompt-file"))
                                                           : parsed.text("prompt");
    request.prompt = symbols_of_text(given, parsed, medium.vocabulary());
    request.text = is_printed(medium) ? medium.file(request.prompt) : "";
  }
  request.config.length = length_of(parsed, medium, std::ssize(request.prompt), context);
  return request;
}

nlohmann::json settings_of(const SampleRequest& request, const Parsed& parsed,
                           const train::SavedRun& run, const BetweenPieces& between_pieces) {
  const train::SampleConfig& config = request.config;
  const MappedFile file(run.weights_file());
  Checksum weights, prompt;
  in_pieces(file.data(), file.size(), between_pieces,
            [&](const std::byte* bytes, size_t size) { weights.add(bytes, size); });
  prompt.add(request.prompt.data(), request.prompt.size() * sizeof(int32_t));
  nlohmann::json settings{{"weights", weights.text()},
                          {"seed", config.seed},
                          {"temperature", config.rule.temperature},
                          {"top_k", config.rule.top_k},
                          {"top_p", config.rule.top_p},
                          {"prompt", request.prompt.empty() ? "" : prompt.text()},
                          {"length", config.length},
                          {"cached", config.cached},
                          {"device", train::on_gpu(run.options()) ? "gpu" : "cpu"},
                          {"precision", train::precision(run.options())},
                          {"f32_products", run.options().train.f32_products}};
  if (run.step()) settings["step"] = *run.step();
  for (const auto& [name, value] : parsed.overrides) {
    if (name.starts_with("model.") || name.starts_with("data.")) settings[name] = value;
  }
  return settings;
}

}  // namespace lacuna::cli
