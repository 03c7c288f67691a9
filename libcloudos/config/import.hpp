#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Reads the configuration of the services that people come from: what of it cloudosd has, what it
/// does not have and why.
namespace cloudos::config {

enum class Service : std::uint8_t { Nova, Neutron, Keystone, Glance };
std::string_view to_string(Service service);
/// By the usual names of their files: "nova.conf", "ml2_conf.ini"; nothing when it is another.
std::optional<Service> service_of_file(std::string_view file_name);

struct ImportFile {
  Service service = Service::Nova;
  std::string name;  ///< For the report.
  std::string text;
};

/// What became of one option.
struct Imported {
  enum class Fate : std::uint8_t {
    Mapped,         ///< `became` is what the new file says.
    Same,           ///< It asks for what is so anyway; `why` says what is so.
    NoCounterpart,  ///< `why` says why there is none and what to do instead.
    NotUsable,      ///< It has a counterpart, but not for this value; `why` says what to do.
    Unknown,        ///< No option that we know of this service.
  };
  Fate fate = Fate::Unknown;
  std::string place;   ///< "nova.conf:12"
  std::string option;  ///< "[DEFAULT] transport_url"; never with its value, which may be a secret.
  std::string became;  ///< "[log] level = debug"
  std::string why;
};

struct Import {
  std::string file;                ///< A configuration file that read_text() takes.
  std::vector<Imported> options;   ///< In the order of the files.
  std::vector<std::string> notes;  ///< Lines that could not be read.
};
/// Pure; reads any text. An option given twice counts as the services do it: the last one.
Import import_files(std::span<const ImportFile> files);
/// For people: mapped, the same anyway, not usable, without a counterpart (by reason), unknown.
std::string report_text(const Import& result);

/// One row of what is known about other services' options.
struct ImportRule {
  Service service;
  std::string_view section;   ///< "*": any.
  std::string_view name;      ///< "*": any.
  std::string_view target{};  ///< "log.level"; empty: no counterpart, or the same anyway.
  /// The value for the target: nothing when this one cannot be taken. Null: as it is.
  std::optional<std::string> (*convert)(const std::string& value) = nullptr;
  std::string_view why{};  ///< Why there is no counterpart, or what to do with other values.
  bool same = false;       ///< Nothing to do: it is so anyway.
};
/// The first row that fits counts.
std::span<const ImportRule> import_rules();

}  // namespace cloudos::config
