#include "cloudosd/options.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "base/text.hpp"
#include "cloudos/limits_registry.hpp"
#include "cloudos/policy.hpp"
#include "cloudosd/tls.hpp"
#include "config/ranges.hpp"
#include "image/url_guard.hpp"

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
  if (settings.given("hypervisor", "simulated_hosts") &&
      settings.text("hypervisor", "backend") == "simulated")
    for (std::uint64_t i = 1; i <= settings.number("hypervisor", "simulated_hosts"); ++i)
      names.push_back(fmt::format("host-{:04}", i));
  return names;
}

cloudos::MetricsAccess metrics_access(std::string_view text) {
  if (text == "admin") return cloudos::MetricsAccess::Admin;
  return text == "everyone" ? cloudos::MetricsAccess::Everyone : cloudos::MetricsAccess::Loopback;
}

cloudos::NetworkOptions network_options(const config::Settings& settings) {
  cloudos::NetworkOptions networks;
  networks.tenant_types = settings.list("network", "tenant_network_types");
  const auto flat = settings.list("network", "flat_networks");
  if (flat != std::vector<std::string>{"*"}) networks.flat_networks = flat;
  // Checked with the other settings: what is wrong did not come here.
  if (settings.given("network", "network_vlan_ranges"))
    networks.vlan_ranges =
        config::parse_vlan_ranges(settings.list("network", "network_vlan_ranges"));
  networks.vni_ranges = config::parse_vni_ranges(settings.list("network", "vni_ranges"));
  networks.mtu = static_cast<std::uint32_t>(settings.number("network", "mtu"));
  networks.dns_domain = settings.text("network", "dns_domain");
  networks.host = settings.text("network", "host");
  networks.tunnel_address = settings.text("network", "tunnel_address");
  for (const auto& [host, name] : settings.mapping("network", "host_namespaces"))
    networks.other_hosts[host].network_namespace = name;
  for (const auto& [host, address] : settings.mapping("network", "host_tunnels"))
    networks.other_hosts[host].tunnel_address = address;
  return networks;
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

cloudos::ImageRules image_rules(const config::Settings& settings) {
  const auto count = [&](std::string_view name) {
    return static_cast<std::size_t>(settings.number("image", name));
  };
  cloudos::ImageRules rules;
  rules.most_properties = count("property_quota");
  rules.most_property_chars = count("property_chars");
  rules.most_tags = count("tag_quota");
  rules.most_members = count("member_quota");
  rules.most_locations = count("location_quota");
  rules.require_format_match = settings.yes("image", "require_format_match");
  rules.property_protection_file = settings.text("image", "property_protection_file");
  if (settings.text("image", "property_protection_rule_format") == "policies")
    rules.property_rule_format = cloudos::PropertyRuleFormat::Policies;
  return rules;
}

/// The protections of properties, and that the policy has the rules they name.
cloudos::Result<void> check_property_protections(const config::Settings& settings) {
  const cloudos::ImageRules rules = image_rules(settings);
  CLOUDOS_TRY(const std::string text,
              config::read_file(rules.property_protection_file.string()));
  CLOUDOS_TRY(const auto protections,
              cloudos::PropertyProtections::parse(text, rules.property_rule_format));
  cloudos::Policy policy;
  if (const std::string& file = settings.text("identity", "policy_file"); !file.empty()) {
    CLOUDOS_TRY(const std::string words, config::read_file(file));
    CLOUDOS_TRY(policy, cloudos::Policy::parse(words));
  }
  for (const std::string& name : protections.policies()) CLOUDOS_CHECK(policy.rule(name));
  return cloudos::Result<void>();
}

cloudos::ImageImportOptions image_imports(const config::Settings& settings) {
  cloudos::ImageImportOptions options;
  options.glance_direct = options.web_download = options.copy_image = false;
  for (const std::string& name : settings.list("image", "import_methods")) {
    options.glance_direct = options.glance_direct || name == "glance-direct";
    options.web_download = options.web_download || name == "web-download";
    options.copy_image = options.copy_image || name == "copy-image";
    options.glance_download = options.glance_download || name == "glance-download";
  }
  options.download_properties = settings.list("image", "download_properties");
  options.web.schemes = settings.list("image", "web_schemes");
  options.web.ports.clear();
  // None: any. What is no number was refused before.
  for (const std::string& port : settings.list("image", "web_ports"))
    if (const auto number = cloudos::parse_unsigned(port))
      options.web.ports.push_back(static_cast<std::uint16_t>(*number));
  options.web.allowed_hosts = settings.list("image", "web_allowed_hosts");
  options.web.denied_hosts = settings.list("image", "web_denied_hosts");
  options.web.allowed_networks = settings.list("image", "web_allowed_networks");
  options.web.denied_networks = settings.list("image", "web_denied_networks");
  options.ca_file = settings.text("image", "web_ca_file");
  options.download_time = std::chrono::seconds(settings.number("image", "web_time"));
  options.conversion_format =
      cloudos::disk_format_from(settings.text("image", "conversion_format"))
          .value_or(cloudos::DiskFormat::Unset);
  options.conversion_memory_bytes = settings.number("image", "conversion_memory");
  options.conversion_time = std::chrono::seconds(settings.number("image", "conversion_time"));
  options.decompress = settings.yes("image", "decompress");
  options.inject_properties = settings.mapping("image", "inject_properties");
  options.inject_not_for = settings.list("image", "inject_not_for");
  options.trusted_certificates = settings.list("image", "trusted_certificates");
  options.verify_at_boot = settings.yes("image", "verify_at_boot");
  return options;
}

cloudos::ImageStoreOptions image_stores(const config::Settings& settings) {
  constexpr std::uint64_t kGib = std::uint64_t{1} << 30;
  cloudos::ImageStoreOptions options;
  for (const auto& [store, folder] : settings.mapping("image", "stores"))
    options.folders[store].folder = folder;
  for (const auto& [store, number] : settings.mapping("image", "store_weights")) {
    const auto weight = static_cast<std::uint32_t>(cloudos::parse_unsigned(number).value_or(0));
    (store == "file" ? options.weight : options.folders[store].weight) = weight;
  }
  for (const auto& [store, number] : settings.mapping("image", "store_capacity")) {
    const std::uint64_t bytes = cloudos::parse_unsigned(number).value_or(0) * kGib;
    (store == "file" ? options.capacity_bytes : options.folders[store].capacity_bytes) = bytes;
  }
  options.default_store = settings.text("image", "default_store");
  options.http = settings.yes("image", "http_store");
  options.http_bytes = settings.number("image", "http_size_limit");
  options.strategy = cloudos::location_strategy_from(settings.text("image", "location_strategy"))
                         .value_or(cloudos::LocationStrategy::LocationOrder);
  options.store_types = settings.list("image", "store_type_preference");
  options.show_locations = settings.yes("image", "show_multiple_locations");
  options.show_direct_url = settings.yes("image", "show_image_direct_url");
  if (settings.yes("image", "delayed_delete"))
    options.scrub_time = std::chrono::seconds(settings.number("image", "scrub_time"));
  options.cache_bytes = settings.number("image", "cache_size");
  return options;
}

/// Why the log could not be written there; empty when it could. Makes nothing.
std::string unwritable(const std::filesystem::path& file) {
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) return std::strerror(EISDIR);
  if (::access(file.c_str(), F_OK) == 0)
    return ::access(file.c_str(), W_OK) == 0 ? "" : std::strerror(errno);
  const auto folder = std::filesystem::absolute(file, error).parent_path();
  return ::access(folder.c_str(), W_OK | X_OK) == 0 ? "" : std::strerror(errno);
}

/// Hosts and networks that downloads may and may not reach, and whom they trust there.
void check_downloads(const config::Settings& settings, std::vector<config::Problem>& problems) {
  const auto check = [&](std::string_view name, std::vector<std::string> cloudos::UrlRules::*rule) {
    cloudos::UrlRules rules;
    rules.*rule = settings.list("image", name);
    if (const auto guard = cloudos::image::UrlGuard::make(rules); !guard)
      problems.push_back({settings.of("image", name).place, guard.error().message + "."});
  };
  check("web_allowed_hosts", &cloudos::UrlRules::allowed_hosts);
  check("web_denied_hosts", &cloudos::UrlRules::denied_hosts);
  check("web_allowed_networks", &cloudos::UrlRules::allowed_networks);
  check("web_denied_networks", &cloudos::UrlRules::denied_networks);
  if (const std::string& file = settings.text("image", "web_ca_file");
      !file.empty() && ::access(file.c_str(), R_OK) != 0)
    problems.push_back({settings.of("image", "web_ca_file").place,
                        fmt::format("{}: {}.", file, std::strerror(errno))});
}

cloudos::Backend network_backend(std::string_view name) {
  if (name == "simulated") return cloudos::Backend::Simulated;
  return name == "user" ? cloudos::Backend::User : cloudos::Backend::Real;
}

}  // namespace

TlsFiles tls_files(const config::Settings& settings) {
  return {settings.text("tls", "certificate"), settings.text("tls", "key"),
          settings.text("tls", "chain"), settings.text("tls", "min_version") == "1.3"};
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

cloudos::PasswordHashing password_hashing(const config::Settings& settings) {
  using Algorithm = cloudos::PasswordHashing::Algorithm;
  const std::string& name = settings.text("identity", "password_algorithm");
  cloudos::PasswordHashing with;
  with.algorithm = name == "scrypt"     ? Algorithm::Scrypt
                   : name == "argon2id" ? Algorithm::Argon2id
                                        : Algorithm::Bcrypt;
  const auto number = [&](std::string_view key) {
    return static_cast<std::uint32_t>(settings.number("identity", key));
  };
  with.bcrypt_cost = number("password_cost");
  with.scrypt_cost = number("scrypt_cost");
  with.argon2_memory_kib =
      static_cast<std::uint32_t>(settings.number("identity", "argon2_memory") / 1'024);
  with.argon2_passes = number("argon2_passes");
  return with;
}

cloudos::AccountRules account_rules(const config::Settings& settings) {
  const auto number = [&](std::string_view key) {
    return static_cast<unsigned>(settings.number("security_compliance", key));
  };
  cloudos::AccountRules rules;
  rules.lockout_attempts = number("lockout_failure_attempts");
  rules.lockout_duration = std::chrono::seconds(number("lockout_duration"));
  rules.inactive_days = number("disable_user_account_days_inactive");
  rules.password_days = number("password_expires_days");
  rules.password_age_days = number("minimum_password_age");
  rules.unique_passwords = number("unique_last_password_count");
  rules.password_regex = settings.text("security_compliance", "password_regex");
  rules.password_regex_description =
      settings.text("security_compliance", "password_regex_description");
  rules.change_upon_first_use =
      settings.yes("security_compliance", "change_password_upon_first_use");
  rules.totp_previous_windows =
      static_cast<unsigned>(settings.number("identity", "totp_previous_windows"));
  rules.signature_life = std::chrono::seconds(settings.number("identity", "signature_lifetime"));
  return rules;
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
  cloud.other_hosts = settings.mapping("hypervisor", "other_hosts");
  cloud.resume_guests = settings.yes("compute", "resume_guests_state_on_host_boot");
  cloud.network = network_backend(settings.text("network", "backend"));
  cloud.bridge_mappings = settings.mapping("network", "bridge_mappings");
  cloud.networks = network_options(settings);
  cloud.image_import = image_imports(settings);
  cloud.image_stores = image_stores(settings);
  cloud.image_rules = image_rules(settings);
  cloud.token_lifetime = std::chrono::seconds(settings.number("identity", "token_lifetime"));
  cloud.policy_file = settings.text("identity", "policy_file");
  cloud.locale_dir = settings.text("cloud", "locale_dir");
  cloud.token_key_age = std::chrono::seconds(settings.number("identity", "token_key_age"));
  cloud.list_limit = settings.number("identity", "list_limit");
  cloud.show_all_endpoints = settings.yes("identity", "return_all_endpoints_if_no_filter");
  cloud.limit_model = settings.text("identity", "limit_model") == "flat"
                          ? cloudos::LimitModel::Flat
                          : cloudos::LimitModel::StrictTwoLevel;
  cloud.password_cost = static_cast<unsigned>(settings.number("identity", "password_cost"));
  cloud.audit.on = settings.yes("audit", "enabled");
  cloud.audit.changes = settings.number("audit", "changes");
  cloud.audit.logins = settings.number("audit", "logins");
  cloud.audit.failures = settings.number("audit", "failures");
  cloud.audit.age = std::chrono::duration_cast<std::chrono::hours>(
      std::chrono::seconds(settings.number("audit", "age")));
  cloud.password_hashing = password_hashing(settings);
  cloud.account_rules = account_rules(settings);
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
  if (!settings.text("image", "property_protection_file").empty())
    if (const auto good = check_property_protections(settings); !good)
      problem("image", "property_protection_file", good.error().message);
  if (const auto good = cloudos::check_account_rules(account_rules(settings)); !good) {
    const std::string& message = good.error().message;
    const bool pattern = message.starts_with("password_regex");
    problem("security_compliance", pattern ? "password_regex" : "minimum_password_age", message);
  }
  const TlsFiles tls = tls_files(settings);
  if (!tls.certificate.empty())
    if (const auto loaded = TlsContext::load(tls); !loaded)
      problem("tls", "certificate", loaded.error().message);
  if (settings.yes("services", "images")) check_downloads(settings, problems);
  if (const std::string& names = settings.text("cloud", "locale_dir"); !names.empty())
    if (std::filesystem::directory_iterator(names, error); error)
      problem("cloud", "locale_dir",
              fmt::format("cannot read the folder {}: {}.", names, error.message()));
  if (const std::string& file = settings.text("log", "file"); !file.empty())
    if (const auto wrong = unwritable(file); !wrong.empty())
      problem("log", "file", fmt::format("The log {} cannot be opened: {}.", file, wrong));
  const std::string& password = settings.text("cloud", "admin_password_file");
  if (!password.empty() && !std::filesystem::exists(folder / "clouds.yaml", error))
    if (const auto read = read_password_file(password); !read)
      problem("cloud", "admin_password_file", read.error().message);
  return problems;
}

std::vector<config::Problem> all_problems(const config::Merged& loaded) {
  auto problems = loaded.problems;
  for (config::Problem& found : check_machine(loaded.settings))
    if (std::none_of(loaded.problems.begin(), loaded.problems.end(),
                     [&](const config::Problem& said) {
                       return !said.place.empty() && said.place == found.place;
                     }))
      problems.push_back(std::move(found));
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
