#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/networks.hpp"

namespace cloudos {

/// Where a port is carried, and where it is about to be: for moves of a running guest. Admins.
/// A view of `networks`, which outlives it. Thread-safe. Errors of all: Forbidden, NotFound.
class CLOUDOS_EXPORT PortBindings final {
 public:
  explicit PortBindings(Networks& networks) : networks_(networks) {}

  /// The active one first, if the port is bound.
  Result<std::vector<PortBinding>> list(const Context& ctx, const PortId& id) const;
  /// Prepares a binding on another host; the port stays where it is. Errors: NotFound, Conflict
  /// (the host has one), Unsupported (no driver binds it there), InvalidArgument.
  Result<PortBinding> add(const Context& ctx, const PortId& id, const PortBinding& asked);
  /// The host's binding becomes the active one, and the one before an inactive one: the device is
  /// to be plugged there. Errors: NotFound, Conflict (it is active already).
  Result<PortBinding> activate(const Context& ctx, const PortId& id, std::string_view host);
  /// Errors: NotFound (no inactive one on that host).
  Result<void> remove(const Context& ctx, const PortId& id, std::string_view host);

 private:
  Networks& networks_;
};

}  // namespace cloudos
