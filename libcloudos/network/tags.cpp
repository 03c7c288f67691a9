#include "cloudos/network_tags.hpp"

#include <algorithm>
#include <thread>

#include <fmt/format.h>

#include "network/extra_records.hpp"
#include "network/impl.hpp"
#include "network/l3_records.hpp"
#include "network/network_checks.hpp"
#include "network/pool_records.hpp"

namespace cloudos {
namespace network {
namespace {

/// Calls `use` with a null pointer to the record type that the plural names. Errors: NotFound.
template <class R, class Use>
Result<R> with_tagged(std::string_view plural, const Use& use) {
  if (plural == "networks") return use(static_cast<Network*>(nullptr));
  if (plural == "subnets") return use(static_cast<Subnet*>(nullptr));
  if (plural == "ports") return use(static_cast<Port*>(nullptr));
  if (plural == "security-groups") return use(static_cast<SecurityGroup*>(nullptr));
  if (plural == "policies") return use(static_cast<QosPolicy*>(nullptr));
  if (plural == "trunks") return use(static_cast<Trunk*>(nullptr));
  if (plural == "subnetpools") return use(static_cast<SubnetPool*>(nullptr));
  if (plural == "routers") return use(static_cast<Router*>(nullptr));
  if (plural == "floatingips") return use(static_cast<FloatingIp*>(nullptr));
  return fail_as("HTTPNotFound", ErrorCode::NotFound,
                 fmt::format("resources of type '{}' have no tags", plural.substr(0, 64)));
}

using Tags = std::vector<std::string>;

/// Lets `change` alter the tags of a resource that is the caller's.
Result<Tags> change_tags(Networks::Impl& impl, const Context& ctx, std::string_view plural,
                         const std::string& id, const std::function<Result<Tags>(Tags)>& change) {
  CLOUDOS_CHECK(check_call(ctx, impl.engine.clock));
  const WallTime now = impl.engine.clock.wall();
  return with_tagged<Tags>(plural, [&]<class T>(const T*) -> Result<Tags> {
    Tags after;
    CLOUDOS_CHECK(impl.transact([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_TRY(T record, load_owned<T>(txn, ctx, decltype(T::id){id}));
      CLOUDOS_TRY(after, change(record.tags));
      CLOUDOS_TRY(after, checked_tags(std::move(after)));
      if (after == record.tags) return Result<void>();
      record.tags = after;
      record.updated_at = now;
      return records::update(txn, record);
    }));
    return after;
  });
}

}  // namespace
}  // namespace network

NetworkTags& Networks::tags() { return impl_->tags; }

Result<std::vector<std::string>> NetworkTags::tags(const Context& ctx, std::string_view plural,
                                                   const std::string& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  return network::with_tagged<network::Tags>(
      plural, [&]<class T>(const T*) -> Result<network::Tags> {
        CLOUDOS_TRY(const T record, network::load_seen<T>(*snapshot, ctx, decltype(T::id){id}));
        return record.tags;
      });
}

Result<std::vector<std::string>> NetworkTags::replace(const Context& ctx, std::string_view plural,
                                                      const std::string& id,
                                                      const std::vector<std::string>& tags) {
  return network::change_tags(impl_, ctx, plural, id,
                              [&](network::Tags) -> Result<network::Tags> { return tags; });
}

Result<std::vector<std::string>> NetworkTags::add(const Context& ctx, std::string_view plural,
                                                  const std::string& id,
                                                  const std::vector<std::string>& tags) {
  return network::change_tags(impl_, ctx, plural, id,
                              [&](network::Tags held) -> Result<network::Tags> {
                                held.insert(held.end(), tags.begin(), tags.end());
                                return held;
                              });
}

Result<void> NetworkTags::remove(const Context& ctx, std::string_view plural,
                                 const std::string& id, const std::string& tag) {
  CLOUDOS_CHECK(network::change_tags(
      impl_, ctx, plural, id, [&](network::Tags held) -> Result<network::Tags> {
        if (std::erase(held, tag) > 0) return held;
        return network::fail_as("TagNotFound", ErrorCode::NotFound,
                                fmt::format("Tag {} could not be found.", tag.substr(0, 64)));
      }));
  return Result<void>();
}

// ---- changes that a revision guards -------------------------------------------------------------

RevisionGuard::RevisionGuard(Networks& networks, std::string_view kind, std::string_view id,
                             std::uint64_t revision)
    : impl_(networks.impl()) {
  const std::lock_guard lock(impl_.guards_mutex);
  impl_.guards[std::this_thread::get_id()] = {std::string(kind), std::string(id), revision};
  ++impl_.guarded;
}

RevisionGuard::~RevisionGuard() {
  const std::lock_guard lock(impl_.guards_mutex);
  impl_.guards.erase(std::this_thread::get_id());
  --impl_.guarded;
}

namespace network {
namespace {

/// The revision of a record of any kind that callers guard; nothing when it is gone.
std::optional<std::uint64_t> revision_of(store::Txn& txn, const Networks::Impl::Guard& guard) {
  std::optional<std::uint64_t> revision;
  const auto look = [&]<class T>(const T*) {
    if (revision || guard.kind != T::kKind) return;
    if (const auto record = records::get<T>(txn, guard.id)) revision = record->generation;
  };
  look(static_cast<Network*>(nullptr));
  look(static_cast<Subnet*>(nullptr));
  look(static_cast<Port*>(nullptr));
  look(static_cast<SecurityGroup*>(nullptr));
  look(static_cast<SecurityGroupRule*>(nullptr));
  look(static_cast<QosPolicy*>(nullptr));
  look(static_cast<Trunk*>(nullptr));
  look(static_cast<SubnetPool*>(nullptr));
  look(static_cast<Router*>(nullptr));
  look(static_cast<FloatingIp*>(nullptr));
  return revision;
}

}  // namespace
}  // namespace network

Result<store::Revision> Networks::Impl::transact_guarded(const store::Body& body) const {
  std::optional<Guard> guard;
  {
    const std::lock_guard lock(guards_mutex);
    const auto found = guards.find(std::this_thread::get_id());
    if (found != guards.end()) guard = found->second;
  }
  return engine.store.transact([&](store::Txn& txn) -> Result<void> {
    if (guard) {
      const auto revision = network::revision_of(txn, *guard);
      if (revision && *revision != guard->revision) {
        return network::fail_as(
            "RevisionNumberConstraintFailed", ErrorCode::Conflict,
            fmt::format("Constrained to {}, but current revision is {}", guard->revision,
                        *revision));
      }
    }
    return body(txn);
  });
}

}  // namespace cloudos
