#include "cloudosd/options.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>

#include "base/text.hpp"
#include "cloudos/policy.hpp"
#include "cloudosd/tls.hpp"

namespace cloudosd {
namespace {

namespace config = cloudos::config;

/// Flags that set no key, or several.
struct Switch {
  std::string_view flag;
  Action action;
  std::string_view help;
};
constexpr Switch kSwitches[] = {
    {"--check-config", Action::CheckConfig,
     "says everything that is wrong with the configuration, and ends"},
    {"--show-config", Action::ShowConfig, "shows every value and where it is from, and ends"},
    {"--sample-config", Action::SampleConfig, "writes a commented file with every key, and ends"},
    {"--version", Action::Version, ""},
    {"--help", Action::Help, ""},
};

std::optional<Action> find_switch(std::string_view flag) {
  if (flag == "-h") return Action::Help;
  for (const Switch& one : kSwitches)
    if (one.flag == flag) return one.action;
  return std::nullopt;
}

std::string unknown_flag(std::string_view flag) {
  std::vector<std::string_view> flags{"--config", "--simulated"};
  for (const config::Key& key : config::keys())
    if (!key.flag.empty()) flags.push_back(key.flag);
  for (const Switch& one : kSwitches) flags.push_back(one.flag);
  const std::string_view near = config::nearest(flag, flags);
  return fmt::format("'{}' is not an option of cloudosd.{}", flag,
                     near.empty() ? "" : fmt::format(" Did you mean {}?", near));
}

void take_simulated(Invocation& invocation) {
  for (const std::string_view section : {"hypervisor", "network"}) {
    const config::Key& key = *config::find_key(section, "backend");
    invocation.flags.entries.push_back({&key, "simulated", "--simulated"});
  }
}

std::vector<std::string> host_names(const config::Settings& settings) {
  auto names = settings.list("hypervisor", "host_names");
  if (settings.given("hypervisor", "simulated_hosts"))
    for (std::uint64_t i = 1; i <= settings.number("hypervisor", "simulated_hosts"); ++i)
      names.push_back(fmt::format("host-{:04}", i));
  return names;
}

cloudos::MetricsAccess metrics_access(std::string_view text) {
  if (text == "admin") return cloudos::MetricsAccess::Admin;
  return text == "everyone" ? cloudos::MetricsAccess::Everyone : cloudos::MetricsAccess::Loopback;
}

ServerOptions server_options(const config::Settings& settings) {
  ServerOptions server;
  server.tls = tls_files(settings);
  server.io_threads = static_cast<unsigned>(settings.number("server", "io_threads"));
  server.connections = settings.number("server", "connections");
  server.listen.clear();
  for (const std::string& item : settings.list("server", "listen"))
    if (const auto endpoint = config::parse_endpoint(item))
      server.listen.push_back({endpoint->address, endpoint->port,
                               endpoint->tls.value_or(!server.tls.certificate.empty()), -1});
  return server;
}

cloudos::Backend network_backend(std::string_view name) {
  if (name == "simulated") return cloudos::Backend::Simulated;
  return name == "user" ? cloudos::Backend::User : cloudos::Backend::Real;
}

}  // namespace

TlsFiles tls_files(const config::Settings& settings) {
  return {settings.text("tls", "certificate"), settings.text("tls", "key"),
          settings.text("tls", "chain")};
}

cloudos::LogLevels log_levels(const config::Settings& settings) {
  const auto levels = cloudos::parse_log_levels(settings.text("log", "level"));
  return levels ? *levels : cloudos::LogLevels{};
}

LogFormat log_format(const config::Settings& settings) {
  return parse_log_format(settings.text("log", "format")).value_or(LogFormat::Text);
}

std::variant<Invocation, UsageError> parse_arguments(std::span<const std::string> arguments) {
  Invocation invocation;
  invocation.flags.origin = config::Origin::Flag;
  std::vector<std::string> wrong;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string name = arguments[i];
    std::optional<std::string> value;
    if (const auto action = find_switch(name)) {
      // Help is given whatever else is asked for, and whatever is wrong.
      if (*action == Action::Help || *action == Action::Version) return Invocation{*action, {}, {}};
      invocation.action = *action;
      continue;
    }
    if (name == "--simulated") {
      take_simulated(invocation);
      continue;
    }
    if (const auto mark = name.find('='); mark != name.npos && name.starts_with("--")) {
      value = name.substr(mark + 1);
      name.resize(mark);
    }
    const config::Key* key = config::find_flag(name);
    if (!key && name != "--config") {
      wrong.push_back(unknown_flag(name));
      continue;
    }
    if (!value && i + 1 < arguments.size()) value = arguments[++i];
    if (key)
      config::add_flag(invocation.flags, *key, value.value_or(""));
    else if (value && !value->empty())
      invocation.config_file = *value;
    else
      wrong.emplace_back("--config needs a file.");
  }
  for (const config::Problem& problem : invocation.flags.problems)
    wrong.push_back(config::to_string(problem));
  if (!wrong.empty()) return UsageError{fmt::format("{}", fmt::join(wrong, " "))};
  return invocation;
}

std::vector<std::string> own_environment() {
  std::vector<std::string> all;
  for (char** entry = environ; entry && *entry; ++entry) all.emplace_back(*entry);
  return all;
}

config::Merged load_settings(const Invocation& invocation,
                             std::span<const std::string> environment) {
  std::vector<config::Layer> layers;
  const std::string path = invocation.config_file.value_or(std::string(config::kDefaultFile));
  auto text = config::read_file(path);
  if (text) {
    layers.push_back(config::read_text(*text, path));
  } else if (invocation.config_file || text.error().code != cloudos::ErrorCode::NotFound) {
    config::Layer unreadable;
    unreadable.problems.push_back({"", text.error().message});
    layers.push_back(std::move(unreadable));
  }
  layers.push_back(config::read_environment(environment));
  layers.push_back(invocation.flags);
  return config::merge(layers);
}

Command make_command(const config::Settings& settings) {
  Command command;
  cloudos::Options& cloud = command.cloud;
  cloud.data_dir = settings.text("cloud", "data_dir");
  cloud.workers = static_cast<unsigned>(settings.number("cloud", "workers"));
  if (settings.given("cloud", "store_limit"))
    cloud.store_limit_bytes = settings.number("cloud", "store_limit");
  cloud.admin_password = settings.text("cloud", "admin_password");
  if (const std::string& file = settings.text("cloud", "admin_password_file"); !file.empty())
    command.admin_password_file = file;
  if (const std::string& url = settings.text("cloud", "public_url"); !url.empty())
    command.public_url = url;

  const bool simulated = settings.text("hypervisor", "backend") == "simulated";
  cloud.hypervisor = simulated ? cloudos::Backend::Simulated : cloudos::Backend::Real;
  cloud.libvirt_uri = settings.text("hypervisor", "libvirt_uri");
  cloud.virt_type = settings.text("hypervisor", "virt_type");
  cloud.host_names = host_names(settings);
  cloud.resume_guests = settings.yes("compute", "resume_guests_state_on_host_boot");
  cloud.network = network_backend(settings.text("network", "backend"));
  cloud.bridge_mappings = settings.mapping("network", "bridge_mappings");
  cloud.token_lifetime = std::chrono::seconds(settings.number("identity", "token_lifetime"));
  cloud.policy_file = settings.text("identity", "policy_file");
  cloud.token_key_age = std::chrono::seconds(settings.number("identity", "token_key_age"));
  cloud.password_cost = static_cast<unsigned>(settings.number("identity", "password_cost"));
  const cloudos::LogLevels levels = log_levels(settings);
  cloud.log_level = levels.all;
  cloud.room_log_levels = levels.rooms;
  cloud.services.images = settings.yes("services", "images");
  cloud.services.networks = settings.yes("services", "networks");
  cloud.services.compute = settings.yes("services", "compute");
  cloud.metrics_access = metrics_access(settings.text("server", "metrics_access"));
  command.log_file = settings.text("log", "file");
  command.log_format = log_format(settings);

  command.server = server_options(settings);
  return command;
}

std::vector<config::Problem> check_machine(const config::Settings& settings) {
  std::vector<config::Problem> problems;
  const auto problem = [&](std::string_view section, std::string_view name, std::string message) {
    problems.push_back({settings.of(section, name).place, std::move(message)});
  };
  const std::filesystem::path folder = settings.text("cloud", "data_dir");
  std::error_code error;
  if (std::filesystem::exists(folder, error) && !std::filesystem::is_directory(folder, error))
    problem("cloud", "data_dir", fmt::format("{} is not a folder.", folder.string()));
  if (const std::string& file = settings.text("identity", "policy_file"); !file.empty()) {
    const auto text = config::read_file(file);
    const auto policy = text ? cloudos::Policy::parse(*text)
                             : cloudos::Result<cloudos::Policy>(cloudos::fail(text.error()));
    if (!policy) problem("identity", "policy_file", policy.error().message);
  }
  const TlsFiles tls = tls_files(settings);
  if (!tls.certificate.empty())
    if (const auto loaded = TlsContext::load(tls); !loaded)
      problem("tls", "certificate", loaded.error().message);
  const std::string& password = settings.text("cloud", "admin_password_file");
  if (!password.empty() && !std::filesystem::exists(folder / "clouds.yaml", error))
    if (const auto read = read_password_file(password); !read)
      problem("cloud", "admin_password_file", read.error().message);
  return problems;
}

std::string help_text() {
  std::string text =
      "cloudosd: a cloud with OpenStack's APIs, in one process and one folder.\n\n"
      "usage: cloudosd --data-dir DIR [option...]\n"
      "       cloudosd --config FILE [option...]\n\n";
  text += config::flags_help();
  text += fmt::format("  {:<27} no guests and no devices: hypervisor and networks in memory\n",
                      "--simulated");
  text += fmt::format("  {:<27} the configuration file [{}, when it is there]\n", "--config FILE",
                      config::kDefaultFile);
  for (const Switch& one : kSwitches) {
    const std::string row = fmt::format("  {:<27} {}", one.flag, one.help);
    text += row.substr(0, row.find_last_not_of(' ') + 1) + "\n";
  }
  return text + R"(
Flags weigh more than variables CLOUDOS_<SECTION>_<KEY>, those more than the file.

One line on stdout says when it is ready. The admin's clouds.yaml and openrc are in DIR.
SIGHUP reads the configuration again and applies what can be applied; what cannot is logged.
SIGTERM or Ctrl-C stops it; guests keep running and are found again at the next start.
)";
}

std::string default_public_url(const std::string& address, std::uint16_t port, bool tls) {
  const std::string_view scheme = tls ? "https" : "http";
  if (address == "0.0.0.0") return fmt::format("{}://127.0.0.1:{}", scheme, port);
  if (address == "::") return fmt::format("{}://[::1]:{}", scheme, port);
  if (address.find(':') != address.npos) return fmt::format("{}://[{}]:{}", scheme, address, port);
  return fmt::format("{}://{}:{}", scheme, address, port);
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
