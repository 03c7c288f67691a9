#include "cloud/observatory.hpp"

#include <fmt/format.h>

#include <map>

#include "cloud/process.hpp"

namespace cloudos {

namespace {

// A closure that waits for a thread as long says that all of them hang, or that nobody runs us.
constexpr std::chrono::seconds kRunnerPatience{10};

double seconds_in(std::chrono::microseconds time) {
  return static_cast<double>(time.count()) / 1e6;
}

}  // namespace

/// A closure goes through the executor as all work does: has the last one come out?
struct Observatory::Probe {
  Mutex mutex;
  bool waiting CLOUDOS_GUARDED_BY(mutex) = false;
  MonoTime since CLOUDOS_GUARDED_BY(mutex){};
};

Observatory::Observatory(const Options& options)
    : tracer(options.span_sink, *options.random, *options.clock),
      options_(options),
      began_(options.clock->mono()),
      probe_(std::make_shared<Probe>()) {}

Observatory::~Observatory() = default;

std::shared_ptr<hypervisor::Driver> Observatory::observe(
    std::shared_ptr<hypervisor::Driver> driver) {
  auto observed = observe_hypervisor({metrics, tracer, *options_.clock}, std::move(driver));
  hypervisors_.push_back(observed.pulse);
  return observed.driver;
}

void Observatory::watch(store::Store& store, Executor& executor, TaskRunner& runner) {
  store_ = &store;
  executor_ = &executor;
  runner_ = &runner;
  collector_ = metrics.collect([this](MetricsReading& reading) { collect(reading); });
}

void Observatory::stop() {
  collector_ = Metrics::Collector();
}

void Observatory::collect(MetricsReading& reading) const {
  const auto count = [](std::size_t value) { return static_cast<double>(value); };
  report_process(reading);
  reading.gauge("cloudos_uptime_seconds", "Since the cloud was opened.",
                seconds_in(options_.clock->mono() - began_));
  const RunnerStats stats = runner_->stats();
  reading.gauge("cloudos_tasks_open", "Tasks that have not ended.", count(stats.open));
  reading.gauge("cloudos_tasks_calling", "Tasks with a step on a thread.", count(stats.on_threads));
  reading.gauge("cloudos_tasks_stuck", "Tasks that cannot go on by themselves.",
                count(stats.stuck));
  reading.gauge("cloudos_tasks_queued", "Tasks that wait for a lane of their host.",
                count(stats.in_queues));
  reading.gauge("cloudos_host_lanes_used", "Lanes in use, of all hosts.", [&] {
    std::size_t used = 0;
    for (const auto& lane : stats.lanes) used += lane.used;
    return count(used);
  }());
  const Executor::Load load = executor_->load();
  reading.gauge("cloudos_executor_queued", "Closures that wait for a thread or for their time.",
                count(load.queued));
  reading.gauge("cloudos_executor_running", "Closures that run.", count(load.running));
  collect_drivers(reading);
}

/// Hosts may have a driver each, of one name: it is up when all of them are.
void Observatory::collect_drivers(MetricsReading& reading) const {
  std::map<std::string, bool> up;
  for (const HealthCheck& check : check_drivers()) {
    bool& all = up.try_emplace(check.name, true).first->second;
    all = all && check.ok;
  }
  for (const auto& [name, ok] : up)
    reading.gauge("cloudos_driver_up", "1 while every driver of that name answers.", ok ? 1 : 0,
                  {{"driver", name}});
}

HealthCheck Observatory::check_store() const {
  const auto snapshot = store_->snapshot();
  if (!snapshot) return {"store", false, snapshot.error().message};
  // An empty change goes the way of all changes: it waits for those before it, and writes nothing.
  const auto written = store_->transact([](store::Txn&) { return Result<void>(); });
  if (!written) return {"store", false, written.error().message};
  return {"store", true, {}};
}

HealthCheck Observatory::check_runner() {
  if (!runner_->stats().running) return {"runner", false, "it does not take work"};
  const MonoTime now = options_.clock->mono();
  bool post = false;
  std::chrono::microseconds waited{0};
  {
    const LockGuard lock(probe_->mutex);
    if (probe_->waiting) waited = now - probe_->since;
    post = !probe_->waiting;
    if (post) probe_->since = now;
    probe_->waiting = true;
  }
  if (post) {
    executor_->post([probe = probe_] {
      const LockGuard lock(probe->mutex);
      probe->waiting = false;
    });
  }
  if (waited < kRunnerPatience) return {"runner", true, {}};
  return {"runner", false,
          fmt::format("no thread has taken new work for {} s: {}",
                      std::chrono::duration_cast<std::chrono::seconds>(waited).count(),
                      executor_->threads() == 0 ? "the host program does not call run_pending()"
                                                : "all of them are in calls that hang")};
}

std::vector<HealthCheck> Observatory::check_drivers() const {
  std::vector<HealthCheck> checks;
  for (const auto& pulse : hypervisors_) checks.push_back(pulse->check());
  for (const auto& pulse : mechanisms_) checks.push_back(pulse->check());
  return checks;
}

/// Where hosts have a driver each, a cloud does without some of them.
HealthCheck Observatory::check_hypervisors() const {
  if (hypervisors_.size() == 1) return hypervisors_.front()->check();
  std::size_t down = 0;
  std::string why;
  for (const auto& pulse : hypervisors_) {
    const HealthCheck check = pulse->check();
    if (check.ok) continue;
    ++down;
    why = check.why;
  }
  if (down < hypervisors_.size()) return {"hypervisors", true, {}};
  return {"hypervisors", false, fmt::format("none of {} answers; of one: {}", down, why)};
}

Health Observatory::health() {
  Health health;
  health.checks.push_back(check_store());
  // A guest's tasks are run by the process that runs the folder.
  if (options_.role != FolderRole::Guest) health.checks.push_back(check_runner());
  if (!hypervisors_.empty()) health.checks.push_back(check_hypervisors());
  for (const auto& pulse : mechanisms_) health.checks.push_back(pulse->check());
  return health;
}

std::string Observatory::dump() const {
  const RunnerStats stats = runner_->stats();
  const Executor::Load load = executor_->load();
  const ProcessFacts process = read_process();
  std::string out = fmt::format("cloud: folder '{}', up {:.0f} s\n", options_.data_dir.native(),
                                seconds_in(options_.clock->mono() - began_));
  out += fmt::format("process: {} threads, {} of {} descriptors, {} KiB its own, {} KiB resident\n",
                     process.threads, process.open_files, process.most_files,
                     process.anon_bytes >> 10, process.resident_bytes >> 10);
  out += fmt::format("executor: {} threads, {} running, {} queued\n", executor_->threads(),
                     load.running, load.queued);
  out += fmt::format("tasks: {} open, {} calling, {} queued for a lane, {} stuck{}\n", stats.open,
                     stats.on_threads, stats.in_queues, stats.stuck,
                     stats.running ? "" : " (the runner takes no work)");
  const auto name_all = [&out](std::string_view what, const std::vector<std::string>& names) {
    for (const std::string& name : names) out += fmt::format("  {} {}\n", what, name);
  };
  name_all("calling", stats.calling);
  name_all("stuck", stats.stuck_tasks);
  for (const auto& lane : stats.lanes)
    out += fmt::format("  host {}: {} lanes used, {} tasks queued\n", lane.host, lane.used,
                       lane.queued);
  name_all("reconciling", stats.reconciling);
  std::map<std::string, std::size_t> drivers;  // Of 10,000 alike one line.
  for (const HealthCheck& check : check_drivers())
    ++drivers[fmt::format("{}: {}", check.name, check.ok ? "up" : check.why)];
  for (const auto& [line, count] : drivers)
    out += fmt::format("driver: {}{}\n", line, count > 1 ? fmt::format(" ({} of them)", count) : "");
  return out;
}

}  // namespace cloudos
