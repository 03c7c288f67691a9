#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cloudos/network_inspect.hpp"
#include "cloudos/result.hpp"
#include "network/linuxbridge/ruleset.hpp"

struct nft_ctx;

namespace cloudos::network::linuxbridge {

/// A chain by family and name: {"bridge", "prerouting"}.
using ChainName = std::pair<std::string, std::string>;

/// The packet filter of the calling thread's namespace, as it is. One thread at a time.
class LiveTables {
 public:
  struct Rule {
    std::string text;                      ///< As nft prints it; counters without their counts.
    std::optional<std::uint64_t> packets;  ///< Of its counter.
  };
  /// Errors: Unavailable.
  static Result<LiveTables> open();
  bool has_table(const std::string& family, const std::string& table);
  /// Nothing: there is no such chain.
  std::optional<std::vector<Rule>> chain(const std::string& family, const std::string& table,
                                         const std::string& name);
  /// What nft prints for the element, or nothing when the set or map has none such.
  std::optional<std::string> element(const std::string& family, const std::string& table,
                                     const std::string& set, const std::string& key);
  /// Chains of other tables that forwarded packets pass and that drop what they do not know.
  struct Stranger {
    std::string name;
    bool closed = false;  ///< It has no rules: it drops all.
  };
  std::vector<Stranger> strangers(const std::string& own_table);
  Result<void> run(const std::string& commands);

 private:
  struct Free {
    void operator()(nft_ctx* context) const;
  };
  explicit LiveTables(std::unique_ptr<nft_ctx, Free> context) : context_(std::move(context)) {}
  std::optional<std::string> ask(const std::string& command);
  std::unique_ptr<nft_ctx, Free> context_;
};

/// The chains as nft prints them once they are in a kernel: tried in a namespace of their own, so
/// that nothing on the host notices. Errors: Unavailable.
Result<std::map<ChainName, std::vector<LiveTables::Rule>>> printed_chains(
    const Ruleset& rules, const std::vector<ChainName>& chains);

/// Compares chains and elements of one host's filter with a ruleset, and notes what differs.
class FilterComparison {
 public:
  FilterComparison(LiveTables& live, const Ruleset& wanted, Finding& finding)
      : live_(live), wanted_(wanted), finding_(finding) {}
  /// A chain that is to hold exactly what the ruleset has. `opens`: without its rules packets pass.
  void chain(std::string_view family, const std::string& name, bool opens = false);
  /// One of the ruleset's rules of the chain is to be there, whatever else is.
  void any_rule(std::string_view family, const std::string& name);
  /// The element is to be there with the ruleset's value.
  void element(std::string_view family, const std::string& set, const std::string& key,
               bool opens = false);
  /// Does what chain() and any_rule() asked for. Errors: Unavailable.
  Result<void> finish();

 private:
  struct Wish {
    ChainName name;
    bool opens = false, any = false;
  };
  void compare(const Wish& wish, const std::vector<LiveTables::Rule>& wanted);
  LiveTables& live_;
  const Ruleset& wanted_;
  Finding& finding_;
  std::vector<Wish> wishes_;
};

}  // namespace cloudos::network::linuxbridge
