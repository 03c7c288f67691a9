#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/networks.hpp"

namespace cloudos::network {

/// One attribute of a record as lists compare it. An attribute with several values matches by any.
struct Attribute {
  enum class Kind : std::uint8_t { Text, Number, Flag } kind = Kind::Text;
  std::vector<std::string> values;
};

/// The attribute by its name in the Networking API; nothing when the resource has none such.
std::optional<Attribute> attribute(const Network& network, std::string_view name);
std::optional<Attribute> attribute(const Subnet& subnet, std::string_view name);
std::optional<Attribute> attribute(const Port& port, std::string_view name);
std::optional<Attribute> attribute(const SecurityGroup& group, std::string_view name);
std::optional<Attribute> attribute(const SecurityGroupRule& rule, std::string_view name);

}  // namespace cloudos::network
