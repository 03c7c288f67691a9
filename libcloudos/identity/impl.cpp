#include "identity/revocations.hpp"
#include "identity/impl.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace cloudos {
namespace identity {
namespace {
constexpr std::size_t kCachedTokens = 4'096;  // Per generation of the cache.
}  // namespace

Result<void> check_title(std::string_view what, std::string_view name, std::size_t most) {
  CLOUDOS_CHECK(check_name(what, name, 1, most));
  if (trim(name).empty())
    return fail(ErrorCode::InvalidArgument, fmt::format("{}: must not be blank", what));
  return Result<void>();
}

Result<void> check_text(std::string_view what, std::string_view text) {
  if (text.size() > limits::kIdentityTextBytes) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{}: longer than {} bytes", what, limits::kIdentityTextBytes));
  }
  if (!utf8_length(text))
    return fail(ErrorCode::InvalidArgument, fmt::format("{}: is not valid UTF-8", what));
  return Result<void>();
}

Result<void> check_extra(const ExtraFields& extra) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : extra) {
    CLOUDOS_CHECK(check_name("name of a field", name, 1, limits::kNameChars));
    bytes += name.size() + value.size();
  }
  if (extra.size() > limits::kExtraFields || bytes > limits::kIdentityTextBytes) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("more than {} extra fields, or more than {} bytes in them",
                            limits::kExtraFields, limits::kIdentityTextBytes));
  }
  return Result<void>();
}

Result<void> apply_extra(ExtraFields& extra, const ExtraChanges& changes) {
  for (const auto& [name, value] : changes) {
    if (value) extra[name] = *value;
    else extra.erase(name);
  }
  return check_extra(extra);
}

std::optional<std::string> extra_text(const ExtraFields& extra, std::string_view field) {
  const auto found = extra.find(std::string(field));
  if (found == extra.end()) return std::nullopt;
  const std::string& json = found->second;
  if (json.size() >= 2 && json.front() == '"') return json.substr(1, json.size() - 2);
  return json;
}

bool text_matches(const std::vector<TextFilter>& filters, const TextOf& text_of) {
  for (const TextFilter& filter : filters) {
    const auto text = text_of(filter.field);
    if (!text) return false;
    const std::string have = filter.ignore_case ? fold_case(*text) : *text;
    const std::string want = filter.ignore_case ? fold_case(filter.value) : filter.value;
    switch (filter.match) {
      case TextFilter::Match::Equals:
        if (have != want) return false;
        break;
      case TextFilter::Match::Contains:
        if (have.find(want) == std::string::npos) return false;
        break;
      case TextFilter::Match::StartsWith:
        if (!have.starts_with(want)) return false;
        break;
      case TextFilter::Match::EndsWith:
        if (!have.ends_with(want)) return false;
        break;
    }
  }
  return true;
}

}  // namespace identity

using identity::DomainRecord;
using identity::ProjectRecord;
using identity::UserRecord;

Identity::Identity(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Identity::~Identity() = default;

Identity::Impl::Impl(const Engine& the_engine, IdentitySettings the_settings,
                     std::unique_ptr<identity::KeyRing> the_keys)
    : engine(the_engine),
      settings(std::move(the_settings)),
      keys(std::move(the_keys)),
      passwords(identity::hashing_of(settings), the_engine.random),
      rules(settings.account_rules),
      cache(identity::kCachedTokens),
      policy_now(std::make_shared<const Policy>()) {
  if (engine.metrics)
    passwords.count_by(engine.metrics->counter("cloudos_password_hashes_total",
                                               "Password hashes that were computed."));
}

std::uint64_t Identity::Impl::draw() const {
  std::array<std::uint8_t, 8> bytes{};
  engine.random.fill(bytes);
  std::uint64_t number = 0;
  std::memcpy(&number, bytes.data(), bytes.size());
  return number;
}

Result<void> Identity::Impl::commit(const store::Body& body) const {
  // Drawn outside the body, which may run twice; never read there, so that it conflicts with none.
  // Short enough to be read without an allocation, by every validation.
  const std::string state = fmt::format("{:015x}", draw() >> 4);
  const WallTime now = engine.clock.wall();
  const WallTime expires_at = now + keys->lifetime();  // No token of before lives longer.
  return commit_quietly([&](store::Txn& txn) -> Result<void> {
    identity::RevocationNotes noting(txn);
    CLOUDOS_CHECK(body(noting));
    CLOUDOS_CHECK(noting.write(now, expires_at));
    txn.put(identity::kStateKey, state);
    return Result<void>();
  });
}

Result<void> Identity::Impl::commit_quietly(const store::Body& body) const {
  CLOUDOS_CHECK(engine.store.transact(body));
  return Result<void>();
}

namespace {

/// A record that may be absent.
template <class Record>
Result<std::optional<Record>> maybe_record(const store::Snapshot& at, std::string_view id) {
  auto record = records::get<Record>(at, id);
  if (record) return std::optional<Record>(std::move(*record));
  if (record.error().code == ErrorCode::NotFound) return std::optional<Record>();
  return fail(std::move(record).error());
}

template <class Record>
Result<std::optional<Record>> maybe_named(const store::Snapshot& at, std::string_view domain,
                                          std::string_view name) {
  CLOUDOS_TRY(const auto id, records::find_unique(at, Record::kKind, "name", domain,
                                                  fold_case(name)));
  if (!id) return std::optional<Record>();
  return maybe_record<Record>(at, *id);
}

}  // namespace

Result<std::optional<DomainRecord>> Identity::Impl::find_domain(const store::Snapshot& at,
                                                                std::string_view id,
                                                                std::string_view name) const {
  if (!id.empty()) return maybe_record<DomainRecord>(at, id);
  return maybe_named<DomainRecord>(at, "", name);
}

Result<std::optional<UserRecord>> Identity::Impl::find_user(const store::Snapshot& at,
                                                            const NamedReference& who) const {
  if (!who.id.empty()) return maybe_record<UserRecord>(at, who.id);
  CLOUDOS_TRY(const auto domain, find_domain(at, who.domain_id, who.domain_name));
  if (!domain) return std::optional<UserRecord>();
  return maybe_named<UserRecord>(at, domain->id.value, who.name);
}

Result<std::optional<ProjectRecord>> Identity::Impl::find_project(
    const store::Snapshot& at, const NamedReference& which) const {
  if (!which.id.empty()) return maybe_record<ProjectRecord>(at, which.id);
  CLOUDOS_TRY(const auto domain, find_domain(at, which.domain_id, which.domain_name));
  if (!domain) return std::optional<ProjectRecord>();
  return maybe_named<ProjectRecord>(at, domain->id.value, which.name);
}

}  // namespace cloudos
