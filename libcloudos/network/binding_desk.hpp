#pragma once
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cloudos/networks.hpp"
#include "cloudos/store.hpp"
#include "network/wiring.hpp"

/// Bindings are found outside transactions and written within them. A transaction that needs one
/// leaves word at its desk and ends; drivers are asked; it runs again and takes what lies there, as
/// long as host, kind and segments are still those that were asked for.
namespace cloudos::network {

class BindingDesk {
 public:
  struct Ask {
    Network network;
    PortContext port;
  };
  /// Null: nobody was asked yet.
  const Result<Wiring::Bound>* answer_to(const Ask& ask) const;
  void want(Ask ask) { wanted_ = std::move(ask); }
  void forget_wanted() { wanted_.reset(); }
  const std::optional<Ask>& wanted() const { return wanted_; }
  /// Whether what is wanted may be looked for: a transaction may want many bindings, but each only
  /// so often, for what it stands on may keep changing.
  bool begin_wanted();
  void answer(const Ask& ask, Result<Wiring::Bound> found);

  /// Segments that were made for bindings of this desk, and their networks.
  std::vector<std::pair<NetworkId, SegmentId>> made;

 private:
  static std::string place_of(const Ask& ask);  ///< Without the network's segments.
  static std::string key_of(const Ask& ask);
  std::optional<Ask> wanted_;
  std::map<std::string, std::size_t> begun_;  ///< By place.
  std::map<std::string, Result<Wiring::Bound>> answers_;
};

/// A transaction with a desk beside it.
class DeskTxn final : public store::Txn {
 public:
  DeskTxn(store::Txn& inner, BindingDesk& desk) : inner_(inner), desk_(desk) {}
  std::optional<std::string_view> get(std::string_view key) override { return inner_.get(key); }
  void put(std::string_view key, std::string_view value) override { inner_.put(key, value); }
  void erase(std::string_view key) override { inner_.erase(key); }
  bool none(std::string_view prefix) override { return inner_.none(prefix); }
  BindingDesk& desk() { return desk_; }

 private:
  store::Txn& inner_;
  BindingDesk& desk_;
};

}  // namespace cloudos::network
