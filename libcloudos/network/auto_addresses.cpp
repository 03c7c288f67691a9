#include "network/auto_addresses.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "network/ip.hpp"
#include "network/l3_records.hpp"
#include "network/segments.hpp"

namespace cloudos::network {
namespace {

constexpr std::size_t kPortsPerCommit = 50;
// A port that loses an address has about six keys: these fit one transaction with room to spare.
constexpr std::size_t kPortsInDeletion = 200;

std::string auto_due_key(const SubnetId& id) {
  return fmt::format("{}{}", kAutoDuePrefix, records::key_part(id.value));
}

bool has_address_of(const Port& port, const SubnetId& subnet) {
  return std::any_of(port.fixed_ips.begin(), port.fixed_ips.end(),
                     [&](const FixedIp& fixed) { return fixed.subnet == subnet; });
}

Result<void> write_auto_port(const Networks::Impl& impl, store::Txn& txn, Port& port) {
  CLOUDOS_CHECK(records::update(txn, port));
  CLOUDOS_TRY(const Network network, load<Network>(txn, port.network));
  return impl.precommit_port(txn, port, network);
}

/// Whether an address of the subnet is of use to the port, as far as its segment goes.
enum class Reach { Here, Elsewhere, Unknown };

Result<Reach> reach_of(store::Txn& txn, const Network& network, const Port& port,
                       const Subnet& subnet) {
  if (subnet.segment.empty()) return Reach::Here;
  const SegmentId here = address_segment(network, port);
  if (!here.empty()) return here == subnet.segment ? Reach::Here : Reach::Elsewhere;
  if (network.segments.empty()) return Reach::Here;
  if (port.fixed_ips.empty()) return Reach::Unknown;
  // Not bound, it is meant for the segment that its other addresses are of.
  for (const FixedIp& fixed : port.fixed_ips) {
    CLOUDOS_TRY(const Subnet other, load<Subnet>(txn, fixed.subnet));
    if (other.segment != subnet.segment) return Reach::Elsewhere;
  }
  return Reach::Here;
}

/// It gets its addresses with its host.
bool awaits_host(const Port& port) { return port.deferred_addresses && port.fixed_ips.empty(); }

/// Ports that went meanwhile, or have the address, are none of ours.
Result<void> give_one(const Networks::Impl& impl, store::Txn& txn, const Subnet& subnet,
                      const PortId& id) {
  auto port = records::get<Port>(txn, id);
  if (!port || !has_auto_addresses(*port) || port->unaddressed || awaits_host(*port) ||
      has_address_of(*port, subnet.id))
    return Result<void>();
  CLOUDOS_TRY(const Network network, load<Network>(txn, subnet.network));
  CLOUDOS_TRY(const Reach reach, reach_of(txn, network, *port, subnet));
  if (reach == Reach::Elsewhere) return Result<void>();
  if (reach == Reach::Unknown) {
    // As if it were made now: where its host will be decides.
    port->deferred_addresses = true;
    return write_auto_port(impl, txn, *port);
  }
  FixedIp fixed{subnet.id, eui64_address(block_of(subnet), port->mac)};
  // Somebody asked for just this one: it stays where it is.
  if (records::find_unique(txn, Port::kKind, "address", subnet.network.value, fixed.address))
    return Result<void>();
  port->fixed_ips.push_back(std::move(fixed));
  return write_auto_port(impl, txn, *port);
}

Result<void> take_one(const Networks::Impl& impl, store::Txn& txn, const SubnetId& subnet,
                      const PortId& id) {
  auto port = records::get<Port>(txn, id);
  if (!port) return Result<void>();
  const auto gone = std::erase_if(port->fixed_ips,
                                  [&](const FixedIp& fixed) { return fixed.subnet == subnet; });
  return gone == 0 ? Result<void>() : write_auto_port(impl, txn, *port);
}

/// The ports that lack an address of the subnet, or stand where it is of no use. A port that is made
/// now reads the subnet and has it: those of a snapshot are all there are.
Result<std::vector<PortId>> lacking_ports(const store::Snapshot& snapshot, const Subnet& subnet) {
  std::vector<PortId> lacking;
  CLOUDOS_TRY(const auto ports, records::all<Port>(snapshot, "network", subnet.network.value));
  for (const Port& port : ports) {
    if (has_auto_addresses(port) && !port.unaddressed && !awaits_host(port) &&
        !has_address_of(port, subnet.id))
      lacking.push_back(port.id);
  }
  return lacking;
}

/// Pays what is owed to the subnet's ports. The caller holds impl.auto_addresses.
Result<void> give_owed(const Networks::Impl& impl, const SubnetId& id) {
  const std::string key = auto_due_key(id);
  std::string debt;
  std::optional<Subnet> subnet;
  std::vector<PortId> lacking;
  {
    CLOUDOS_TRY(const auto snapshot, impl.snapshot());
    CLOUDOS_TRY(const auto entry, snapshot->get(key));
    if (!entry) return Result<void>();
    debt = entry->value;
    if (auto found = records::get<Subnet>(*snapshot, id)) {
      subnet = std::move(*found);
      CLOUDOS_TRY(lacking, lacking_ports(*snapshot, *subnet));
    }
  }
  for (std::size_t from = 0; subnet && from < lacking.size(); from += kPortsPerCommit) {
    const std::size_t to = std::min(lacking.size(), from + kPortsPerCommit);
    CLOUDOS_CHECK(impl.engine.store.transact([&](store::Txn& txn) -> Result<void> {
      // Of a subnet that went nobody gets an address.
      const auto now = records::get<Subnet>(txn, id);
      if (!now) return Result<void>();
      for (std::size_t i = from; i < to; ++i)
        CLOUDOS_CHECK(give_one(impl, txn, *now, lacking[i]));
      return Result<void>();
    }));
  }
  CLOUDOS_CHECK(impl.engine.store.transact([&](store::Txn& txn) -> Result<void> {
    // A debt that was made since stays.
    const auto now = txn.get(key);
    if (now && *now == debt) txn.erase(key);
    return Result<void>();
  }));
  return Result<void>();
}

/// The reconciler does what failed here.
void give_or_log(const Networks::Impl& impl, const SubnetId& id) {
  if (const auto given = give_owed(impl, id); !given) {
    impl.log.warn(fmt::format("ports get their addresses of subnet {} later: {}", id.value,
                              given.error().message));
  }
}

}  // namespace

bool has_auto_addresses(const Port& port) {
  return port.router.empty() && port.device_owner != kFloatingOwner &&
         port.device_owner != kDhcpOwner;
}

void owe_auto_addresses(store::Txn& txn, const SubnetId& id) {
  const std::string key = auto_due_key(id);
  const auto debt = txn.get(key);
  txn.put(key, std::to_string(debt ? parse_unsigned(*debt).value_or(0) + 1 : 1));
}

void forget_auto_addresses(store::Txn& txn, const SubnetId& id) { txn.erase(auto_due_key(id)); }

void give_auto_addresses(Networks::Impl& impl, const SubnetId& id) {
  const std::lock_guard lock(impl.auto_addresses);
  give_or_log(impl, id);
}

Result<bool> give_all_auto_addresses(Networks::Impl& impl) {
  std::vector<store::Entry> owed;
  {
    CLOUDOS_TRY(const auto snapshot, impl.snapshot());
    CLOUDOS_TRY(owed, snapshot->scan(kAutoDuePrefix));
  }
  for (const store::Entry& entry : owed) {
    const std::lock_guard lock(impl.auto_addresses);
    CLOUDOS_CHECK(give_owed(impl, SubnetId{entry.key.substr(kAutoDuePrefix.size())}));
  }
  return owed.size() == limits::kScanPage;
}

AutoRelease::AutoRelease(Networks::Impl& impl, const SubnetId& id)
    : impl_(impl), id_(id), lock_(impl.auto_addresses, std::defer_lock) {}

AutoRelease::~AutoRelease() {
  if (taken_) give_or_log(impl_, id_);
}

Result<void> AutoRelease::find_holders() {
  holders_.clear();
  kept_ = false;
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  CLOUDOS_TRY(const auto ports, records::all<Port>(*snapshot, "subnet", id_.value));
  for (const Port& port : ports) {
    if (port.device_owner == kDhcpOwner) continue;
    kept_ = kept_ || !has_auto_addresses(port);
    holders_.push_back(port.id);
  }
  if (kept_) holders_.clear();
  return Result<void>();
}

Result<void> AutoRelease::prepare(const Context& ctx) {
  {
    CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
    CLOUDOS_TRY(const Subnet subnet, load_owned<Subnet>(*snapshot, ctx, id_));
    // The others' addresses go with the ports alone.
    if (!auto_addressed(subnet)) return Result<void>();
  }
  if (!lock_.owns_lock()) lock_.lock();
  CLOUDOS_CHECK(find_holders());
  while (holders_.size() > kPortsInDeletion) {
    CLOUDOS_CHECK(impl_.transact([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_CHECK(load_owned<Subnet>(txn, ctx, id_));
      owe_auto_addresses(txn, id_);
      for (std::size_t i = holders_.size() - kPortsPerCommit; i < holders_.size(); ++i)
        CLOUDOS_CHECK(take_one(impl_, txn, id_, holders_[i]));
      return Result<void>();
    }));
    taken_ = true;
    holders_.resize(holders_.size() - kPortsPerCommit);
  }
  return Result<void>();
}

Result<void> AutoRelease::drop(store::Txn& txn, const Subnet& subnet) const {
  for (const PortId& id : holders_) CLOUDOS_CHECK(take_one(impl_, txn, subnet.id, id));
  return Result<void>();
}

bool AutoRelease::outdated(const Subnet& subnet) const { return !kept_ && auto_addressed(subnet); }

}  // namespace cloudos::network
