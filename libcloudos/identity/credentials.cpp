#include "cloudos/credentials.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "identity/credential_records.hpp"
#include "identity/impl.hpp"

/// Secrets of users: made, shown, changed, removed.
namespace cloudos {

using identity::CredentialRecord;
using identity::ProjectRecord;
using identity::UserRecord;

namespace {

constexpr std::string_view kEc2Type = "ec2";
constexpr std::size_t kEc2HalfBytes = 16;

bool is_ec2(std::string_view type) { return equals_ignore_case(type, kEc2Type); }
bool is_totp(std::string_view type) { return equals_ignore_case(type, "totp"); }
bool by_delegation(const Context& ctx) {
  return !ctx.trust.empty() || !ctx.application_credential.empty() || ctx.restricted;
}

std::string access_digest(std::string_view access) {
  const std::string digest = sha256(access);
  return to_hex({reinterpret_cast<const std::uint8_t*>(digest.data()), digest.size()});
}

Result<void> check_ec2_key(const Ec2Key& key) {
  for (const auto& [what, half] : {std::pair("access", &key.access), {"secret", &key.secret}}) {
    CLOUDOS_CHECK(check_name(fmt::format("blob.{}", what), *half, 1, limits::kEc2KeyChars));
  }
  return Result<void>();
}

Result<void> check_blob(std::string_view type, std::string_view blob) {
  if (blob.size() > limits::kCredentialBytes) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("blob: longer than {} bytes", limits::kCredentialBytes));
  }
  if (!is_totp(type) || !identity::read_totp_secret(blob).empty()) return Result<void>();
  return fail(ErrorCode::InvalidArgument, "blob: of type totp it must be a secret in base32");
}

/// What a token says who lets its user act for it, of which nobody gets more than it gave.
bool same_delegation(const Context& ctx, const CredentialRecord& r) {
  if (!by_delegation(ctx)) return true;
  // A token of an EC2 key: it names nothing that it could share.
  if (ctx.trust.empty() && ctx.application_credential.empty()) return false;
  return r.trust == ctx.trust && r.application_credential == ctx.application_credential;
}

PolicyTarget about_user(const UserId& user) {
  PolicyTarget target{{}, {}};
  target.user = user;
  return target;
}

Result<Credential> opened(const Identity::Impl& impl, CredentialRecord record) {
  Credential shown;
  shown.id = std::move(record.id);
  shown.generation = record.generation;
  shown.type = std::move(record.type);
  if (!record.sealed_blob.empty()) {
    CLOUDOS_TRY(shown.blob, impl.credential_keys.unseal(record.sealed_blob));
  }
  if (!record.access.empty()) {
    shown.ec2.access = std::move(record.access);
    CLOUDOS_TRY(shown.ec2.secret, impl.credential_keys.unseal(record.sealed_secret));
  }
  shown.user = std::move(record.user);
  shown.project = std::move(record.project);
  shown.trust = std::move(record.trust);
  shown.application_credential = std::move(record.application_credential);
  shown.extra = std::move(record.extra);
  shown.created_at = record.created_at;
  return shown;
}

Result<std::vector<Credential>> all_opened(const Identity::Impl& impl,
                                           std::vector<CredentialRecord> records) {
  std::vector<Credential> list;
  list.reserve(records.size());
  for (CredentialRecord& record : records) {
    CLOUDOS_TRY(auto one, opened(impl, std::move(record)));
    list.push_back(std::move(one));
  }
  return list;
}

Result<void> seal_into(const Identity::Impl& impl, const std::optional<std::string>& blob,
                       const std::optional<Ec2Key>& ec2, CredentialRecord& record) {
  if (blob) {
    CLOUDOS_TRY(record.sealed_blob, impl.credential_keys.seal(*blob, impl.engine.random));
  }
  if (ec2) {
    record.access = ec2->access;
    CLOUDOS_TRY(record.sealed_secret, impl.credential_keys.seal(ec2->secret, impl.engine.random));
  }
  return Result<void>();
}

Failure no_such_credential(std::string_view id) {
  return fail(ErrorCode::NotFound, fmt::format("credential {} is not known", id.substr(0, 64)));
}

/// The record, if the caller may do this to it. Another's is not there, for who may not.
Result<CredentialRecord> own_record(const Identity::Impl& impl, const Context& ctx,
                                    std::string_view policy, const CredentialId& id) {
  auto record = impl.by_snapshot([&](const store::Snapshot& at) {
    return records::get<CredentialRecord>(at, id);
  });
  if (!record && record.error().code == ErrorCode::NotFound) return no_such_credential(id.value);
  if (!record) return fail(std::move(record).error());
  const auto allowed = impl.allow(ctx, policy, about_user(record->user));
  // What a token may not do to its own things it is told; of another's it learns nothing.
  if (!allowed && record->user == ctx.user) return fail(allowed.error());
  if (!allowed || !same_delegation(ctx, *record)) return no_such_credential(id.value);
  return record;
}

/// Inserts a record for a user who is there, within the limit.
Result<void> insert_credential(const Identity::Impl& impl, CredentialRecord& record) {
  CLOUDOS_TRY(const auto held, impl.by_snapshot([&](const store::Snapshot& at) {
    records::PageSpec<CredentialRecord> spec;
    spec.range = {"user", record.user.value, false};
    spec.limit = limits::kCredentialsOfUser;
    return records::page(at, spec);
  }));
  if (held.size() >= limits::kCredentialsOfUser) {
    return fail(ErrorCode::QuotaExceeded,
                fmt::format("the user has {} credentials already", limits::kCredentialsOfUser));
  }
  return impl.commit_quietly([&](store::Txn& txn) -> Result<void> {
    if (!records::get<UserRecord>(txn, record.user))
      return fail(ErrorCode::NotFound, fmt::format("user {} is not known", record.user.value));
    if (!record.project.empty() && !records::get<ProjectRecord>(txn, record.project))
      return fail(ErrorCode::NotFound,
                  fmt::format("project {} is not known", record.project.value));
    return records::insert(txn, record);
  });
}

/// What a delegated token makes rests on what the token rests on, and on its project.
Result<void> hand_on(const Context& ctx, CredentialRecord& record) {
  if (!by_delegation(ctx)) return Result<void>();
  if (!is_ec2(record.type)) {
    return fail(ErrorCode::Forbidden,
                "a token by a trust or an application credential makes EC2 keys only");
  }
  if (record.project != ctx.project || record.user != ctx.user) {
    return fail(ErrorCode::Forbidden,
                "a token by a trust or an application credential makes keys of its own user for "
                "its own project only");
  }
  record.trust = ctx.trust;
  record.application_credential = ctx.application_credential;
  return Result<void>();
}

}  // namespace

Result<Credential> Credentials::create(const Context& ctx, const CredentialCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(impl_.allow(ctx, "identity:create_credential", about_user(spec.user)));
  CLOUDOS_CHECK(check_name("type", spec.type, 1, limits::kCredentialTypeChars));
  CLOUDOS_CHECK(check_blob(spec.type, spec.blob));
  CLOUDOS_CHECK(identity::check_extra(spec.extra));
  CredentialRecord record;
  record.type = spec.type;
  record.user = spec.user;
  record.project = spec.project;
  record.extra = spec.extra;
  record.created_at = impl_.engine.clock.wall();
  std::optional<Ec2Key> ec2;
  if (is_ec2(spec.type)) {
    if (spec.project.empty())
      return fail(ErrorCode::InvalidArgument, "project_id: an EC2 key needs a project");
    CLOUDOS_CHECK(check_ec2_key(spec.ec2));
    ec2 = spec.ec2;
    record.id = CredentialId{access_digest(spec.ec2.access)};
  } else {
    record.id = CredentialId{impl_.engine.ids.hex()};
  }
  CLOUDOS_CHECK(hand_on(ctx, record));
  CLOUDOS_CHECK(seal_into(impl_, spec.blob, ec2, record));
  CLOUDOS_CHECK(insert_credential(impl_, record));
  return opened(impl_, std::move(record));
}

Result<Credential> Credentials::get(const Context& ctx, const CredentialId& id) const {
  CLOUDOS_TRY(auto record, own_record(impl_, ctx, "identity:get_credential", id));
  return opened(impl_, std::move(record));
}

Result<std::vector<Credential>> Credentials::list(const Context& ctx,
                                                  const CredentialFilter& filter) const {
  std::optional<UserId> whose = filter.user;
  // Who may not see everybody's sees one's own.
  const auto everybodys = impl_.allow(ctx, "identity:list_credentials", about_user({}));
  if (!everybodys) {
    CLOUDOS_CHECK(impl_.allow(ctx, "identity:list_credentials", about_user(ctx.user)));
    if (whose && *whose != ctx.user) return std::vector<Credential>();
    whose = ctx.user;
  }
  CLOUDOS_TRY(auto found, impl_.by_snapshot([&](const store::Snapshot& at) {
    records::PageSpec<CredentialRecord> spec;
    if (whose) spec.range = {"user", whose->value, false};
    spec.range.newest_first = false;
    spec.matches = [&](const CredentialRecord& r) {
      return (!filter.type || r.type == *filter.type) && same_delegation(ctx, r);
    };
    spec.marker = filter.marker;
    spec.limit = filter.limit;
    return records::page(at, spec);
  }));
  return all_opened(impl_, std::move(found));
}

Result<Credential> Credentials::update(const Context& ctx, const CredentialId& id,
                                       const CredentialUpdate& with) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_TRY(const auto before, own_record(impl_, ctx, "identity:update_credential", id));
  const std::string type = with.type.value_or(before.type);
  const bool moved = (with.type && *with.type != before.type) ||
                     (with.user && *with.user != before.user) ||
                     (with.project && *with.project != before.project);
  if (moved && (!ctx.is_admin || by_delegation(ctx))) {
    return fail(ErrorCode::Forbidden,
                "only an admin changes whose a credential is, of which project and which type");
  }
  CLOUDOS_CHECK(check_name("type", type, 1, limits::kCredentialTypeChars));
  if (with.blob || with.type) {
    if (with.blob) CLOUDOS_CHECK(check_blob(type, *with.blob));
    else if (is_totp(type) && !is_totp(before.type))
      return fail(ErrorCode::InvalidArgument, "blob: of type totp it must be a secret in base32");
  }
  if (with.ec2) CLOUDOS_CHECK(check_ec2_key(*with.ec2));
  if (is_ec2(type) && !with.ec2 && before.access.empty())
    return fail(ErrorCode::InvalidArgument, "blob: an EC2 key has access and secret");
  CredentialRecord sealed;
  CLOUDOS_CHECK(seal_into(impl_, with.blob, is_ec2(type) ? with.ec2 : std::nullopt, sealed));
  CredentialRecord after;
  CLOUDOS_CHECK(impl_.commit_quietly([&](store::Txn& txn) -> Result<void> {
    if (with.user) CLOUDOS_CHECK(records::get<UserRecord>(txn, *with.user));
    if (with.project && !with.project->empty())
      CLOUDOS_CHECK(records::get<ProjectRecord>(txn, *with.project));
    CLOUDOS_TRY(after, records::modify<CredentialRecord>(txn, id, [&](CredentialRecord& r) {
      r.type = type;
      if (with.user) r.user = *with.user;
      if (with.project) r.project = *with.project;
      if (with.blob) {
        r.sealed_blob = sealed.sealed_blob;
        r.used_window = 0;
      }
      if (is_ec2(type) && with.ec2) {
        r.access = sealed.access;
        r.sealed_secret = sealed.sealed_secret;
      } else if (!is_ec2(type)) {
        r.access.clear();
        r.sealed_secret.clear();
      }
      return identity::apply_extra(r.extra, with.extra);
    }));
    return Result<void>();
  }));
  return opened(impl_, std::move(after));
}

Result<void> Credentials::remove(const Context& ctx, const CredentialId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(own_record(impl_, ctx, "identity:delete_credential", id));
  return impl_.commit_quietly(
      [&](store::Txn& txn) { return records::erase<CredentialRecord>(txn, id); });
}

Result<Credential> Credentials::create_ec2(const Context& ctx, const UserId& user,
                                           const ProjectId& project) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(impl_.allow(ctx, "identity:ec2_create_credential", about_user(user)));
  CLOUDOS_CHECK(impl_.by_snapshot([&](const store::Snapshot& at) -> Result<void> {
    CLOUDOS_TRY(const auto who, records::get<UserRecord>(at, user));
    CLOUDOS_CHECK(records::get<ProjectRecord>(at, project));
    if (by_delegation(ctx)) return Result<void>();  // Its project is compared below.
    Assignment on;
    on.project = project;
    CLOUDOS_TRY(const auto held, impl_.effective_roles(at, who, on));
    if (!held.roles.empty()) return Result<void>();
    return fail(ErrorCode::Forbidden,
                fmt::format("the user has no role on project {}", project.value));
  }));
  const auto drawn = [&] {
    std::array<std::uint8_t, kEc2HalfBytes> bytes{};
    impl_.engine.random.fill(bytes);
    return to_hex(bytes);
  };
  const Ec2Key key{drawn(), drawn()};
  CredentialRecord record;
  record.type = kEc2Type;
  record.id = CredentialId{access_digest(key.access)};
  record.user = user;
  record.project = project;
  record.created_at = impl_.engine.clock.wall();
  CLOUDOS_CHECK(hand_on(ctx, record));
  CLOUDOS_CHECK(seal_into(impl_, std::nullopt, key, record));
  CLOUDOS_CHECK(insert_credential(impl_, record));
  return opened(impl_, std::move(record));
}

namespace {

/// The EC2 key of this user with this access key, if the caller may do this to it.
Result<CredentialRecord> own_ec2(const Identity::Impl& impl, const Context& ctx,
                                 std::string_view policy, const UserId& user,
                                 std::string_view access) {
  CLOUDOS_CHECK(impl.allow(ctx, policy, about_user(user)));
  CLOUDOS_TRY(auto record, impl.by_snapshot([&](const store::Snapshot& at) {
    return identity::find_ec2(at, access);
  }));
  if (!record || record->user != user || !same_delegation(ctx, *record))
    return no_such_credential(access);
  return std::move(*record);
}

}  // namespace

Result<Credential> Credentials::get_ec2(const Context& ctx, const UserId& user,
                                        std::string_view access) const {
  CLOUDOS_TRY(auto record, own_ec2(impl_, ctx, "identity:ec2_get_credential", user, access));
  return opened(impl_, std::move(record));
}

Result<std::vector<Credential>> Credentials::list_ec2(const Context& ctx,
                                                      const UserId& user) const {
  CLOUDOS_CHECK(impl_.allow(ctx, "identity:ec2_list_credentials", about_user(user)));
  CLOUDOS_TRY(auto found, impl_.by_snapshot([&](const store::Snapshot& at) {
    records::PageSpec<CredentialRecord> spec;
    spec.range = {"user", user.value, false};
    spec.matches = [&](const CredentialRecord& r) {
      return is_ec2(r.type) && same_delegation(ctx, r);
    };
    return records::page(at, spec);
  }));
  return all_opened(impl_, std::move(found));
}

Result<void> Credentials::remove_ec2(const Context& ctx, const UserId& user,
                                     std::string_view access) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_TRY(const auto record,
              own_ec2(impl_, ctx, "identity:ec2_delete_credential", user, access));
  return impl_.commit_quietly(
      [&](store::Txn& txn) { return records::erase<CredentialRecord>(txn, record.id); });
}

namespace identity {

Result<std::optional<CredentialRecord>> find_ec2(const store::Snapshot& at,
                                                 std::string_view access) {
  if (access.empty() || access.size() > limits::kIdentityTextBytes)
    return std::optional<CredentialRecord>();
  CLOUDOS_TRY(const auto id,
              records::find_unique(at, CredentialRecord::kKind, "access", "", access));
  if (!id) return std::optional<CredentialRecord>();
  auto record = records::get<CredentialRecord>(at, *id);
  if (record) return std::optional<CredentialRecord>(std::move(*record));
  if (record.error().code == ErrorCode::NotFound) return std::optional<CredentialRecord>();
  return fail(std::move(record).error());
}

}  // namespace identity

}  // namespace cloudos
