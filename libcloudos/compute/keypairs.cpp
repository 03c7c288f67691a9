#include <fmt/format.h>

#include "base/text.hpp"
#include "compute/flavors_room.hpp"
#include "compute/records.hpp"
#include "compute/ssh_key.hpp"
#include "identity/quota.hpp"
#include "records/table.hpp"

namespace cloudos {

struct Keypairs::Impl {
  const Engine engine;
  Result<Keypair> add(const Context& ctx, std::string_view name, compute::SshPublicKey key,
                      const UserId& owner);
};

namespace {

/// How many pairs a user has: changed with each of them, so that the limit holds.
std::string count_key(const UserId& user) {
  return records::record_key("keypair_count", user.value);
}

std::uint64_t count_of(store::Txn& txn, const UserId& user) {
  const auto text = txn.get(count_key(user));
  return text ? parse_unsigned(*text).value_or(0) : 0;
}

void set_count(store::Txn& txn, const UserId& user, std::uint64_t count) {
  if (count == 0) txn.erase(count_key(user));
  else txn.put(count_key(user), std::to_string(count));
}

Result<UserId> owner_for(const Context& ctx, const UserId& user) {
  const UserId& owner = user.empty() ? ctx.user : user;
  if (owner.empty())
    return fail(ErrorCode::InvalidArgument, "key pairs belong to a user: name one");
  if (owner != ctx.user && !ctx.is_admin)
    return fail(ErrorCode::Forbidden, "key pairs of other users are for administrators only");
  return owner;
}

/// Of fixed length: a name of 255 characters and a user would not fit into a key.
std::string pair_id(const UserId& owner, std::string_view name) {
  const std::string digest = sha256(fmt::format("{}/{}", owner.value, name));
  return to_hex({reinterpret_cast<const std::uint8_t*>(digest.data()), digest.size()});
}

Result<void> check_pair_name(std::string_view name) {
  CLOUDOS_CHECK(check_name("name", name, 1, limits::kNameChars));
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view(" -_.@").find(c) != std::string_view::npos;
    if (!plain) {
      return fail(ErrorCode::InvalidArgument,
                  "Keypair data is invalid: the name may hold letters, digits, blanks and - _ . @");
    }
  }
  return Result<void>();
}

Failure no_pair(const UserId& owner, std::string_view name) {
  return fail(ErrorCode::NotFound, fmt::format("Keypair {} not found for user {}",
                                               name.substr(0, 64), owner.value));
}

}  // namespace

Keypairs::Keypairs(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Keypairs::~Keypairs() = default;

Result<Keypair> Keypairs::Impl::add(const Context& ctx, std::string_view name,
                                    compute::SshPublicKey key, const UserId& owner) {
  Keypair pair;
  pair.id = pair_id(owner, name);
  pair.user = owner;
  pair.name = name;
  pair.public_key = std::move(key.line);
  pair.fingerprint = std::move(key.fingerprint);
  pair.created_at = engine.clock.wall();
  pair.number = static_cast<std::uint64_t>(pair.created_at.time_since_epoch().count());
  CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
  CLOUDOS_TRY(const auto quota, Quota::usage(*snapshot, ctx.project));
  const auto limit = quota.find("key_pairs");
  const std::int64_t most = limit == quota.end() ? std::int64_t{limits::kKeypairsPerUser}
                                                 : limit->second.limit;
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
    const std::uint64_t count = count_of(txn, owner);
    if (txn.get(records::record_key(Keypair::kKind, pair.id))) {
      return fail(ErrorCode::AlreadyExists,
                  fmt::format("Key pair '{}' already exists.", pair.name));
    }
    if (most != kUnlimited && count >= static_cast<std::uint64_t>(most)) {
      return fail(ErrorCode::QuotaExceeded,
                  fmt::format("Quota exceeded, too many key pairs: {} of {} are in use", count,
                              most));
    }
    set_count(txn, owner, count + 1);
    return records::insert(txn, pair);
  }));
  return pair;
}

Result<Keypair> Keypairs::import(const Context& ctx, std::string_view name,
                                 std::string_view public_key, const UserId& user) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_TRY(const auto owner, owner_for(ctx, user));
  CLOUDOS_CHECK(check_pair_name(name));
  CLOUDOS_TRY(auto key, compute::parse_ssh_key(public_key));
  return impl_->add(ctx, name, std::move(key), owner);
}

Result<GeneratedKeypair> Keypairs::generate(const Context& ctx, std::string_view name,
                                            const UserId& user) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_TRY(const auto owner, owner_for(ctx, user));
  CLOUDOS_CHECK(check_pair_name(name));
  CLOUDOS_TRY(auto made, compute::generate_ssh_key("Generated-by-cloudos"));
  CLOUDOS_TRY(auto pair, impl_->add(ctx, name, std::move(made.public_key), owner));
  return GeneratedKeypair{std::move(pair), std::move(made.private_pem)};
}

Result<Keypair> Keypairs::get(const Context& ctx, std::string_view name,
                              const UserId& user) const {
  CLOUDOS_TRY(const auto owner, owner_for(ctx, user));
  if (name.size() > 4 * limits::kNameChars) return no_pair(owner, name);
  CLOUDOS_TRY(const auto snapshot, impl_->engine.store.snapshot());
  CLOUDOS_TRY(const auto entry,
              snapshot->get(records::record_key(Keypair::kKind, pair_id(owner, name))));
  if (!entry) return no_pair(owner, name);
  return codec::decode_record<Keypair>(entry->value);
}

Result<std::vector<Keypair>> Keypairs::list(const Context& ctx, std::string_view marker,
                                            std::size_t limit, const UserId& user) const {
  CLOUDOS_TRY(const auto owner, owner_for(ctx, user));
  CLOUDOS_TRY(const auto snapshot, impl_->engine.store.snapshot());
  records::PageSpec<Keypair> spec;
  spec.range = {"user", owner.value, false};
  spec.less = [](const Keypair& a, const Keypair& b) { return a.name < b.name; };
  spec.limit = limit;
  if (!marker.empty()) spec.marker = pair_id(owner, marker);
  return records::page(*snapshot, spec);
}

Result<void> Keypairs::remove(const Context& ctx, std::string_view name, const UserId& user) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_TRY(const auto owner, owner_for(ctx, user));
  if (name.size() > 4 * limits::kNameChars) return no_pair(owner, name);
  const std::string id = pair_id(owner, name);
  CLOUDOS_CHECK(impl_->engine.store.transact([&](store::Txn& txn) -> Result<void> {
    if (!txn.get(records::record_key(Keypair::kKind, id))) return no_pair(owner, name);
    const std::uint64_t count = count_of(txn, owner);
    set_count(txn, owner, count == 0 ? 0 : count - 1);
    return records::erase<Keypair>(txn, id);
  }));
  return Result<void>();
}

namespace compute {
std::unique_ptr<Keypairs> make_keypairs(const Engine& engine) {
  return std::make_unique<Keypairs>(
      std::unique_ptr<Keypairs::Impl>(new Keypairs::Impl{.engine = engine}));
}
}  // namespace compute
}  // namespace cloudos
