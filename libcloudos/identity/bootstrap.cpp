#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "identity/impl.hpp"
#include "identity/private_file.hpp"

namespace cloudos {

using identity::DomainRecord;
using identity::EndpointRecord;
using identity::GrantRecord;
using identity::ProjectRecord;
using identity::RegionRecord;
using identity::RoleRecord;
using identity::ServiceRecord;
using identity::UserRecord;

namespace {

constexpr std::string_view kRegionName = "RegionOne";
constexpr std::string_view kInterfaces[] = {"public", "internal", "admin"};

struct OwnService {
  std::string_view type, name, path;
};
// Each where its clients look: Compute and Identity with their version, the others discover it.
constexpr OwnService kOwnServices[] = {
    {"identity", "keystone", "/identity/v3"},
    {"compute", "nova", "/compute/v2.1"},
    {"image", "glance", "/image"},
    {"network", "neutron", "/network"},
};

std::string made_key(std::string_view what) { return fmt::format("/identity-made/{}", what); }

/// Records of the first start, made beforehand so that a body that runs twice writes the same.
struct FirstRecords {
  DomainRecord domain;
  RoleRecord reader, member, admin_role;
  ProjectRecord project;
  UserRecord user;
  RegionRecord region;
  std::uint64_t stamp = 0;
};

Result<void> insert_first(store::Txn& txn, FirstRecords f) {
  CLOUDOS_CHECK(records::insert(txn, f.domain));
  CLOUDOS_CHECK(records::insert(txn, f.reader));
  CLOUDOS_CHECK(records::insert(txn, f.member));
  CLOUDOS_CHECK(records::insert(txn, f.admin_role));
  CLOUDOS_CHECK(records::insert(txn, f.project));
  CLOUDOS_CHECK(records::insert(txn, f.user));
  CLOUDOS_CHECK(records::insert(txn, f.region));
  const Assignment held{f.user.id, {}, f.project.id, {}, f.admin_role.id};
  const Assignment in_domain{f.user.id, {}, {}, f.domain.id, f.admin_role.id};
  const Assignment on_system{f.user.id, {}, {}, {}, f.admin_role.id, true};
  for (const Assignment& a : {held, in_domain, on_system}) {
    GrantRecord grant{identity::grant_id(a), 0, f.stamp, a.user, {}, a.project, a.domain,
                      {a.role}, {}, a.system};
    CLOUDOS_CHECK(records::insert(txn, grant));
  }
  return Result<void>();
}

/// A folder from before there was a system scope: its first admin, who may do everything anyhow,
/// gets the role there too, as first admins do now.
Result<std::optional<GrantRecord>> missing_system_grant(const store::Snapshot& at,
                                                        std::uint64_t stamp) {
  using Grant = std::optional<GrantRecord>;
  CLOUDOS_TRY(const auto user,
              records::find_unique(at, UserRecord::kKind, "name", "default", "admin"));
  CLOUDOS_TRY(const auto role, records::find_unique(at, RoleRecord::kKind, "name", "", "admin"));
  if (!user || !role) return Grant();
  const RoleId admin_role{*role};
  const Assignment in_domain{UserId{*user}, {}, {}, DomainId{"default"}, {}};
  const Assignment on_system{UserId{*user}, {}, {}, {}, admin_role, true};
  const auto held = records::get<GrantRecord>(at, identity::grant_id(in_domain));
  const bool is_first_admin =
      held && std::find(held->roles.begin(), held->roles.end(), admin_role) != held->roles.end();
  if (!is_first_admin) return Grant();
  if (records::get<GrantRecord>(at, identity::grant_id(on_system))) return Grant();
  return Grant(GrantRecord{identity::grant_id(on_system), 0, stamp, on_system.user, {}, {}, {},
                           {admin_role}, {}, true});
}

FirstRecords first_records(IdSource& ids, WallTime now, const std::string& password_hash,
                           std::uint64_t stamp) {
  FirstRecords f;
  f.stamp = stamp;
  f.domain.id = DomainId{"default"};
  f.domain.name = "Default";
  f.domain.description = "The default domain";
  f.reader.id = RoleId{ids.hex()};
  f.reader.name = "reader";
  f.member.id = RoleId{ids.hex()};
  f.member.name = "member";
  f.member.implies = {f.reader.id};
  f.admin_role.id = RoleId{ids.hex()};
  f.admin_role.name = "admin";
  f.admin_role.implies = {f.member.id};
  // What everything rests on is not taken away by mistake.
  f.reader.immutable = f.member.immutable = f.admin_role.immutable = true;
  f.project.id = ProjectId{ids.hex()};
  f.project.name = "admin";
  f.project.description = "The first project";
  f.project.domain = f.domain.id;
  f.user.id = UserId{ids.hex()};
  f.user.name = "admin";
  f.user.domain = f.domain.id;
  f.user.password_hash = password_hash;
  f.user.password_changed_at = now;
  f.region.id = kRegionName;
  f.domain.created_at = f.project.created_at = f.user.created_at = f.region.created_at = now;
  f.reader.created_at = f.member.created_at = f.admin_role.created_at = now;
  return f;
}

std::string shell_quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

/// The password of keys/admin-password: all of the file but its last line's end.
std::string kept_password(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

std::string json_quoted(std::string_view text) {
  std::string quoted;
  append_json_string(quoted, text);
  return quoted;
}

std::string clouds_yaml(const std::string& auth_url, const std::string& password) {
  // A JSON string is a YAML string, whatever is in it.
  return fmt::format(
      "# Made by the cloud. It is written again only when the address of the cloud changes.\n"
      "clouds:\n"
      "  cloudos:\n"
      "    auth:\n"
      "      auth_url: {}\n"
      "      username: admin\n"
      "      password: {}\n"
      "      project_name: admin\n"
      "      user_domain_id: default\n"
      "      project_domain_id: default\n"
      "    region_name: {}\n"
      "    interface: public\n"
      "    identity_api_version: 3\n",
      json_quoted(auth_url), json_quoted(password), kRegionName);
}

std::string openrc(const std::string& auth_url, const std::string& password) {
  return fmt::format(
      "# Made by the cloud. It is written again only when the address of the cloud changes.\n"
      "export OS_AUTH_URL={}\n"
      "export OS_USERNAME=admin\n"
      "export OS_PASSWORD={}\n"
      "export OS_PROJECT_NAME=admin\n"
      "export OS_USER_DOMAIN_ID=default\n"
      "export OS_PROJECT_DOMAIN_ID=default\n"
      "export OS_REGION_NAME={}\n"
      "export OS_INTERFACE=public\n"
      "export OS_IDENTITY_API_VERSION=3\n",
      shell_quoted(auth_url), shell_quoted(password), kRegionName);
}

}  // namespace

Result<void> Identity::Impl::bootstrap() {
  const std::filesystem::path password_file = engine.data_dir / "keys" / "admin-password";
  std::optional<FirstRecords> first;
  std::optional<GrantRecord> system_grant;
  std::vector<const OwnService*> missing;
  bool has_system = false;
  {
    CLOUDOS_TRY(const auto at, snapshot());
    CLOUDOS_TRY(const auto made, at->get(made_key("base")));
    if (!made) first.emplace();
    CLOUDOS_TRY(const auto made_system, at->get(made_key("system")));
    has_system = made_system.has_value();
    if (made && !has_system) {
      CLOUDOS_TRY(system_grant, missing_system_grant(*at, draw()));
    }
    for (const OwnService& service : kOwnServices) {
      if (settings.left_out.count(service.type)) continue;
      CLOUDOS_TRY(const auto known, at->get(made_key(service.type)));
      if (!known) missing.push_back(&service);
    }
  }
  if (!first && missing.empty() && has_system) return Result<void>();
  const WallTime now = engine.clock.wall();
  if (first) {
    std::string password = settings.admin_password;
    if (password.empty() && !engine.data_dir.empty()) {
      // Left by a first start that did not come to its commit.
      CLOUDOS_TRY(const auto kept, identity::read_private_file(password_file));
      if (kept) password = kept_password(*kept);
    }
    if (password.empty()) {
      std::string raw(18, '\0');
      engine.random.fill({reinterpret_cast<std::uint8_t*>(raw.data()), raw.size()});
      password = to_base64(raw, true);
    }
    CLOUDOS_TRY(const std::string hash, passwords.hash(password));
    // Kept because clouds.yaml must be written again when the address changes; before the commit,
    // so that no crash leaves an admin whose password nobody knows.
    if (!engine.data_dir.empty())
      CLOUDOS_CHECK(identity::write_private_file(password_file, password + "\n"));
    first = first_records(engine.ids, now, hash, draw());
  }
  std::vector<ServiceRecord> services;
  std::vector<EndpointRecord> endpoints;
  for (const OwnService* own : missing) {
    ServiceRecord service;
    service.id = ServiceId{engine.ids.hex()};
    service.type = own->type;
    service.name = own->name;
    service.created_at = now;
    for (const std::string_view interface : kInterfaces) {
      EndpointRecord endpoint;
      endpoint.id = EndpointId{engine.ids.hex()};
      endpoint.service = service.id;
      endpoint.interface = interface;
      endpoint.region = kRegionName;
      endpoint.url = fmt::format("$(public_url)s{}", own->path);
      endpoint.created_at = now;
      endpoints.push_back(std::move(endpoint));
    }
    services.push_back(std::move(service));
  }
  return commit([&](store::Txn& txn) -> Result<void> {
    if (first && !txn.get(made_key("base"))) {
      CLOUDOS_CHECK(insert_first(txn, *first));
      txn.put(made_key("base"), "1");
    }
    if (!has_system) {
      if (system_grant && !txn.get(records::record_key(GrantRecord::kKind, system_grant->id)))
        CLOUDOS_CHECK(records::insert(txn, *system_grant));
      txn.put(made_key("system"), "1");
    }
    for (ServiceRecord service : services) {
      if (txn.get(made_key(service.type))) continue;
      CLOUDOS_CHECK(records::insert(txn, service));
      for (EndpointRecord endpoint : endpoints)
        if (endpoint.service == service.id) CLOUDOS_CHECK(records::insert(txn, endpoint));
      txn.put(made_key(service.type), "1");
    }
    return Result<void>();
  });
}

Result<void> Identity::Impl::write_client_files() const {
  if (engine.data_dir.empty()) return Result<void>();
  CLOUDOS_TRY(const auto password,
              identity::read_private_file(engine.data_dir / "keys" / "admin-password"));
  if (!password) {
    engine.log.warn("keys/admin-password is gone: clouds.yaml and openrc stay as they are");
    return Result<void>();
  }
  const std::string auth_url = settings.public_url + "/identity/v3";
  const std::string secret = kept_password(*password);
  struct ClientFile {
    std::string_view name;
    std::string text, mark;  // The mark tells that the file is for this address already.
  };
  const ClientFile files[] = {
      {"clouds.yaml", clouds_yaml(auth_url, secret), "auth_url: " + json_quoted(auth_url) + "\n"},
      {"openrc", openrc(auth_url, secret), "OS_AUTH_URL=" + shell_quoted(auth_url) + "\n"},
  };
  for (const ClientFile& file : files) {
    CLOUDOS_TRY(const auto have, identity::read_private_file(engine.data_dir / file.name));
    if (have && have->find(file.mark) != std::string::npos) continue;
    CLOUDOS_CHECK(identity::write_private_file(engine.data_dir / file.name, file.text));
  }
  return Result<void>();
}

Result<std::unique_ptr<Identity>> make_identity(const Engine& engine, IdentitySettings settings) {
  if (settings.password_cost < 4 || settings.password_cost > 16)
    return fail(ErrorCode::InvalidArgument, "password cost: must be 4 to 16");
  CLOUDOS_CHECK(check_password_hashing(settings.password_hashing));
  CLOUDOS_CHECK(check_account_rules(settings.account_rules));
  if (settings.key_rotation < std::chrono::seconds::zero())
    return fail(ErrorCode::InvalidArgument, "key rotation: must not be negative");
  if (settings.token_lifetime <= std::chrono::seconds::zero())
    return fail(ErrorCode::InvalidArgument, "token lifetime: must be positive");
  while (settings.public_url.ends_with('/')) settings.public_url.pop_back();
  if (!settings.public_url.starts_with("http://") && !settings.public_url.starts_with("https://"))
    return fail(ErrorCode::InvalidArgument, "public URL: must begin with http:// or https://");
  const std::filesystem::path key_file =
      engine.data_dir.empty() ? std::filesystem::path() : engine.data_dir / "keys" / "tokens";
  CLOUDOS_TRY(auto keys, identity::KeyRing::open(key_file, engine.clock, engine.random,
                                                 settings.token_lifetime, !engine.guest));
  auto impl = std::make_unique<Identity::Impl>(engine, std::move(settings), std::move(keys));
  CLOUDOS_CHECK(impl->load_policy());
  CLOUDOS_CHECK(impl->credential_keys.open(
      engine.data_dir.empty() ? std::filesystem::path() : engine.data_dir / "keys" / "credentials",
      engine.random, !engine.guest));
  if (engine.guest) return std::make_unique<Identity>(std::move(impl));
  CLOUDOS_CHECK(impl->bootstrap());
  CLOUDOS_CHECK(impl->write_client_files());
  engine.runner.add(Reconciler{"tokens", std::chrono::minutes(10), "",
                               [self = impl.get()] { return self->sweep_revocations(); }});
  engine.runner.add(Reconciler{"trusts", std::chrono::minutes(10), "",
                               [self = impl.get()] { return self->sweep_trusts(); }});
  engine.runner.add(Reconciler{"signatures", std::chrono::minutes(10), "",
                               [self = impl.get()] { return self->sweep_signatures(); }});
  engine.runner.add(Reconciler{"credential-keys", std::chrono::minutes(10), "",
                               [self = impl.get()] { return self->reseal_credentials(); }});
  engine.runner.add(Reconciler{"token-keys", std::chrono::minutes(1), "",
                               [self = impl.get()] { return self->age_keys(); }});
  return std::make_unique<Identity>(std::move(impl));
}

}  // namespace cloudos
