#pragma once
#include <optional>
#include <shared_mutex>
#include <unordered_map>

#include "base/mutex.hpp"
#include "placement/placement.hpp"
#include "placement/records.hpp"
#include "scheduler/table.hpp"

namespace cloudos {

/// What a process knows of its hosts beside the records: who answered when, the scheduler's view.
struct Hosts::Impl {
  Impl(const Engine& engine_ref, placement::PlacementSettings with)
      : engine(engine_ref), settings(std::move(with)), answers(settings.hosts.size()) {}

  struct Answer {
    bool asked = false;
    std::optional<MonoTime> at;
    std::optional<WallTime> wall;
    std::uint64_t disk_free_gib = 0;
  };
  struct Cache {
    bool loaded = false;
    scheduler::HostTable table;
    std::unordered_map<HostId, std::size_t> at;
    std::vector<bool> alive;  // Per source, as written into `states`.
    store::Revision since = 0;
  };

  const Engine engine;
  const placement::PlacementSettings settings;
  std::unordered_map<std::string, std::size_t> source_of;  // By host name; constant after start.

  mutable Mutex mutex;
  std::vector<Answer> answers CLOUDOS_GUARDED_BY(mutex);  // Per source.

  std::shared_mutex cache_mutex;  // Taken before `mutex`. Shared by rankings under way.
  Cache cache;                    // By cache_mutex.

  bool is_up(const Answer& answer) const {
    return answer.at && engine.clock.mono() - *answer.at < settings.down_after;
  }

  Result<void> register_hosts();
  Result<bool> probe_all();
  Result<void> record_facts(const placement::HostSource& source, const HostFacts& facts);
  Result<Host> view(const store::Snapshot& snapshot, const placement::HostRecord& record) const;
  Result<placement::HostRecord> find(const store::Snapshot& snapshot, std::string_view name) const;
  Result<Host> change(const Context& ctx, std::string_view name,
                      const std::function<void(placement::HostRecord&)>& change);
  Result<void> refresh_cache();
  Result<void> load_cache(const store::Snapshot& snapshot);
  Result<bool> update_cache(const store::Snapshot& snapshot, const std::vector<std::string>& keys);
  void refresh_alive();
};

}  // namespace cloudos
