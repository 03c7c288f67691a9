#pragma once
#include <chrono>
#include <cstdint>
#include <memory>

#include "cloudos/metrics.hpp"
#include "store/lmdb_env.hpp"

namespace cloudos::store::lmdb {

/// What is counted of the owner's store. Thread-safe.
class Meters final {
 public:
  Meters(std::shared_ptr<Metrics> metrics, std::shared_ptr<Env> env);

  /// One write transaction became durable: so many bodies that wrote so many bytes shared it.
  void committed(std::chrono::nanoseconds took, std::size_t bodies, std::uint64_t bytes);
  void failed() { failed_.add(); }

 private:
  // Shared with whoever reads them; first, for all below lives in it.
  const std::shared_ptr<Metrics> metrics_;
  Histogram& seconds_;
  Histogram& bodies_;
  Histogram& bytes_;
  Counter& failed_;
  const Metrics::Collector collector_;
};

/// What the environment says of itself, and the snapshots that are open in it.
struct EnvFacts {
  std::uint64_t map_bytes = 0, used_bytes = 0;
  std::uint64_t snapshots = 0;    ///< Open now.
  std::uint64_t oldest_lag = 0;   ///< Commits since the oldest of them: what it keeps from reuse.
};
EnvFacts read_env(const Env& env);

}  // namespace cloudos::store::lmdb
