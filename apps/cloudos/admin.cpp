#include "admin.hpp"

#include "admin_config.hpp"
#include "admin_policy.hpp"
#include "admin_store.hpp"

namespace cli {
namespace {

// Each owner of commands has a file admin_<subject>.cpp with its rows, and a line here.
std::span<const AdminCommand> (*const kOwners[])() = {config_commands, policy_commands,
                                                     store_commands};

}  // namespace

std::span<const AdminCommand> admin_commands() {
  static const std::vector<AdminCommand> kAll = [] {
    std::vector<AdminCommand> all;
    for (const auto owner : kOwners) all.insert(all.end(), owner().begin(), owner().end());
    return all;
  }();
  return kAll;
}

std::string admin_value(const AdminGiven& given, std::string_view flag) {
  const auto it = given.find(flag);
  return it == given.end() || it->second.empty() ? std::string() : it->second.front();
}

}  // namespace cli
