#pragma once
#include <optional>
#include <set>
#include <string>

#include "cloudos/result.hpp"
#include "network/linuxbridge/nft.hpp"
#include "network/linuxbridge/ruleset.hpp"

namespace cloudos::network::linuxbridge {

/// Keeps the kernel's tables equal to a Ruleset, with as little writing as it takes.
///
/// A change writes only the difference to what was written last. verify() also finds out whether
/// somebody else touched our tables: the kernel counts everybody's transactions, so an unchanged
/// count proves that nothing happened; else the tables are listed and compared to the last listing.
/// One thread at a time.
class Filter {
 public:
  Filter(Nft nft, std::string table) : nft_(std::move(nft)), table_(std::move(table)) {}
  /// What was written last; nothing before the first write.
  const std::optional<Ruleset>& applied() const { return applied_; }
  /// Errors: Unavailable.
  Result<void> apply(const Ruleset& wanted);
  /// Like apply(), and repairs what others did to our tables.
  Result<void> verify(const Ruleset& wanted);
  /// What was written last once more, if others touched it. Errors: Unavailable.
  Result<void> restore();
  /// Removes our tables, if they are there.
  Result<void> remove();
  /// Nft::forget_flows() of the same host.
  Result<void> forget_flows(const std::set<FlowOwner>& owners) { return nft_.forget_flows(owners); }
  /// Whether the kernel has a table of ours.
  Result<std::optional<std::string>> present();

 private:
  Result<void> replace_whole(const Ruleset& wanted);
  Result<std::string> fingerprint();
  void take_over(const Ruleset& wanted);
  Nft nft_;
  std::string table_;
  std::optional<Ruleset> applied_;
  std::uint32_t generation_ = 0;            ///< After our last write.
  bool others_wrote_ = false;               ///< Around our last writes.
  std::optional<std::string> fingerprint_;  ///< Of the listing after our last write, once taken.
};

}  // namespace cloudos::network::linuxbridge
