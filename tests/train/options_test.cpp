#include "lacuna/train/options.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <set>

#include "../catch.h"
#include "../expect_error.h"
#include "../temp_folder.h"
#include "lacuna/base/text.h"
#include "lacuna/data/format.h"
#include "lacuna/train/setup.h"

using namespace lacuna;
using namespace lacuna::train;

namespace {

using Value = OptionValue;

Value value_of(const OptionEntry& entry, Options options) {
  return std::visit([](const auto* value) { return Value(*value); }, entry.at(options));
}

// Another value than the default, as TOML, and the same as a value.
struct Another {
  std::string toml;
  Value value;
};

std::string digits(double value) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.17g", value);
  return buffer;
}

Another another_string(const OptionEntry& entry, const std::string& initial) {
  const std::string words = entry.check.words;
  if (words.empty()) return {"\"a # \\\"b\\\" = 'c' \\\\\"", "a # \"b\" = 'c' \\"};
  for (size_t begin = 0; begin < words.size();) {
    const size_t end = std::min(words.find('|', begin), words.size());
    const std::string word = words.substr(begin, end - begin);
    if (word != initial) return {'"' + word + '"', word};
    begin = end + 1;
  }
  throw std::logic_error(entry.name + " has one word only");
}

Another another(const OptionEntry& entry) {
  const Value initial = value_of(entry, {});
  switch (initial.index()) {
    case 0: {
      const auto low = static_cast<int64_t>(entry.check.low);
      const int64_t value = std::get<int64_t>(initial) == low ? low + 1 : low;
      return {std::to_string(value), value};
    }
    case 1: {
      const double value = entry.check.low + (entry.check.high - entry.check.low) / 3;
      return {digits(value), value};
    }
    case 2:
      return another_string(entry, std::get<std::string>(initial));
    case 3:
      return {R"(["x y", "z"])", std::vector<std::string>{"x y", "z"}};
    default:
      return {"[3, 5]", std::vector<int64_t>{3, 5}};
  }
}

void check_only_changed(const Options& options, const std::string& name, const Value& value) {
  for (const OptionEntry& entry : option_table(Options())) {
    INFO(entry.name << " after a change of " << name);
    CHECK((value_of(entry, options) == (entry.name == name ? value : value_of(entry, {}))));
  }
}

void check_same(const Options& a, const Options& b) {
  for (const OptionEntry& entry : option_table(Options())) {
    INFO(entry.name);
    CHECK((value_of(entry, a) == value_of(entry, b)));
  }
}

}  // namespace

TEST_CASE("no two options have one name") {
  std::set<std::string> names;
  for (const OptionEntry& entry : option_table(Options())) {
    INFO(entry.name);
    CHECK(names.insert(entry.name).second);
    CHECK(!entry.help.empty());
  }
  CHECK(names.size() > 30);
}

TEST_CASE("an empty file gives the defaults, and they survive being written and read") {
  const TempFolder folder;
  const Options defaults;
  check_same(read_options(folder.put("empty.toml", ""), {}), defaults);
  check_same(read_options(folder.put("all.toml", to_toml(defaults)), {}), defaults);
  CHECK(defaults.model.layers == 4);  // the table's values, not zeros
  CHECK(defaults.optim.eps == 1e-8);
}

TEST_CASE("the optimizer decides the defaults of its options, by file and by flag") {
  const TempFolder folder;
  const auto shown = [](const Options& o) {
    return std::vector{o.optim.learning_rate, o.optim.beta1, o.optim.beta2, o.optim.weight_decay};
  };
  const std::vector<double> adamw{0.001, 0.9, 0.999, 0.01}, lion{0.0001, 0.9, 0.99, 0.1};
  CHECK(shown(Options()) == adamw);
  const std::string empty = folder.put("empty.toml", "");
  CHECK(shown(read_options(empty, {{"optim.name", "adamw"}})) == adamw);
  CHECK(shown(read_options(empty, {{"optim.name", "lion"}})) == lion);
  const std::string file =
      folder.put("lion.toml", "[optim]\nlearning_rate = 0.003\nname = 'lion'\n");
  const Options from_file = read_options(file, {{"optim.beta1", "0.95"}});
  CHECK(shown(from_file) == std::vector<double>{0.003, 0.95, 0.99, 0.1});
  CHECK(shown(read_options(file, {{"optim.name", "adamw"}})) ==
        std::vector<double>{0.003, 0.9, 0.999, 0.01});
  check_same(read_options(folder.put("again.toml", to_toml(from_file)), {}), from_file);
  for (const optim::OptimizerEntry& entry : optim::known_optimizers()) {
    CHECK_NOTHROW(read_options(
        folder.put("all.toml", to_toml(read_options(empty, {{"optim.name", entry.name}}))), {}));
  }
}

TEST_CASE("every default lies within the option's own bounds") {
  const TempFolder folder;
  CHECK_NOTHROW(read_options(folder.put("all.toml", to_toml({})), {}));
}

TEST_CASE("every option can be set by file, by flag and by the file written from it") {
  const TempFolder folder;
  const std::string empty = folder.put("empty.toml", "");
  for (const OptionEntry& entry : option_table(Options())) {
    const auto [toml, value] = another(entry);
    const size_t dot = entry.name.find('.');
    INFO(entry.name << " = " << toml);
    const std::string text =
        '[' + entry.name.substr(0, dot) + "]\n" + entry.name.substr(dot + 1) + " = " + toml + '\n';
    const Options from_file = read_options(folder.put("one.toml", text), {});
    check_only_changed(from_file, entry.name, value);
    check_only_changed(read_options(empty, {{entry.name, toml}}), entry.name, value);
    check_only_changed(read_options(folder.put("again.toml", to_toml(from_file)), {}), entry.name,
                       value);
  }
}

TEST_CASE("strings and numbers come back exactly from a written file") {
  const TempFolder folder;
  Options options;
  options.optim.learning_rate = 1.0 / 3;
  options.optim.eps = 1e-30;
  options.optim.clip = 1e9;
  options.train.seed = int64_t{1} << 53;
  options.data.suffixes = "tab \t line \n quote \" ' backslash \\ bell \a \xC3\xBC";
  options.data.paths = {"", " ", "\n", "\n\r\n=", "it's", "\"\"\"", "'''", "C:\\x"};
  check_same(read_options(folder.put("odd.toml", to_toml(options)), {}), options);
}

TEST_CASE("a flag wins over the file, and two of one name are refused") {
  const TempFolder folder;
  const std::string file = folder.put("a.toml", "[model]\nlayers = 2\nheads = 2\n");
  const Options options = read_options(file, {{"model.layers", "5"}, {"train.run", "12"}});
  CHECK(options.model.layers == 5);
  CHECK(options.model.heads == 2);
  CHECK(options.train.run == "12");  // a string stays one, even where it could be a number
  expect_error(ErrorKind::kConfig, "--model.layers: is given twice", [&] {
    read_options(file, {{"model.layers", "5"}, {"train.run", "12"}, {"model.layers", "5"}});
  });
}

TEST_CASE("a list takes a lone value, and a string on the command line needs no quotes") {
  const TempFolder folder;
  const std::string file = folder.put("a.toml", "[model]\nposition_tables = 64\n[data]\npaths='x'");
  const Options options =
      read_options(file, {{"model.attention", "fixed(32, 8)"}, {"optim.warmup", "5 steps"}});
  CHECK(options.model.position_tables == std::vector<int64_t>{64});
  CHECK(options.data.paths == std::vector<std::string>{"x"});
  CHECK(options.model.attention == std::vector<std::string>{"fixed(32, 8)"});
  CHECK(options.optim.warmup == "5 steps");
}

TEST_CASE("a path on the command line may look like a number") {
  const TempFolder folder;
  const Options options = read_options(folder.put("a.toml", ""), {{"data.paths", "2024"}});
  CHECK(options.data.paths == std::vector<std::string>{"2024"});
}

TEST_CASE("numbers beyond an option's bounds are refused, the bounds themselves are not") {
  const TempFolder folder;
  const std::string file = folder.put("a.toml", "");
  for (const OptionEntry& entry : option_table(Options())) {
    const Check& check = entry.check;
    if (check.low == 0 && check.high == 0) continue;
    INFO(entry.name);
    const bool whole = value_of(entry, {}).index() == 0;
    const auto text = [&](double value) {
      return whole ? std::to_string(static_cast<int64_t>(value)) : digits(value);
    };
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const double below = whole ? check.low - 1 : std::nextafter(check.low, -kInfinity);
    const double above = whole ? check.high + 1 : std::nextafter(check.high, kInfinity);
    CHECK_NOTHROW(read_options(file, {{entry.name, text(check.low)}}));
    CHECK_NOTHROW(read_options(file, {{entry.name, text(check.high)}}));
    for (const double value : {below, above}) {
      if (whole && value > 9e15) continue;  // 2^53 + 1 is no double
      expect_error(ErrorKind::kConfig, "must lie between", [&] {
        read_options(file, {{entry.name, text(value)}});
      });
    }
  }
}

TEST_CASE("a mistake in a file is reported with its line and the nearest name") {
  const TempFolder folder;
  const auto refuse = [&](const std::string& text, const std::string& fragment) {
    const std::string file = folder.put("bad.toml", text);
    expect_error(ErrorKind::kConfig, file + ':' + fragment, [&] { read_options(file, {}); });
  };
  refuse("[model]\n\nlayer = 3\n",
         "3: there is no option 'model.layer'. Did you mean 'model.layers'?");
  refuse("[modle]\nlayers = 3\n",
         "2: there is no option 'modle.layers'. Did you mean 'model.layers'?");
  refuse("[model]\nlayers = 3.0\n",
         "2: model.layers: expected a whole number between 1 and 1024, got floating-point.");
  refuse("[model]\nlayers = '3'\n",
         "2: model.layers: expected a whole number between 1 and 1024, got string.");
  refuse("[model]\ndropout = true\n",
         "2: model.dropout: expected a number between 0 and 0.95, got boolean.");
  refuse("[model]\ninit = 'cod'\n", "2: model.init: must be one of code, paper, not 'cod'.");
  refuse("[model]\nattention = ['a', 1]\n", "2: model.attention: expected a list of strings");
  refuse("layers = 3\n", "1: 'layers' stands outside a section.");
  refuse("[model]\nlayers = \n", "2: ");
  refuse("[model]\nlayers = 1\nlayers = 2\n", "3: ");
}

TEST_CASE("an option of a format is read, kept and written where that format is read, only there") {
  const TempFolder folder;
  const std::string empty = folder.put("empty.toml", "");
  for (const DatasetFormat& format : dataset_formats()) {
    for (const FormatOption& option : format.options) {
      const std::string name = "data." + option.key;
      INFO(format.name << ": " << name);
      const std::vector<OptionEntry> table = option_table(format.name);
      const auto entry = std::find_if(table.begin(), table.end(),
                                      [&](const OptionEntry& e) { return e.name == name; });
      REQUIRE(entry != table.end());
      const auto [toml, value] = another(*entry);
      const std::string head = "[data]\nformat = \"" + format.name + "\"\n";
      const Options from_file =
          read_options(folder.put("one.toml", head + option.key + " = " + toml + '\n'), {});
      CHECK((value_of(*entry, from_file) == value));
      const Options from_flag = read_options(empty, {{name, toml}, {"data.format", format.name}});
      CHECK((value_of(*entry, from_flag) == value));
      CHECK((value_of(*entry, read_options(folder.put("all.toml", to_toml(from_file)), {})) ==
             value));
      for (const DatasetFormat& another_format : dataset_formats()) {
        if (another_format.name == format.name) continue;
        for (const OptionEntry& theirs : option_table(another_format.name)) {
          CHECK(theirs.help != entry->help);
        }
      }
      Options other = read_options(folder.put("head.toml", head), {});
      CHECK_THROWS(check_resumable(other, from_file));
    }
  }
  expect_error(ErrorKind::kConfig, "option of the format echo", [&] {
    read_options(empty, {{"data.redraw", "0.5"}});
  });
}

TEST_CASE("where a flag names another format, the own options of the file's mean nothing") {
  const TempFolder folder;
  const std::string file = folder.put("a.toml", to_toml({}));
  CHECK(to_toml({}).find("split_at") != std::string::npos);
  const Options options = read_options(file, {{"data.format", "echo"}, {"data.block", "3"}});
  CHECK(options.data.format == "echo");
  CHECK(options.format.whole("block") == 3);
  CHECK(to_toml(options).find("split_at") == std::string::npos);
  CHECK(to_toml(read_options(file, {{"data.format", "\"echo\""}, {"data.block", "3"}})) ==
        to_toml(options));
}

TEST_CASE("configurations that lacuna 0.1.0 recorded are read") {
  const TempFolder folder;
  const std::string old = "[data]\nformat = \"bytes\"\necho_block = 8\necho_seed = 3\n";
  CHECK(read_options(folder.put("bytes.toml", old), {}).data.format == "bytes");
  const Options echo = read_options(
      folder.put("echo.toml", "[data]\nformat = \"echo\"\necho_block = 8\necho_seed = 3\n"), {});
  CHECK(echo.format.whole("block") == 8);
  CHECK(echo.format.whole("seed") == 3);
  for (const char* format : {"bytes", "echo"}) {
    expect_error(ErrorKind::kConfig, "there is no option 'data.echo_blok'", [&] {
      read_options(folder.put("no.toml", str("[data]\nformat = \"", format, "\"\necho_blok = 8\n")),
                   {});
    });
  }
}

TEST_CASE("docs/config.md is the table of options") {
  std::ifstream file(LACUNA_SOURCE_DIR "/docs/config.md", std::ios::binary);
  INFO("write it with `lacuna list options > docs/config.md`");
  REQUIRE(file);
  const std::string page{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  CHECK((page == options_markdown()));
  for (const OptionEntry& entry : option_table(Options())) {
    INFO(entry.name);
    CHECK(page.find("| `" + entry.name + "` |") != std::string::npos);
    CHECK(page.find(entry.help) != std::string::npos);
  }
}

TEST_CASE("every configuration in configs/ is a model, those of the paper with its parameters") {
  const std::map<std::string, int64_t> published{{"enwik8", 94'949'888},
                                                 {"cifar10", 59'196'928},
                                                 {"imagenet64", 151'645'184},
                                                 {"music", 151'840'256}};  // "152M"
  size_t found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(LACUNA_SOURCE_DIR "/configs")) {
    const std::string name = entry.path().stem().string();
    INFO(name);
    const Options options = read_options(entry.path().string(), {});
    if (find_format(options.data.format) == nullptr) continue;
    const nn::ModelConfig model = model_config(options, *medium_of(options));
    for (const std::string& text : model.attention) {
      for (int64_t head = 0; head < model.heads; ++head) {
        CHECK_FALSE(
            sparse::parse_pattern(text)->passes(head, model.context, sparse::kEverything).empty());
      }
    }
    const auto paper = published.find(name);
    if (paper == published.end()) continue;
    ++found;
    CHECK(nn::parameter_count(nn::parameter_specs(model)) == paper->second);
  }
  CHECK(found > 0);
}
