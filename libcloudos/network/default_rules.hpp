#pragma once
#include <string>
#include <vector>

#include "cloudos/default_rules.hpp"
#include "cloudos/store.hpp"
#include "network/record.hpp"

namespace cloudos {

void fields(codec::FieldVisitor& v, DefaultRule& r);

namespace network {

/// All of them as one record, so that the transaction that makes a group reads them without a scan.
/// Not there: they are those a cloud starts with.
struct DefaultRuleSet {
  static constexpr std::string_view kKind = "default_rule_set";
  static constexpr std::uint32_t kSchema = 1;
  std::string id = "all";
  std::uint64_t generation = 0;
  std::vector<DefaultRule> rules;
  std::string unknown;
};
void fields(codec::FieldVisitor& v, DefaultRuleSet& s);
void keys(records::Keys& k, const DefaultRuleSet& s);

/// What a new group begins with; rules get `ids` in turn, and ids made of the group's behind them.
/// Templates whose remote group is gone are left out.
Result<std::vector<SecurityGroupRule>> rules_of_new(store::Txn& txn, const SecurityGroup& group,
                                                    const std::vector<SecurityGroupRuleId>& ids);

}  // namespace network
}  // namespace cloudos
