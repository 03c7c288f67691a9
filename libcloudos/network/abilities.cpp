#include "network/abilities.hpp"

#include <algorithm>

namespace cloudos::network {

std::vector<std::string> able(const Wiring& wiring, std::string_view one, std::string_view whole) {
  std::vector<std::string> names;
  for (const auto& host : wiring.abilities()) {
    bool works = false;
    for (const Ability& ability : host.abilities)
      works = works || (ability.works && (ability.name == one || ability.name == whole));
    if (works && std::find(names.begin(), names.end(), host.driver) == names.end())
      names.push_back(host.driver);
  }
  return names;
}

}  // namespace cloudos::network
