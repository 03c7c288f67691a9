#include "admin_config.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "config/import.hpp"
#include "config/settings.hpp"
#include "new_file.hpp"
#include "speech.hpp"

extern char** environ;

/// cloudos config: the configuration file of cloudosd, without cloudosd.
namespace cli {
namespace {

namespace config = cloudos::config;

constexpr int kGood = 0;
constexpr int kBad = 1;
constexpr int kMisused = 2;

int write_out(const std::string& text) {
  fmt::print("{}", text);
  return std::fflush(stdout) == 0 ? kGood : kBad;
}

int misused(const std::string& message) {
  complain("{}", message);
  return kMisused;
}

/// The file that was named, or the usual one when it is there; and the environment over it.
config::Merged loaded(const AdminGiven& given, bool with_environment) {
  std::vector<config::Layer> layers;
  const std::string named =
      admin_value(given, given.contains("--config") ? "--config" : "FILE");
  const std::string path = named.empty() ? std::string(config::kDefaultFile) : named;
  const auto text = config::read_file(path);
  if (text) {
    layers.push_back(config::read_text(*text, path));
  } else if (!named.empty() || text.error().code != cloudos::ErrorCode::NotFound) {
    layers.emplace_back();
    layers.back().problems.push_back({"", text.error().message});
  }
  if (with_environment) {
    std::vector<std::string> variables;
    for (char** entry = environ; entry && *entry; ++entry) variables.emplace_back(*entry);
    layers.push_back(config::read_environment(variables));
  }
  return config::merge(layers);
}

int say_problems(const config::Merged& merged) {
  for (const config::Problem& problem : merged.problems)
    complain("{}", config::to_string(problem));
  return merged.problems.empty() ? kGood : kMisused;
}

bool names_two(const AdminGiven& given) {
  return given.contains("FILE") && given.contains("--config");
}

int check(const AdminGiven& given) {
  if (names_two(given)) return misused("FILE and --config both name the file: keep one.");
  const config::Merged merged = loaded(given, true);
  if (say_problems(merged) != kGood) return kMisused;
  return write_out(tr("The configuration is good.") + "\n");
}

int show(const AdminGiven& given) {
  if (names_two(given)) return misused("FILE and --config both name the file: keep one.");
  const bool effective = given.contains("--effective");
  const config::Merged merged = loaded(given, effective);
  const int printed = write_out(config::effective_text(merged.settings, effective));
  return say_problems(merged) == kGood ? printed : kMisused;
}

int sample(const AdminGiven&) {
  return write_out(config::sample_text());
}

/// "nova:/etc/my.conf", or a file with one of the usual names.
cloudos::Result<config::ImportFile> read_source(const std::string& word) {
  config::ImportFile file;
  std::string path = word;
  std::optional<config::Service> service;
  for (const config::Service one : {config::Service::Nova, config::Service::Neutron,
                                    config::Service::Keystone, config::Service::Glance})
    if (const std::string prefix = std::string(config::to_string(one)) + ":";
        word.starts_with(prefix)) {
      service = one;
      path = word.substr(prefix.size());
    }
  if (!service) service = config::service_of_file(path);
  if (!service)
    return cloudos::fail(cloudos::ErrorCode::InvalidArgument,
                         fmt::format("{}: which service's file is it? Put nova:, neutron:, "
                                     "keystone: or glance: in front of its name.",
                                     word));
  file.service = *service;
  file.name = path.substr(path.rfind('/') + 1);
  CLOUDOS_TRY(file.text, config::read_file(path));
  return file;
}

/// What stands behind the indentation, and the dash of a reason, in the language of the reader.
std::string tr_line(std::string_view line) {
  auto begin = std::min(line.find_first_not_of(' '), line.size());
  if (line.substr(begin, 2) == "- ") begin += 2;
  return std::string(line.substr(0, begin)) + tr(line.substr(begin));
}

// The frame of the report, which config makes:
// l10n: "Mapped:"
// l10n: "Nothing to do, it is so anyway:"
// l10n: "To be decided by you:"
// l10n: "Without a counterpart:"
// l10n: "Unknown, not looked at:"
// l10n: "Not read:"
// l10n: "{} options: {} mapped, {} so anyway, {} to be decided, {} without a counterpart, {} unknown"

int import_others(const AdminGiven& given) {
  std::vector<config::ImportFile> files;
  for (const std::string& word : given.at("FILE")) {
    auto file = read_source(word);
    if (!file) return misused(file.error().message);
    files.push_back(std::move(*file));
  }
  const config::Import result = config::import_files(files);
  const std::string output = admin_value(given, "--output");
  if (output.empty()) {
    if (const int printed = write_out(result.file); printed != kGood) return printed;
  } else if (const auto written = write_new_file(output, result.file); !written) {
    // Not over a file that is there: it may be the one that a running cloud was started with.
    return misused(written.error().message);
  }
  std::string trimmed = config::report_text(result);
  while (trimmed.ends_with('\n')) trimmed.pop_back();
  for (const std::string_view line : cloudos::split(trimmed, '\n'))
    fmt::print(stderr, "{}\n", tr_line(line));
  return kGood;
}

constexpr std::string_view kFileHelp = "the configuration file [/etc/cloudos/cloudos.conf]";
constexpr AdminOption kCheckOptions[] = {
    {.flag = "FILE", .value = "FILE", .help = kFileHelp},
    {.flag = "--config", .value = "FILE", .help = kFileHelp},
};
constexpr AdminOption kShowOptions[] = {
    {.flag = "FILE", .value = "FILE", .help = kFileHelp},
    {.flag = "--config", .value = "FILE", .help = kFileHelp},
    {.flag = "--effective",
     .value = "",
     .help = "every value, with defaults and the environment, and where each is from"},
};
constexpr AdminOption kImportOptions[] = {
    {.flag = "FILE",
     .value = "FILE",
     .help = "nova.conf, neutron.conf, keystone.conf, glance-api.conf and the like; SERVICE:FILE "
             "for another name",
     .required = true,
     .repeated = true},
    {.flag = "--output", .value = "FILE", .help = "writes the new file there [stdout]"},
};
constexpr AdminCommand kCommands[] = {
    {"config check", "Says everything that is wrong with a configuration file.", kCheckOptions,
     check},
    {"config show", "Shows what a configuration file sets.", kShowOptions, show},
    {"config sample", "Writes a commented configuration file with every key.", {}, sample},
    {"config import",
     "Makes a configuration file of those of OpenStack services; a report goes to stderr.",
     kImportOptions, import_others},
};

}  // namespace

std::span<const AdminCommand> config_commands() {
  return kCommands;
}

}  // namespace cli
