#include "cloudosd/options.hpp"

#include <fmt/format.h>

#include <fstream>

#include "base/text.hpp"

namespace cloudosd {
namespace {

using cloudos::parse_unsigned;

/// Values while they are read: the names of simulated hosts depend on two options.
struct Draft {
  Command command;
  bool simulated = false;
  std::optional<std::uint64_t> hosts;
};

/// One option that takes a value. `take` returns what is wrong with the value, or nothing.
struct ValueOption {
  std::string_view name;
  std::string_view wants;
  bool (*take)(Draft&, const std::string&);
};

bool take_listen(Draft& draft, const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == text.npos) return false;
  std::string address = text.substr(0, colon);
  if (!address.empty() && address.front() == '[') {
    if (address.size() < 3 || address.back() != ']') return false;
    address = address.substr(1, address.size() - 2);
  } else if (address.find(':') != address.npos) {
    return false;  // An IPv6 address needs its brackets, or its end is read as the port.
  }
  const auto port = parse_unsigned(std::string_view(text).substr(colon + 1));
  if (address.empty() || !port || *port > 65'535) return false;
  draft.command.server.address = std::move(address);
  draft.command.server.port = static_cast<std::uint16_t>(*port);
  return true;
}

bool take_public_url(Draft& draft, const std::string& text) {
  std::string_view url = text;
  while (!url.empty() && url.back() == '/') url.remove_suffix(1);
  const bool http = url.substr(0, 7) == "http://" && url.size() > 7;
  const bool https = url.substr(0, 8) == "https://" && url.size() > 8;
  for (const char c : url)
    if (c <= 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '?' || c == '#') return false;
  draft.command.public_url = std::string(url);
  return http || https;
}

bool take_log_level(Draft& draft, const std::string& text) {
  using cloudos::LogLevel;
  for (const LogLevel level : {LogLevel::Debug, LogLevel::Info, LogLevel::Warning, LogLevel::Error})
    if (cloudos::equals_ignore_case(text, cloudos::to_string(level))) {
      draft.command.cloud.log_level = level;
      return true;
    }
  return false;
}

bool take_count(const std::string& text, std::uint64_t least, std::uint64_t most,
                std::uint64_t& out) {
  const auto number = parse_unsigned(text);
  if (!number || *number < least || *number > most) return false;
  out = *number;
  return true;
}

constexpr ValueOption kOptions[] = {
    {"--data-dir", "a folder",
     [](Draft& d, const std::string& text) {
       d.command.cloud.data_dir = text;
       return !text.empty();
     }},
    {"--listen", "ADDR:PORT, such as 127.0.0.1:5000 or [::1]:5000", take_listen},
    {"--admin-password-file", "a file",
     [](Draft& d, const std::string& text) {
       d.command.admin_password_file = text;
       return !text.empty();
     }},
    {"--public-url", "an http:// or https:// URL", take_public_url},
    {"--hosts", "a number from 1 to 10000",
     [](Draft& d, const std::string& text) {
       std::uint64_t count = 0;
       const bool good = take_count(text, 1, 10'000, count);
       d.hosts = count;
       return good;
     }},
    {"--workers", "a number from 1 to 256",
     [](Draft& d, const std::string& text) {
       std::uint64_t count = 0;
       const bool good = take_count(text, 1, 256, count);
       d.command.cloud.workers = static_cast<unsigned>(count);
       return good;
     }},
    {"--io-threads", "a number from 1 to 64",
     [](Draft& d, const std::string& text) {
       std::uint64_t count = 0;
       const bool good = take_count(text, 1, 64, count);
       d.command.server.io_threads = static_cast<unsigned>(count);
       return good;
     }},
    {"--virt-type", "auto, kvm or qemu",
     [](Draft& d, const std::string& text) {
       d.command.cloud.virt_type = text;
       return text == "auto" || text == "kvm" || text == "qemu";
     }},
    {"--libvirt-uri", "a libvirt URI, such as qemu:///system",
     [](Draft& d, const std::string& text) {
       d.command.cloud.libvirt_uri = text;
       return text.find(':') != text.npos;
     }},
    {"--log-level", "debug, info, warning or error", take_log_level},
};

const ValueOption* find_option(std::string_view name) {
  for (const ValueOption& option : kOptions)
    if (option.name == name) return &option;
  return nullptr;
}

std::variant<Command, ShowHelp, ShowVersion, UsageError> finish(Draft draft) {
  if (draft.command.cloud.data_dir.empty())
    return UsageError{"--data-dir DIR is required: the folder that holds everything."};
  if (draft.hosts && !draft.simulated)
    return UsageError{
        "--hosts N is for --simulated: the real hypervisor has the one host it runs on."};
  cloudos::Options& cloud = draft.command.cloud;
  cloud.hypervisor = cloud.network =
      draft.simulated ? cloudos::Backend::Simulated : cloudos::Backend::Real;
  for (std::uint64_t i = 1; i <= draft.hosts.value_or(0); ++i)
    cloud.host_names.push_back(fmt::format("host-{:04}", i));
  return std::move(draft.command);
}

}  // namespace

std::variant<Command, ShowHelp, ShowVersion, UsageError> parse_arguments(
    std::span<const std::string> arguments) {
  Draft draft;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string name = arguments[i];
    std::optional<std::string> value;
    if (name == "--help" || name == "-h") return ShowHelp{};
    if (name == "--version") return ShowVersion{};
    if (name == "--simulated") {
      draft.simulated = true;
      continue;
    }
    if (const auto mark = name.find('='); mark != name.npos && name.substr(0, 2) == "--") {
      value = name.substr(mark + 1);
      name.resize(mark);
    }
    const ValueOption* option = find_option(name);
    if (!option) return UsageError{fmt::format("'{}' is not an option of cloudosd.", name)};
    if (!value && i + 1 < arguments.size()) value = arguments[++i];
    if (!value || !option->take(draft, *value))
      return UsageError{fmt::format("{} needs {}.", name, option->wants)};
  }
  return finish(std::move(draft));
}

std::string_view help_text() {
  return R"(cloudosd: a cloud with OpenStack's APIs, in one process and one folder.

usage: cloudosd --data-dir DIR [option...]

  --data-dir DIR              holds everything; made when it is not there
  --listen ADDR:PORT          where to answer [127.0.0.1:5000]; port 0: any that is free
  --public-url URL            what clients are told to use [http://ADDR:PORT]
  --admin-password-file FILE  first line: the password of the first admin; read on the first
                              start only. Without it a password is made.
  --simulated                 no guests and no devices: hypervisor and networks in memory
  --hosts N                   with --simulated: that many hosts [1]
  --virt-type TYPE            auto, kvm or qemu [auto]
  --libvirt-uri URI           [qemu:///embed: guests of this folder, no daemon]
  --workers N                 threads for tasks [2]
  --io-threads N              threads that carry requests [2]
  --log-level LEVEL           debug, info, warning or error [info]; the log goes to stderr
  --version, --help

One line on stdout says when it is ready. The admin's clouds.yaml and openrc are in DIR.
SIGTERM or Ctrl-C stops it; guests keep running and are found again at the next start.
)";
}

std::string default_public_url(const std::string& address, std::uint16_t port) {
  if (address == "0.0.0.0") return fmt::format("http://127.0.0.1:{}", port);
  if (address == "::") return fmt::format("http://[::1]:{}", port);
  if (address.find(':') != address.npos) return fmt::format("http://[{}]:{}", address, port);
  return fmt::format("http://{}:{}", address, port);
}

cloudos::Result<std::string> read_password_file(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::string line;
  if (!in || (!std::getline(in, line) && !in.eof()))
    return cloudos::fail(cloudos::ErrorCode::Unavailable,
                         fmt::format("Cannot read the admin's password from {}.", path.string()));
  if (!line.empty() && line.back() == '\r') line.pop_back();
  if (line.empty() || line.size() > cloudos::limits::kPasswordBytes)
    return cloudos::fail(cloudos::ErrorCode::InvalidArgument,
                         fmt::format("The first line of {} must be a password of 1 to {} bytes.",
                                     path.string(), cloudos::limits::kPasswordBytes));
  return line;
}

}  // namespace cloudosd
