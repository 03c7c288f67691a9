#include "admin.hpp"

namespace cli {
namespace {

// Each owner of commands has a file admin_<subject>.cpp and its rows here.
constexpr std::span<const AdminCommand> kAdminCommands;

}  // namespace

std::span<const AdminCommand> admin_commands() { return kAdminCommands; }

std::string admin_value(const AdminGiven& given, std::string_view flag) {
  const auto it = given.find(flag);
  return it == given.end() || it->second.empty() ? std::string() : it->second.front();
}

}  // namespace cli
