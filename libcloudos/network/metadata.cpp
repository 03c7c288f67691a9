#include "network/impl.hpp"

namespace cloudos::network {
namespace {

MetadataAnswer no_metadata(int status, std::string words) {
  return {status, "text/plain", std::move(words)};
}

}  // namespace

MetadataHandler metadata_handler(Networks& networks) {
  return [&impl = networks.impl()](const NetworkId& network, const std::string& address,
                                   const std::string& path) -> MetadataAnswer {
    MetadataSource* const source = impl.metadata.load();
    if (source == nullptr) return no_metadata(503, "metadata is not served yet\n");
    const auto snapshot = impl.snapshot();
    if (!snapshot) return no_metadata(503, "metadata cannot be read now\n");
    const auto id =
        records::find_unique(**snapshot, Port::kKind, "address", network.value, address);
    if (!id || !*id) return no_metadata(404, "not found\n");
    const auto port = records::get<Port>(**snapshot, **id);
    // Only what is plugged asks: an address on a record alone proves nothing.
    if (!port || !port->plugged || !port->attached)
      return no_metadata(404, "not found\n");
    auto answer = source->document(ServerId{port->device_id}, path);
    if (answer) return std::move(*answer);
    if (answer.error().code == ErrorCode::NotFound) return no_metadata(404, "not found\n");
    impl.log.warn("metadata for port " + port->id.value + ": " + answer.error().message);
    return no_metadata(500, "metadata cannot be made now\n");
  };
}

}  // namespace cloudos::network
