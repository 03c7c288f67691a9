#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/scheduler.hpp"

/// Hosts as rankings read them: the plain states, and beside them what our own filters and weighers
/// look at, a column each. Ranking ten thousand hosts is then a few passes over contiguous numbers.
namespace cloudos::scheduler {

/// Many threads may read while none writes.
class HostTable {
 public:
  /// What is left of an amount, as a number that both compares and weighs. Exact: see is_plain().
  using Column = std::vector<double>;

  void assign(std::vector<HostState> states);
  void set_alive(std::size_t host, bool alive);
  /// Lets `change` alter one host and brings its columns up to date.
  template <class Change>
  void change(std::size_t host, const Change& change) {
    change(states_[host]);
    fill(host);
  }

  std::span<const HostState> states() const { return states_; }
  std::size_t size() const { return states_.size(); }

  /// Enabled and alive: 1, else 0.
  const std::vector<std::uint8_t>& usable() const { return usable_; }
  const std::vector<std::uint32_t>& zones() const { return zones_; }
  const Column& free_vcpus() const { return vcpus_; }
  const Column& free_ram_mib() const { return ram_mib_; }
  const Column& free_disk_gib() const { return disk_gib_; }

  /// The number of a zone in zones(); nothing when no host ever was in it.
  std::optional<std::uint32_t> zone_number(std::string_view zone) const;
  /// False once an amount was too large for a column to hold exactly: then rank the states.
  bool is_plain() const { return is_plain_; }
  static constexpr std::uint64_t kMostExact = std::uint64_t{1} << 53;

 private:
  void fill(std::size_t host);

  std::vector<HostState> states_;
  std::vector<std::uint8_t> usable_;
  std::vector<std::uint32_t> zones_;
  Column vcpus_, ram_mib_, disk_gib_;
  std::vector<std::string> zone_names_;
  bool is_plain_ = true;
};

/// A filter of ours: decides for all hosts at once too.
class ColumnFilter : public Filter {
 public:
  /// Clears `kept[i]` (1 or 0) where pass() says no.
  virtual void keep(const HostTable& hosts, const Request& request,
                    std::span<std::uint8_t> kept) const = 0;
};

/// A weigher of ours: its raw values are a column, none of them below zero.
class ColumnWeigher : public Weigher {
 public:
  virtual const HostTable::Column& column(const HostTable& hosts) const = 0;
};

/// rank() of the table's states: the same answer, sooner. Filters and weighers of others are asked
/// host by host, as there.
Ranking rank(const Policy& policy, const HostTable& hosts, const Request& request,
             std::size_t most = 16);

}  // namespace cloudos::scheduler
