#include "cloudos/metering_labels.hpp"

#include <fmt/format.h>

#include "network/address.hpp"
#include "network/bulk.hpp"
#include "network/extra_records.hpp"
#include "network/impl.hpp"
#include "network/listing.hpp"

namespace cloudos {
namespace network {
namespace {

Result<std::string> metered_prefix(std::string_view name, const std::string& asked) {
  if (asked.empty()) return std::string();
  const auto cidr = normalise_cidr(asked);
  if (!cidr)
    return invalid(fmt::format("{}: '{}' is not an address or CIDR", name, asked.substr(0, 64)));
  return cidr->text;
}

Result<MeteringRule> draft_metering_rule(const MeteringRuleCreate& spec) {
  MeteringRule rule;
  if (spec.direction != "ingress" && spec.direction != "egress")
    return invalid("direction must be ingress or egress");
  rule.ingress = spec.direction == "ingress";
  rule.label = spec.label;
  rule.excluded = spec.excluded;
  CLOUDOS_TRY(rule.remote, metered_prefix("remote_ip_prefix", spec.remote));
  CLOUDOS_TRY(rule.source, metered_prefix("source_ip_prefix", spec.source));
  CLOUDOS_TRY(rule.destination, metered_prefix("destination_ip_prefix", spec.destination));
  if (!rule.remote.empty() && !(rule.source.empty() && rule.destination.empty()))
    return invalid("remote_ip_prefix excludes source_ip_prefix and destination_ip_prefix");
  if (rule.remote.empty() && rule.source.empty() && rule.destination.empty())
    return invalid("source_ip_prefix, destination_ip_prefix or remote_ip_prefix is needed");
  return rule;
}

}  // namespace
}  // namespace network

MeteringLabels& Networks::metering_labels() { return impl_->metering; }

Result<std::vector<MeteringLabel>> MeteringLabels::create(
    const Context& ctx, const std::vector<MeteringLabelCreate>& specs) {
  CLOUDOS_CHECK(network::admin_only(ctx, true, "metering_label"));
  const auto drafted = [&](const MeteringLabelCreate& spec) -> Result<MeteringLabel> {
    CLOUDOS_TRY(auto draft, network::draft_owned<MeteringLabel>(impl_, ctx, spec));
    draft.shared = spec.shared;
    return draft;
  };
  return network::create_all<MeteringLabel>(impl_, ctx, specs, drafted,
                                            network::insert_plain<MeteringLabel>);
}

Result<MeteringLabel> MeteringLabels::label(const Context& ctx, const MeteringLabelId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  return network::load_seen<MeteringLabel>(*snapshot, ctx, id);
}

Result<std::vector<MeteringLabel>> MeteringLabels::labels(const Context& ctx,
                                                          const NetworkListSpec& spec) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  return network::list_records<MeteringLabel>(*snapshot, ctx, spec);
}

Result<void> MeteringLabels::remove(const Context& ctx, const MeteringLabelId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  return store::replan([&]() -> Result<void> {
    std::vector<MeteringRule> rules;
    {
      CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
      CLOUDOS_TRY(rules, records::all<MeteringRule>(*snapshot, "label", id.value));
    }
    return impl_.transact([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_CHECK(network::load_owned<MeteringLabel>(txn, ctx, id));
      for (const MeteringRule& rule : rules)
        if (records::get<MeteringRule>(txn, rule.id))
          CLOUDOS_CHECK(records::erase<MeteringRule>(txn, rule.id));
      if (!txn.none(records::index_prefix(MeteringRule::kKind, "label", id.value)))
        return fail(ErrorCode::Stale, "a rule was added meanwhile");
      return records::erase<MeteringLabel>(txn, id);
    });
  });
}

Result<std::vector<MeteringRule>> MeteringLabels::create_rules(
    const Context& ctx, const std::vector<MeteringRuleCreate>& specs) {
  CLOUDOS_CHECK(network::admin_only(ctx, true, "metering_label_rule"));
  const auto drafted = [&](const MeteringRuleCreate& spec) -> Result<MeteringRule> {
    CLOUDOS_TRY(auto draft, network::draft_metering_rule(spec));
    draft.id = impl_.engine.ids.make<MeteringRuleId>();
    draft.created_at = draft.updated_at = impl_.engine.clock.wall();
    return draft;
  };
  const auto insert = [&](store::Txn& txn, MeteringRule rule) -> Result<MeteringRule> {
    CLOUDOS_TRY(const auto label, network::load_owned<MeteringLabel>(txn, ctx, rule.label));
    rule.project = label.project;
    const std::string twin = fmt::format("{}|{}|{}|{}", rule.ingress, rule.remote, rule.source,
                                         rule.destination);
    if (records::find_unique(txn, MeteringRule::kKind, "rule", rule.label.value, twin)) {
      return network::fail_as("MeteringLabelRuleOverlaps", ErrorCode::Conflict,
                              "Metering label rule overlaps with another one of its label.");
    }
    return network::insert_plain(txn, std::move(rule));
  };
  return network::create_all<MeteringRule>(impl_, ctx, specs, drafted, insert);
}

Result<MeteringRule> MeteringLabels::rule(const Context& ctx, const MeteringRuleId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  return network::load_seen<MeteringRule>(*snapshot, ctx, id);
}

Result<std::vector<MeteringRule>> MeteringLabels::rules(const Context& ctx,
                                                        const NetworkListSpec& spec) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  return network::list_records<MeteringRule>(*snapshot, ctx, spec);
}

Result<void> MeteringLabels::remove_rule(const Context& ctx, const MeteringRuleId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  return impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(network::load_owned<MeteringRule>(txn, ctx, id));
    return records::erase<MeteringRule>(txn, id);
  });
}

}  // namespace cloudos
