#include "login.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/text.hpp"
#include "clouds_yaml.hpp"

namespace cli {
namespace {

namespace fs = std::filesystem;
using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;

/// A setting under its name in clouds.yaml and in the environment.
struct Setting {
  const char* key;
  const char* variable;
  std::string Credentials::*member;
};
constexpr Setting kSettings[] = {
    {"auth.auth_url", "OS_AUTH_URL", &Credentials::auth_url},
    {"auth.username", "OS_USERNAME", &Credentials::username},
    {"auth.user_id", "OS_USER_ID", &Credentials::user_id},
    {"auth.password", "OS_PASSWORD", &Credentials::password},
    {"auth.passcode", "OS_PASSCODE", &Credentials::passcode},
    {"auth.token", "OS_TOKEN", &Credentials::token},
    {"auth.application_credential_id", "OS_APPLICATION_CREDENTIAL_ID",
     &Credentials::application_credential_id},
    {"auth.application_credential_name", "OS_APPLICATION_CREDENTIAL_NAME",
     &Credentials::application_credential_name},
    {"auth.application_credential_secret", "OS_APPLICATION_CREDENTIAL_SECRET",
     &Credentials::application_credential_secret},
    {"auth.domain_name", "OS_DOMAIN_NAME", &Credentials::domain_name},
    {"auth.domain_id", "OS_DOMAIN_ID", &Credentials::domain_id},
    {"auth.system_scope", "OS_SYSTEM_SCOPE", &Credentials::system_scope},
    {"auth.user_domain_name", "OS_USER_DOMAIN_NAME", &Credentials::user_domain_name},
    {"auth.user_domain_id", "OS_USER_DOMAIN_ID", &Credentials::user_domain_id},
    {"auth.project_name", "OS_PROJECT_NAME", &Credentials::project_name},
    {"auth.project_id", "OS_PROJECT_ID", &Credentials::project_id},
    {"auth.project_domain_name", "OS_PROJECT_DOMAIN_NAME", &Credentials::project_domain_name},
    {"auth.project_domain_id", "OS_PROJECT_DOMAIN_ID", &Credentials::project_domain_id},
    {"region_name", "OS_REGION_NAME", &Credentials::region},
    {"interface", "OS_INTERFACE", &Credentials::interface},
    {"cacert", "OS_CACERT", &Credentials::ca_file},
};

/// "http://[::1]:5000" and its like, or why it is none.
Result<void> check_url(const Credentials& found) {
  std::string_view rest = found.auth_url;
  for (const std::string_view scheme : {"http://", "https://"})
    if (rest.starts_with(scheme)) rest.remove_prefix(scheme.size());
  if (rest.size() == found.auth_url.size())
    return fail(ErrorCode::InvalidArgument, fmt::format("auth_url of {} is an http:// or https:// "
                                                        "URL, unlike '{}'.",
                                                        found.source, found.auth_url));
  const std::string_view host = rest.substr(0, rest.find('/'));
  if (std::count(host.begin(), host.end(), ':') > 1 && !host.starts_with('['))
    return fail(ErrorCode::InvalidArgument,
                fmt::format("auth_url of {} has an IPv6 address without brackets: write "
                            "http://[::1]:5000.",
                            found.source));
  return Result<void>();
}

std::vector<fs::path> config_files(const Environment& environment) {
  if (const auto file = environment("OS_CLIENT_CONFIG_FILE")) return {*file};
  std::vector<fs::path> files = {"clouds.yaml"};
  const auto home = environment("HOME");
  if (const auto config = environment("XDG_CONFIG_HOME"))
    files.push_back(fs::path(*config) / "openstack/clouds.yaml");
  else if (home)
    files.push_back(fs::path(*home) / ".config/openstack/clouds.yaml");
  files.push_back("/etc/openstack/clouds.yaml");
  return files;
}

struct Found {
  fs::path path;
  Clouds clouds;
};

/// The first file that is there; none is no error.
Result<std::optional<Found>> read_clouds(const Environment& environment) {
  for (const fs::path& path : config_files(environment)) {
    std::error_code ec;
    if (!fs::exists(path, ec)) continue;
    std::ifstream in(path, std::ios::binary);
    std::stringstream text;
    if (!in || !(text << in.rdbuf()))
      return fail(ErrorCode::InvalidArgument, fmt::format("Cannot read {}.", path.string()));
    auto clouds = parse_clouds(text.str());
    if (!clouds)
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("{} is malformed: {}.", path.string(), clouds.error().message));
    return std::optional<Found>(Found{path, std::move(*clouds)});
  }
  return std::optional<Found>();
}

std::string names_of(const Clouds& clouds) {
  std::string out;
  for (const auto& [name, settings] : clouds) out += (out.empty() ? "" : ", ") + name;
  return out.empty() ? "none" : out;
}

Result<Credentials> from_file(const Found& found, const std::string& cloud) {
  const auto it = found.clouds.find(cloud);
  if (it == found.clouds.end())
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} has no cloud '{}'; it has: {}. Choose one with --os-cloud.",
                            found.path.string(), cloud, names_of(found.clouds)));
  Credentials out;
  for (const Setting& setting : kSettings)
    if (const auto value = it->second.find(setting.key); value != it->second.end())
      out.*setting.member = value->second;
  if (const auto value = it->second.find("verify"); value != it->second.end())
    out.verify = !cloudos::equals_ignore_case(value->second, "false");
  out.source = fmt::format("cloud '{}' of {}", cloud, found.path.string());
  return out;
}

Result<Credentials> check(Credentials found) {
  if (found.auth_url.empty())
    return fail(ErrorCode::InvalidArgument, fmt::format("{} has no auth_url.", found.source));
  CLOUDOS_CHECK(check_url(found));
  const bool named = !found.application_credential_name.empty();
  if (found.by_application_credential() && found.application_credential_id.empty() && !named)
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} has the secret of an application credential and not its id: set "
                            "OS_APPLICATION_CREDENTIAL_ID, or application_credential_id under auth.",
                            found.source));
  const bool without_user = found.by_application_credential()
                                ? !found.application_credential_id.empty()
                                : !found.token.empty();
  if (found.username.empty() && found.user_id.empty() && !without_user)
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("{} has no username: set OS_USERNAME, or username under auth.", found.source));
  while (found.auth_url.back() == '/') found.auth_url.pop_back();
  if (found.user_domain_name.empty() && found.user_domain_id.empty())
    found.user_domain_id = "default";
  if (found.project_domain_name.empty() && found.project_domain_id.empty())
    found.project_domain_id = "default";
  return found;
}

}  // namespace

Result<Credentials> find_credentials(const std::string& wanted_cloud,
                                     const Environment& environment) {
  const std::string cloud =
      wanted_cloud.empty() ? environment("OS_CLOUD").value_or("") : wanted_cloud;
  if (cloud.empty() && environment("OS_AUTH_URL")) {
    Credentials out;
    for (const Setting& setting : kSettings)
      if (const auto value = environment(setting.variable)) out.*setting.member = *value;
    out.verify = environment("OS_INSECURE").value_or("").empty();
    out.source = "the environment (OS_*)";
    return check(std::move(out));
  }
  if (const auto file = environment("OS_CLIENT_CONFIG_FILE"))
    if (std::error_code ec; !fs::exists(*file, ec))
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("{} is not there: OS_CLIENT_CONFIG_FILE names it.", *file));
  CLOUDOS_TRY(const auto found, read_clouds(environment));
  if (!found && cloud.empty())
    return fail(ErrorCode::InvalidArgument,
                "No cloud is chosen: name one of a clouds.yaml with --os-cloud or OS_CLOUD, or set "
                "OS_AUTH_URL, OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME. cloudosd writes a "
                "clouds.yaml into its data folder: point OS_CLIENT_CONFIG_FILE at it.");
  if (!found)
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("There is no clouds.yaml to look '{}' up in: point OS_CLIENT_CONFIG_FILE "
                    "at the one in cloudosd's data folder.",
                    cloud));
  if (cloud.empty() && found->clouds.size() != 1)
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} has several clouds: {}. Choose one with --os-cloud.",
                            found->path.string(), names_of(found->clouds)));
  CLOUDOS_TRY(Credentials out,
              from_file(*found, cloud.empty() ? found->clouds.begin()->first : cloud));
  if (const auto region = environment("OS_REGION_NAME")) out.region = *region;
  if (const auto password = environment("OS_PASSWORD"); password && out.password.empty())
    out.password = *password;
  return check(std::move(out));
}

}  // namespace cli
