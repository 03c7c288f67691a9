#include "cloudos/address_groups.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "cloudos/network_limits.hpp"
#include "network/address.hpp"
#include "network/bulk.hpp"
#include "network/extra_records.hpp"
#include "network/impl.hpp"
#include "network/listing.hpp"
#include "network/sharing.hpp"

namespace cloudos {
namespace network {
namespace {

/// Prefixes without host bits, sorted, each once; `bare`: addresses count as blocks of one.
/// Errors: InvalidArgument.
Result<std::vector<std::string>> checked_prefixes(const std::vector<std::string>& asked,
                                                  bool bare = false) {
  if (asked.size() > limits::kAddressGroupPrefixes)
    return invalid(fmt::format("addresses: at most {}", limits::kAddressGroupPrefixes));
  std::vector<std::string> prefixes;
  for (const std::string& text : asked) {
    const auto cidr = normalise_cidr(text);
    if (!cidr || (!bare && text.find('/') == text.npos)) {
      return fail_as("InvalidAddresses", ErrorCode::InvalidArgument,
                     fmt::format("addresses: '{}' is not a CIDR such as 10.0.0.0/8",
                                 text.substr(0, 64)));
    }
    // A range that is read wider than it was meant must not pass: no host bits.
    prefixes.push_back(cidr->text);
  }
  std::sort(prefixes.begin(), prefixes.end());
  prefixes.erase(std::unique(prefixes.begin(), prefixes.end()), prefixes.end());
  return prefixes;
}

}  // namespace
}  // namespace network

AddressGroups& Networks::address_groups() { return impl_->address_groups; }

Result<std::vector<AddressGroup>> AddressGroups::create(
    const Context& ctx, const std::vector<AddressGroupCreate>& specs) {
  const auto drafted = [&](const AddressGroupCreate& spec) -> Result<AddressGroup> {
    CLOUDOS_TRY(auto draft, network::draft_owned<AddressGroup>(impl_, ctx, spec));
    CLOUDOS_TRY(draft.addresses, network::checked_prefixes(spec.addresses));
    return draft;
  };
  return network::create_all<AddressGroup>(impl_, ctx, specs, drafted,
                                           network::insert_plain<AddressGroup>);
}

Result<AddressGroup> AddressGroups::group(const Context& ctx, const AddressGroupId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  return network::load_seen<AddressGroup>(*snapshot, ctx, id);
}

Result<std::vector<AddressGroup>> AddressGroups::groups(const Context& ctx,
                                                        const NetworkListSpec& spec) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  return network::list_records<AddressGroup>(*snapshot, ctx, spec);
}

namespace network {
namespace {

/// One's own. Another's that is only shared looks like nothing to who would change it.
Result<AddressGroup> changeable(store::Txn& txn, const Context& ctx, const AddressGroupId& id) {
  CLOUDOS_TRY(auto group, load<AddressGroup>(txn, id));
  if (!ctx.may_see(group.project)) return missing<AddressGroup>(id.value);
  return group;
}

Result<AddressGroup> change_group(Networks::Impl& impl, const Context& ctx,
                                  const AddressGroupId& id,
                                  const std::function<Result<void>(AddressGroup&)>& change) {
  CLOUDOS_CHECK(check_call(ctx, impl.engine.clock));
  const WallTime now = impl.engine.clock.wall();
  AddressGroup changed;
  CLOUDOS_CHECK(impl.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(changed, changeable(txn, ctx, id));
    CLOUDOS_CHECK(change(changed));
    changed.updated_at = now;
    return records::update(txn, changed);
  }));
  return changed;
}

}  // namespace
}  // namespace network

Result<AddressGroup> AddressGroups::update(const Context& ctx, const AddressGroupId& id,
                                           const AddressGroupUpdate& change) {
  CLOUDOS_CHECK(network::check_texts(change.name.value_or(""), change.description.value_or("")));
  return network::change_group(impl_, ctx, id, [&](AddressGroup& group) {
    if (change.name) group.name = *change.name;
    if (change.description) group.description = *change.description;
    return Result<void>();
  });
}

Result<AddressGroup> AddressGroups::add_addresses(const Context& ctx, const AddressGroupId& id,
                                                  const std::vector<std::string>& addresses) {
  CLOUDOS_TRY(const auto added, network::checked_prefixes(addresses));
  return network::change_group(impl_, ctx, id, [&](AddressGroup& group) -> Result<void> {
    group.addresses.insert(group.addresses.end(), added.begin(), added.end());
    CLOUDOS_TRY(group.addresses, network::checked_prefixes(group.addresses));
    return Result<void>();
  });
}

Result<AddressGroup> AddressGroups::remove_addresses(const Context& ctx, const AddressGroupId& id,
                                                     const std::vector<std::string>& addresses) {
  CLOUDOS_TRY(const auto gone, network::checked_prefixes(addresses, true));
  return network::change_group(impl_, ctx, id, [&](AddressGroup& group) -> Result<void> {
    for (const std::string& one : gone) {
      if (std::erase(group.addresses, one) > 0) continue;
      return network::fail_as("AddressesNotFound", ErrorCode::NotFound,
                              fmt::format("Addresses {} not found in the address group {}.", one,
                                          id.value));
    }
    return Result<void>();
  });
}

Result<void> AddressGroups::remove(const Context& ctx, const AddressGroupId& id) {
  return network::remove_granted<AddressGroup>(
      impl_, ctx, id, [&](store::Txn& txn) -> Result<void> {
        CLOUDOS_CHECK(network::changeable(txn, ctx, id));
        if (txn.none(records::index_prefix(SecurityGroupRule::kKind, "addresses", id.value)))
          return Result<void>();
        return network::fail_as(
            "AddressGroupInUse", ErrorCode::Conflict,
            fmt::format("Address group {} is in use on one or more security group "
                        "rules.",
                        id.value));
      });
}

}  // namespace cloudos
