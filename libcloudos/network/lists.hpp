#pragma once
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloudos/networks.hpp"

namespace cloudos::network {

/// One attribute of a record as lists compare it. An attribute with several values matches by any.
struct Attribute {
  enum class Kind : std::uint8_t { Text, Number, Flag, Tags } kind = Kind::Text;
  std::vector<std::string> values;

  static Attribute text(std::string value) { return {Kind::Text, {std::move(value)}}; }
  static Attribute texts(std::vector<std::string> values) {
    return {Kind::Text, std::move(values)};
  }
  static Attribute flag(bool value) { return {Kind::Flag, {value ? "true" : "false"}}; }
  static Attribute number(std::uint64_t value) { return {Kind::Number, {std::to_string(value)}}; }
  static Attribute number(const std::optional<std::uint32_t>& value) {
    return value ? number(*value) : Attribute{Kind::Number, {}};
  }
};

/// An attribute whose equality an index answers: {"network_id", "network"}.
using ListIndex = std::pair<std::string_view, std::string_view>;
using ListIndexes = std::vector<ListIndex>;

}  // namespace cloudos::network

// A resource is listed by these two, found by argument-dependent lookup (network/listing.hpp):
// list_attribute(record, name), and list_indexes(pointer to the type), narrowest first, which may be
// left out.
namespace cloudos {

/// The attribute by its name in the Networking API; nothing when the resource has none such.
std::optional<network::Attribute> list_attribute(const Network& network, std::string_view name);
std::optional<network::Attribute> list_attribute(const Subnet& subnet, std::string_view name);
std::optional<network::Attribute> list_attribute(const Port& port, std::string_view name);
std::optional<network::Attribute> list_attribute(const SecurityGroup& group,
                                                 std::string_view name);
std::optional<network::Attribute> list_attribute(const SecurityGroupRule& rule,
                                                 std::string_view name);
network::ListIndexes list_indexes(const Port*);
network::ListIndexes list_indexes(const Subnet*);
network::ListIndexes list_indexes(const SecurityGroupRule*);

}  // namespace cloudos
