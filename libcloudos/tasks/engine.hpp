#pragma once
#include <filesystem>

#include "base/executor.hpp"
#include "base/trace.hpp"
#include "cloudos/log.hpp"
#include "cloudos/metrics.hpp"
#include "cloudos/random.hpp"
#include "cloudos/store.hpp"
#include "tasks/runner.hpp"

namespace cloudos {
namespace audit { class Recorder; }

/// What every service room stands on; made by `cloud`, outlives the rooms. Copyable references.
struct Engine {
  store::Store& store;
  Executor& executor;
  TaskRunner& runner;
  const Clock& clock;
  Random& random;
  IdSource& ids;
  Log log;
  std::filesystem::path data_dir;  ///< Holds everything; empty when nothing may touch the disk.
  std::string folder_id;           ///< Marks what is ours on the host: 8 hexadecimal digits.
  Metrics* metrics = nullptr;      ///< Null: nobody counts.
  const Tracer* tracer = nullptr;  ///< Null: nobody traces.
  /// Another process runs the folder: rooms write no first records, add no watch, sweep nothing.
  bool guest = false;
  audit::Recorder* audit = nullptr;  ///< Null: logins are no events.
};

}  // namespace cloudos
