// Placement among many hosts, boots in a storm, lists of many servers.
#include <fmt/format.h>

#include <atomic>
#include <thread>

#include "bench.hpp"
#include "cloudos/networks.hpp"
#include "cloudos/rest.hpp"
#include "cloudos/tasks.hpp"
#include "compute/records.hpp"
#include "placement/placement.hpp"
#include "recorder.hpp"
#include "records/table.hpp"
#include "scheduler/table.hpp"
#include "seed.hpp"

namespace cloudos::bench {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

// ---- placement ----------------------------------------------------------------------------------

/// A view as the scheduler gets it: hosts that differ, all of them with room.
std::vector<scheduler::HostState> many_hosts(std::size_t count) {
  std::vector<scheduler::HostState> hosts(count);
  for (std::size_t i = 0; i < count; ++i) {
    hosts[i].name = fmt::format("host-{}", i);
    hosts[i].id = HostId{fmt::format("{:032x}", i)};
    hosts[i].zone = "nova";
    hosts[i].enabled = hosts[i].alive = true;
    hosts[i].vcpus = {64, 0, i % 48, 1.0};
    hosts[i].ram_mib = {262'144, 0, 512 * (i % 400), 1.0};
    hosts[i].disk_gib = {4'000, 0, i % 2'000, 1.0};
  }
  return hosts;
}

/// What any chooser must do at least: look at every host once and keep the best.
std::size_t plain_best(std::span<const scheduler::HostState> hosts) {
  std::size_t best = 0;
  std::uint64_t most = 0;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    const std::uint64_t free = hosts[i].ram_mib.free();
    if (hosts[i].enabled && hosts[i].alive && free > most) {
      most = free;
      best = i;
    }
  }
  return best;
}

Figure rank_figure(const Settings& settings) {
  const auto hosts = many_hosts(settings.quick ? 100 : 10'000);
  scheduler::HostTable table;  // As placement keeps it.
  table.assign(hosts);
  const scheduler::Policy policy = scheduler::default_policy();
  scheduler::Request request;
  request.vcpus = 1;
  request.ram_mib = 512;
  request.disk_gib = 1;
  const int times = settings.quick ? 2 : 200;
  Rounds rounds;
  std::size_t sum = 0;  // Used, so that nothing is optimised away.
  for (int round = 0; round < (settings.quick ? 1 : 9); ++round) {
    auto began = Steady::now();
    for (int i = 0; i < times; ++i) sum += scheduler::rank(policy, table, request).passed;
    const double ours = ms_since(began) * 1'000 / times;
    began = Steady::now();
    for (int i = 0; i < times; ++i) sum += plain_best(hosts);
    rounds.add(ours, ms_since(began) * 1'000 / times);
  }
  if (sum == 0) give_up("no host was chosen");
  return rounds.figure("compute.rank_10000",
                       "rank() of 10,000 hosts; reference: one loop that keeps the most free",
                       "us");
}

/// The whole decision within a cloud: the view brought up to date after a claim, the ranking, and
/// the claim's own transaction in memory (no disk).
Figure place_figure(const Settings& settings) {
  const unsigned hosts = settings.quick ? 50 : 10'000;
  const Seeded seeded = seed(settings.folder / "place", hosts, store::open_memory());
  const auto probed = Steady::now();
  while (!placement::all_probed(seeded.cloud->hosts()) && Steady::now() - probed < 30s)
    std::this_thread::sleep_for(5ms);
  const scheduler::Policy policy = scheduler::default_policy();
  scheduler::Request request;
  request.vcpus = 1;
  request.ram_mib = 64;
  request.disk_gib = 0;
  const int times = settings.quick ? 3 : 200;
  Rounds rounds;
  int serial = 0;
  for (int round = 0; round < (settings.quick ? 1 : 9); ++round) {
    double whole = 0, ranking = 0;
    for (int i = 0; i < times; ++i) {
      const ServerId server{fmt::format("{:032x}", ++serial)};
      const auto began = Steady::now();
      HostId host;
      {
        const auto view = must(placement::host_states(seeded.cloud->hosts()), "the hosts");
        const auto viewed = Steady::now();
        const auto ranked = scheduler::rank(policy, *view, request);
        ranking += ms_since(viewed) * 1'000;
        if (ranked.best.empty()) give_up("no host: " + scheduler::summary(ranked.report));
        host = view->states()[ranked.best.front()].id;
      }
      must(seeded.store->transact([&](store::Txn& txn) {
        return placement::claim(txn, host, server, {1, 64, 0});
      }), "claiming");
      whole += ms_since(began) * 1'000;
    }
    rounds.add(whole / times, ranking / times);
  }
  return rounds.figure("compute.place_10000",
                       "view, ranking and claim among 10,000 hosts; reference: the ranking alone",
                       "us");
}

// ---- boots --------------------------------------------------------------------------------------

/// Creates `count` servers from 16 callers and waits until all are ACTIVE.
double boot_ms(const Seeded& seeded, std::size_t count, const std::string& prefix) {
  std::vector<TaskId> tasks(count);
  std::atomic<std::size_t> next{0};
  std::vector<std::thread> callers;
  const auto began = Steady::now();
  for (int caller = 0; caller < 16; ++caller) {
    callers.emplace_back([&] {
      for (std::size_t i = next++; i < count; i = next++) {
        tasks[i] = must(seeded.cloud->servers().create(
                            seeded.me, seeded.spec(fmt::format("{}-{}", prefix, i))), "create")
                       .task;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  for (const TaskId& task : tasks) {
    if (must(seeded.cloud->tasks().wait(task, 60s), "building").state != TaskState::Done)
      give_up("a server was not built");
  }
  return ms_since(began);
}

Figure boots_figure(const Settings& settings) {
  const std::size_t count = settings.quick ? 10 : 1'000;
  Rounds rounds;
  for (int round = 0; round < (settings.quick ? 1 : 5); ++round) {
    const auto folder = settings.folder / fmt::format("boots-{}", round);
    std::filesystem::create_directories(folder);
    const auto recorder = std::make_shared<Recorder>(
        must(store::open_lmdb({.directory = folder / "store"}), "opening the store"));
    const Seeded seeded = seed(folder, 100, recorder);
    boot_ms(seeded, settings.quick ? 1 : 20, "warm");
    recorder->take();
    const double cpu_us = process_cpu_us();
    const double ours = boot_ms(seeded, count, "server");
    const double cpu_us_each = (process_cpu_us() - cpu_us) / static_cast<double>(count);
    rounds.add(ours, raw_ms(folder / "raw", recorder->take()), cpu_us_each);
  }
  return rounds.figure(
      "compute.boots_1000",
      "1,000 simulated boots to ACTIVE, durable; reference: plain LMDB, same keys, 64 a commit",
      "ms");
}

// ---- lists --------------------------------------------------------------------------------------

/// Fills the store with servers that were built long ago: copies of one that really was.
void add_servers(const Seeded& seeded, const ProjectId& project, std::size_t count,
                 std::string_view prefix) {
  const Server made = must(seeded.cloud->servers().create(seeded.me, seeded.spec("model")),
                           "creating a server");
  must(seeded.cloud->tasks().wait(made.task, 60s), "building a server");
  const Server model = must(seeded.cloud->servers().get(seeded.me, made.id), "the server");
  for (std::size_t from = 0; from < count; from += 100) {
    must(seeded.store->transact([&](store::Txn& txn) -> Result<void> {
      for (std::size_t i = from; i < std::min(from + 100, count); ++i) {
        Server server = model;
        server.id = seeded.cloud->ids().make<ServerId>();
        server.name = fmt::format("{}-{}", prefix, i);
        server.project = project;
        CLOUDOS_CHECK(records::insert(txn, server));
      }
      return Result<void>();
    }), "filling");
  }
}

double list_ms(const rest::Router& router, const Seeded& seeded, const std::string& target,
               std::size_t expected) {
  rest::Request request;
  request.method = "GET";
  request.target = target;
  request.headers.add("X-Auth-Token", seeded.token);
  request.headers.add("X-OpenStack-Nova-API-Version", "2.1");
  const auto began = Steady::now();
  const rest::Response response = router.handle(request);
  const double ms = ms_since(began);
  const auto* body = std::get_if<std::string>(&response.body);
  std::size_t found = 0;
  for (std::size_t at = 0; body && (at = body->find("\"OS-EXT-STS:vm_state\"", at)) != body->npos;
       ++at)
    ++found;
  if (response.status != 200 || found != expected)
    give_up(fmt::format("{}: {} with {} servers", target, response.status, found));
  return ms;
}

std::vector<Figure> list_figures(const Settings& settings) {
  const std::size_t many = settings.quick ? 200 : 100'000, page = settings.quick ? 50 : 1'000;
  const Seeded full = seed(settings.folder / "list-full", 10);
  const Seeded small = seed(settings.folder / "list-small", 10);
  add_servers(full, full.me.project, page, "mine");
  add_servers(small, small.me.project, page, "mine");
  add_servers(full, ProjectId{"someone-else"}, many - page, "theirs");
  const rest::Router big(*full.cloud), little(*small.cloud);
  const std::string one = fmt::format("/compute/v2.1/servers/detail?limit={}", page);
  const std::string all = one + "&all_tenants=1";
  Rounds everyone, own;
  for (int round = 0; round < (settings.quick ? 1 : 15); ++round) {
    const double reference = list_ms(little, small, one, page);
    everyone.add(list_ms(big, full, all, page), reference);
    own.add(list_ms(big, full, one, page), reference);
  }
  return {everyone.figure("compute.page_of_all",
                          "GET /servers/detail, a page of 1,000 of 100,000; reference: the page "
                          "of 1,000 where there are no others", "ms"),
          own.figure("compute.page_of_own",
                     "the same for one project of 1,000 beside 99,000 of others'; reference: as "
                     "above", "ms")};
}

}  // namespace

std::vector<Figure> bench_compute(const Settings& settings) {
  std::vector<Figure> figures;
  if (settings.wants("compute.rank")) figures.push_back(rank_figure(settings));
  if (settings.wants("compute.place")) figures.push_back(place_figure(settings));
  if (settings.wants("compute.boots")) figures.push_back(boots_figure(settings));
  if (!settings.wants("compute.page")) return figures;
  for (Figure& figure : list_figures(settings)) figures.push_back(std::move(figure));
  return figures;
}

}  // namespace cloudos::bench
