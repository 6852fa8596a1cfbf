#include "seconds_cache.h"

#include <sys/stat.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "lacuna/base/error.h"
#include "lacuna/base/facts.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"

namespace lacuna::train {
namespace {

using SecondsJson = nlohmann::json;

constexpr int kFormat = 1;

// The version alone stays the same while the program is worked on.
std::string binary_text() {
  struct stat file {};
  if (stat("/proc/self/exe", &file) != 0) return build_facts().version;
  return str(build_facts().version, ", ", file.st_size, " bytes of ", file.st_mtim.tv_sec, ".",
             file.st_mtim.tv_nsec);
}

// An object of the right format, or an empty one.
SecondsJson read_file(const std::string& path) {
  SecondsJson empty{{"format", kFormat}, {"machines", SecondsJson::object()}};
  std::error_code ignored;
  if (path.empty() || !std::filesystem::is_regular_file(path, ignored)) return empty;
  try {
    SecondsJson file = SecondsJson::parse(read_text(path), nullptr, false);
    const bool good = file.is_object() && file.value("format", SecondsJson()) == kFormat &&
                      file.value("machines", SecondsJson()).is_object();
    return good ? file : empty;
  } catch (const Error&) {
    return empty;
  }
}

}  // namespace

std::string seconds_cache_path() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && cache[0] == '/') return str(cache, "/lacuna/seconds.json");
  const char* home = std::getenv("HOME");
  if (home != nullptr && home[0] == '/') return str(home, "/.cache/lacuna/seconds.json");
  return "";
}

SecondsCache::SecondsCache(std::string machine)
    : path_(seconds_cache_path()), machine_(std::move(machine)), binary_(binary_text()) {
  const SecondsJson file = read_file(path_);
  const SecondsJson of_machine = file["machines"].value(machine_, SecondsJson());
  if (!of_machine.is_object() || of_machine.value("binary", SecondsJson()) != binary_) return;
  const SecondsJson ops = of_machine.value("seconds", SecondsJson());
  if (!ops.is_object()) return;
  for (const auto& [op, value] : ops.items()) {
    const double seconds = value.is_number() ? value.get<double>() : 0;
    if (seconds > 0 && std::isfinite(seconds)) seconds_[op] = seconds;
  }
}

SecondsCache::~SecondsCache() {
  if (!changed_ || path_.empty()) return;
  try {
    save();
  } catch (const std::exception&) {  // it will be measured again
  }
}

// Of each machine the newest binary's numbers; those of other machines stay.
void SecondsCache::save() const {
  SecondsJson file = read_file(path_);
  file["machines"][machine_] = {{"binary", binary_}, {"seconds", seconds_}};
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), ignored);
  write_atomic(path_, file.dump(1, ' ', false, SecondsJson::error_handler_t::replace) + "\n");
}

std::optional<double> SecondsCache::find(const std::string& op) const {
  const auto found = seconds_.find(op);
  if (found == seconds_.end()) return std::nullopt;
  return found->second;
}

void SecondsCache::add(const std::string& op, double seconds) {
  if (!(seconds > 0) || !std::isfinite(seconds)) return;
  seconds_[op] = seconds;
  changed_ = true;
}

}  // namespace lacuna::train
