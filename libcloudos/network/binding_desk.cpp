#include "network/binding_desk.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cloudos/network_limits.hpp"
#include "network/impl.hpp"
#include "network/segments.hpp"
#include "network/unfinished.hpp"

namespace cloudos {
namespace network {
namespace {

constexpr std::string_view kNoBinding = "PortBindingError";
constexpr std::string_view kBindingFailed = "binding_failed";

/// What was found for the network as it was asked for is true of it as it is now: the segments of
/// the binding are there, or there is none more on which a driver could take it.
bool holds_still(const BindingDesk::Ask& ask, const Result<Wiring::Bound>& found,
                 const Network& now) {
  const auto before = network_segments(ask.network), after = network_segments(now);
  if (!found) {
    return std::all_of(after.begin(), after.end(), [&](const NetworkSegment& one) {
      return one.dynamic || segment_in(before, one.id) != nullptr;
    });
  }
  const auto& levels = (*found).levels;
  return std::all_of(levels.begin(), levels.end(), [&](const BindingLevel& one) {
    return segment_in(after, one.segment) != nullptr;
  });
}

/// Asks the drivers what the last run of a transaction wanted to know.
Result<void> serve_desk(const Networks::Impl& impl, BindingDesk& desk) {
  BindingDesk::Ask ask = *desk.wanted();
  auto found = impl.wiring.bind(ask.network, ask.port, [&](const LowerSegment& kind) {
    auto segment = impl.dynamic_segment(ask.network.id, kind);
    if (segment) desk.made.emplace_back(ask.network.id, segment->id);
    return segment;
  });
  if (!desk.made.empty()) {
    // The network has a segment more now: that is what the binding stands on.
    CLOUDOS_TRY(const auto snapshot, impl.snapshot());
    auto network = records::get<Network>(*snapshot, ask.network.id);
    // What does not hold any more is asked for again by the run that comes, if it gets so far.
    if (!network && network.error().code == ErrorCode::NotFound) return Result<void>();
    if (!network) return fail(std::move(network).error());
    if (!holds_still(ask, found, *network)) return Result<void>();
    ask.network = std::move(*network);
  }
  desk.answer(ask, std::move(found));
  return Result<void>();
}

/// Segments that were made for a binding that then came to nothing.
void clear_desk(const Networks::Impl& impl, const BindingDesk& desk) {
  for (const auto& made : desk.made) {
    const std::vector<BindingLevel> levels{{{}, made.second}};
    const auto done = impl.engine.store.transact(
        [&](store::Txn& txn) { return impl.release_levels(txn, made.first, levels); });
    if (!done) impl.log.warn("a dynamic segment is left: " + done.error().message);
  }
}

/// Found within the transaction, whose owner has no desk: with what is there, nothing is made.
Result<Wiring::Bound> bind_at_once(const Networks::Impl& impl, const BindingDesk::Ask& ask) {
  return impl.wiring.bind(
      ask.network, ask.port, [&](const LowerSegment& kind) -> Result<NetworkSegment> {
        for (const NetworkSegment& one : ask.network.segments) {
          if (one.dynamic && one.network_type == kind.network_type &&
              one.physical_network == kind.physical_network)
            return one;
        }
        return fail_as(
            kNoBinding, ErrorCode::Unsupported,
            "the port needs a segment of its own below its network's: bind it by itself");
      });
}

/// The port is about to be written: its dynamic segments are in use from then on.
void keep_segments(store::Txn& txn, const Network& network, const Port& port) {
  for (const BindingLevel& level : port.levels) {
    const auto* segment = segment_in(network.segments, level.segment);
    if (segment == nullptr || !segment->dynamic) continue;
    const std::string due = segment_due(network.id, segment->id);
    if (txn.get(due)) txn.erase(due);
  }
}

}  // namespace

Result<bool> release_due_segments(Networks::Impl& impl) {
  CLOUDOS_TRY(const auto snapshot, impl.snapshot());
  store::ScanOptions options;
  options.keys_only = true;
  options.limit = limits::kListPage;
  CLOUDOS_TRY(const auto due, snapshot->scan(kSegmentDuePrefix, options));
  for (const auto& entry : due) {
    const std::string rest = entry.key.substr(kSegmentDuePrefix.size());
    const auto slash = rest.find('/');
    if (slash == std::string::npos) continue;
    const NetworkId network{rest.substr(0, slash)};
    const std::vector<BindingLevel> levels{{{}, SegmentId{rest.substr(slash + 1)}}};
    CLOUDOS_CHECK(impl.engine.store.transact([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_CHECK(impl.release_levels(txn, network, levels));
      txn.erase(entry.key);
      return Result<void>();
    }));
  }
  return due.size() == options.limit;
}

std::string BindingDesk::place_of(const Ask& ask) {
  return fmt::format("{}|{}|{}|{}", ask.network.id.value, ask.port.host, ask.port.vnic_type,
                     ask.port.profile);
}

std::string BindingDesk::key_of(const Ask& ask) {
  std::string key = place_of(ask);
  for (const NetworkSegment& one : network_segments(ask.network)) {
    key += fmt::format("|{}:{}:{}:{}:{}", one.id.value, one.network_type, one.physical_network,
                       one.segmentation_id.value_or(0), one.dynamic);
  }
  return key;
}

const Result<Wiring::Bound>* BindingDesk::answer_to(const Ask& ask) const {
  const auto found = answers_.find(key_of(ask));
  return found == answers_.end() ? nullptr : &found->second;
}

bool BindingDesk::begin_wanted() {
  return wanted_ && ++begun_[place_of(*wanted_)] <= limits::kBindTries;
}

void BindingDesk::answer(const Ask& ask, Result<Wiring::Bound> found) {
  answers_.insert_or_assign(key_of(ask), std::move(found));
}

}  // namespace network

Result<store::Revision> Networks::Impl::transact_bound(const store::Body& body) const {
  network::BindingDesk desk;
  const auto at_desk = [&](store::Txn& txn) -> Result<void> {
    desk.forget_wanted();
    network::DeskTxn with(txn, desk);
    auto done = body(with);
    // Also when the body went on without its binding: it comes again and gets it.
    if (desk.wanted()) return fail(ErrorCode::Stale, "a binding is to be found first");
    return done;
  };
  for (;;) {
    auto done = guarded.load(std::memory_order_relaxed) == 0 ? engine.store.transact(at_desk)
                                                             : transact_guarded(at_desk);
    if (desk.begin_wanted()) {
      auto served = network::serve_desk(*this, desk);
      if (served) continue;
      done = fail(std::move(served).error());
    } else if (desk.wanted()) {
      done = network::fail_as(network::kNoBinding, ErrorCode::Conflict,
                              "what the port's binding stands on keeps changing: try again");
    }
    network::clear_desk(*this, desk);
    return done;
  }
}

Result<void> Networks::Impl::bind_port(store::Txn& txn, const Network& network, Port& port,
                                       std::string_view host) const {
  network::BindingDesk::Ask ask;
  ask.network = network;
  ask.port.host = host;
  ask.port.vnic_type = port.vnic_type;
  ask.port.profile = port.profile;
  std::optional<Result<network::Wiring::Bound>> found;
  if (auto* with = dynamic_cast<network::DeskTxn*>(&txn)) {
    const auto* answer = with->desk().answer_to(ask);
    if (answer == nullptr) {
      with->desk().want(std::move(ask));
      return fail(ErrorCode::Stale, "a binding is to be found first");
    }
    found = *answer;
  } else {
    found = network::bind_at_once(*this, ask);
  }
  if (!*found) return fail(found->error());
  const network::Binding& binding = (*found)->binding;
  Port bound = port;
  bound.host = host;
  bound.driver = binding.driver;
  bound.vif_type = binding.vif_type;
  bound.vif_details = binding.vif_details;
  bound.levels.clear();
  if (!network.segments.empty()) bound.levels = (*found)->levels;
  CLOUDOS_CHECK(network::check_addresses_reach(txn, network, bound));
  port = std::move(bound);
  CLOUDOS_CHECK(take_deferred(txn, network, port));
  network::keep_segments(txn, network, port);
  return Result<void>();
}

Result<void> Networks::Impl::bind_or_note(store::Txn& txn, const Network& network, Port& port,
                                          std::string_view host) const {
  auto bound = bind_port(txn, network, port, host);
  if (bound || bound.error().type != network::kNoBinding) return bound;
  port.host = host;
  port.driver.clear();
  port.levels.clear();
  port.vif_type = network::kBindingFailed;
  port.vif_details = {{"reason", bound.error().message}};
  return Result<void>();
}

Result<void> Networks::Impl::take_deferred(store::Txn& txn, const Network& network,
                                           Port& port) const {
  if (!port.deferred_addresses || !port.fixed_ips.empty()) return Result<void>();
  CLOUDOS_TRY(port.fixed_ips, take_addresses(txn, network, port, nullptr));
  port.deferred_addresses = port.fixed_ips.empty();
  return Result<void>();
}

Result<NetworkSegment> Networks::Impl::dynamic_segment(const NetworkId& id,
                                                       const network::LowerSegment& kind) const {
  NetworkSegment draft;
  draft.id = engine.ids.make<SegmentId>();
  draft.network_type = kind.network_type;
  draft.physical_network = kind.physical_network;
  draft.dynamic = true;
  draft.created_at = draft.updated_at = engine.clock.wall();
  NetworkSegment made;
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(Network network, network::load<Network>(txn, id));
    for (const NetworkSegment& one : network.segments) {
      if (!one.dynamic || one.network_type != kind.network_type ||
          one.physical_network != kind.physical_network)
        continue;
      made = one;
      return Result<void>();
    }
    made = draft;
    CLOUDOS_CHECK(add_segment(txn, network, {kind.physical_network, {}}, made));
    CLOUDOS_CHECK(records::update(txn, network));
    txn.put(network::segment_due(id, made.id), "1");
    return precommit_network(txn, network);
  }));
  return made;
}

Result<void> Networks::Impl::release_levels(store::Txn& txn, const NetworkId& id,
                                            const std::vector<BindingLevel>& before) const {
  if (before.empty()) return Result<void>();
  auto network = records::get<Network>(txn, id);
  // Its segments went with it.
  if (!network && network.error().code == ErrorCode::NotFound) return Result<void>();
  if (!network) return fail(std::move(network).error());
  bool changed = false;
  for (const BindingLevel& level : before) {
    const auto* segment = network::segment_in(network->segments, level.segment);
    if (segment == nullptr || !segment->dynamic) continue;
    if (!txn.none(records::index_prefix(Port::kKind, "segment", level.segment.value))) continue;
    CLOUDOS_CHECK(drop_segment(txn, *network, level.segment));
    changed = true;
  }
  if (!changed) return Result<void>();
  CLOUDOS_CHECK(records::update(txn, *network));
  return precommit_network(txn, *network);
}

}  // namespace cloudos
