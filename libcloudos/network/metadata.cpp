#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>

#include "network/impl.hpp"

namespace cloudos::network {
namespace {

MetadataAnswer no_metadata(int status, std::string words) {
  return {status, "text/plain", std::move(words)};
}

/// The MAC that an address like fe80::f816:3eff:fe00:1 was made of; nothing for other addresses.
std::optional<std::string> mac_of_link_local(const std::string& address) {
  std::array<unsigned char, 16> raw{};
  if (inet_pton(AF_INET6, address.c_str(), raw.data()) != 1) return std::nullopt;
  if (raw[0] != 0xfe || raw[1] != 0x80 || raw[11] != 0xff || raw[12] != 0xfe) return std::nullopt;
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", raw[8] ^ 2U, raw[9], raw[10],
                     raw[13], raw[14], raw[15]);
}

}  // namespace

MetadataHandler metadata_handler(Networks& networks) {
  return [&impl = networks.impl()](const NetworkId& network, const std::string& address,
                                   const std::string& path) -> MetadataAnswer {
    MetadataSource* const source = impl.metadata.load();
    if (source == nullptr) return no_metadata(503, "metadata is not served yet\n");
    const auto snapshot = impl.snapshot();
    if (!snapshot) return no_metadata(503, "metadata cannot be read now\n");
    // A link-local address is made of the MAC, and guests send by no other.
    const auto mac = mac_of_link_local(address);
    const auto id = records::find_unique(**snapshot, Port::kKind, mac ? "mac" : "address",
                                         network.value, mac ? *mac : address);
    if (!id || !*id) return no_metadata(404, "not found\n");
    const auto port = records::get<Port>(**snapshot, **id);
    // Only what is plugged asks: an address on a record alone proves nothing.
    if (!port || !port->plugged || !port->attached) return no_metadata(404, "not found\n");
    auto answer = source->document(ServerId{port->device_id}, path);
    if (answer) return std::move(*answer);
    if (answer.error().code == ErrorCode::NotFound) return no_metadata(404, "not found\n");
    impl.log.warn("metadata for port " + port->id.value + ": " + answer.error().message);
    return no_metadata(500, "metadata cannot be made now\n");
  };
}

}  // namespace cloudos::network
