#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "cloudos/store.hpp"

namespace cloudos::store {

/// Where the marks of guests' commits lie (guest_service.cpp): the store's own, outside the limits.
inline constexpr std::string_view kGuestMarkers = "/guest-commit/";
/// The event of a commit: no change may be refused for being told of.
inline constexpr std::string_view kAuditRows = "/audit_change/";

/// The writes of one body over a committed state, with the limits that every backend shares.
/// A backend gives it two questions about what is committed; it answers the rest.
class TxnBuffer final : public Txn {
 public:
  struct Committed {
    std::function<std::optional<std::string_view>(std::string_view key)> get;
    /// The first key at or after `from` that starts with `prefix`.
    std::function<std::optional<std::string>(std::string_view prefix, std::string_view from)> first;
  };
  using Writes = std::map<std::string, std::optional<std::string>, std::less<>>;

  explicit TxnBuffer(Committed committed) : committed_(std::move(committed)) {}

  std::optional<std::string_view> get(std::string_view key) override;
  void put(std::string_view key, std::string_view value) override;
  void erase(std::string_view key) override;
  bool none(std::string_view prefix) override;

  /// A backend's read failed: transact() ends with this.
  void set_error(Error error);
  /// Runs the body; then its error, or the first one kept. Exceptions of a body become Internal.
  Result<void> run(const Body& body);
  const Writes& writes() const { return writes_; }

 private:
  bool check_key(std::string_view key);
  void write(std::string_view key, std::optional<std::string> value);

  Committed committed_;
  Writes writes_;
  std::size_t bytes_ = 0;
  std::size_t exempt_ = 0;  // Writes that do not count.
  std::optional<Error> error_;
};

}  // namespace cloudos::store
