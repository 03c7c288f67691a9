#include "cloud/subscriptions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/text.hpp"
#include "cloudos/result.hpp"
#include "records/keys.hpp"

namespace cloudos {
namespace {

// Whose records go by what their own get() takes.
constexpr std::string_view kTold[] = {
    "server",        "flavor",          "host",           "image",
    "network",       "subnet",          "port",           "security_group",
    "router",        "floating_ip",     "trunk",          "security_group_rule",
    "segment",       "port_forwarding", "subnet_pool",    "address_scope",
    "address_group", "qos_policy",      "rbac_policy",    "metering_label",
    "metering_rule", "task",            "domain",         "project",
    "user",          "group",           "role",           "region",
    "service",       "endpoint",        "trust",          "application_credential",
    "credential",    "certificate"};
/// Told of under one name, and only when asked for.
constexpr std::string_view kAuditKind = "audit_event";
constexpr std::string_view kAuditKinds[] = {"audit_change", "audit_login", "audit_failure"};
constexpr std::chrono::seconds kTryAgain{1};

/// The id in a record's key.
std::string id_in_key(std::string_view part) {
  std::string id;
  for (std::size_t i = 0; i < part.size(); ++i) {
    const auto byte =
        part[i] == '%' && i + 2 < part.size() ? from_hex(part.substr(i + 1, 2)) : std::nullopt;
    if (byte && byte->size() == 1) {
      id += static_cast<char>((*byte)[0]);
      i += 2;
    } else {
      id += part[i];
    }
  }
  return id;
}

/// The subscription's own side; shared with the closures that deliver.
class Feed final : public std::enable_shared_from_this<Feed> {
 public:
  Feed(const FeedGround& ground, std::function<void(const ChangeBatch&)> tell)
      : ground_(ground), tell_(std::move(tell)) {}

  Result<void> start(const SubscribeOptions& what) {
    for (const std::string_view kind : kTold) {
      const bool asked = what.kinds.empty() ||
                         std::find(what.kinds.begin(), what.kinds.end(), kind) != what.kinds.end();
      if (asked) sources_.push_back({std::string(kind), records::record_prefix(kind), 0});
    }
    if (std::count(what.kinds.begin(), what.kinds.end(), kAuditKind))
      for (const std::string_view kind : kAuditKinds)
        sources_.push_back({std::string(kAuditKind), records::record_prefix(kind), 0});
    const std::weak_ptr<Feed> weak = weak_from_this();
    for (const Source& source : sources_) {
      if (ground_.poll.count() != 0) break;
      watches_.push_back(ground_.store.watch(source.prefix, [weak] {
        if (const auto self = weak.lock()) self->wake({});
      }));
    }
    // Behind the watches: nothing may fall between them and the first look.
    std::uint64_t since = 0;
    if (what.since) {
      since = *what.since;
    } else {
      CLOUDOS_TRY(const auto snapshot, ground_.store.snapshot());
      since = snapshot->revision();
    }
    for (Source& source : sources_) source.since = since;
    wake({});
    return Result<void>();
  }

  void end() {
    std::unique_lock lock(mutex_);
    ended_ = true;
    const bool from_within = running_ && teller_ == std::this_thread::get_id();
    if (!from_within) idle_.wait(lock, [&] { return !running_; });
    lock.unlock();
    // Always here: left to the last reference, which may be a watch's own call, a watch would wait
    // for itself.
    watches_.clear();
  }

 private:
  struct Source {
    std::string kind, prefix;
    store::Revision since;
  };

  void wake(std::chrono::milliseconds after) {
    {
      const std::lock_guard lock(mutex_);
      if (ended_) return;
      if (after.count() == 0) {
        if (posted_) return;
        posted_ = true;
      }
    }
    if (after.count() == 0) {
      ground_.executor.post([self = shared_from_this()] { self->run(); });
    } else {
      const std::weak_ptr<Feed> weak = weak_from_this();
      ground_.executor.post_at(ground_.clock.mono() + after, [weak] {
        if (const auto self = weak.lock()) self->wake({});
      });
    }
  }

  void run() {
    {
      const std::lock_guard lock(mutex_);
      posted_ = false;
      if (ended_) return;
      if (running_) {
        again_ = true;
        return;
      }
      running_ = true;
      teller_ = std::this_thread::get_id();
    }
    const auto told = deliver();
    if (!told) ground_.log.warn("subscription: " + told.error().message);
    bool again, ended;
    {
      const std::lock_guard lock(mutex_);
      running_ = false;
      ended = ended_;
      again = std::exchange(again_, false);
    }
    idle_.notify_all();
    if (ended) return;
    if (again)
      wake({});
    else if (!told)
      wake(kTryAgain);
    else if (ground_.poll.count() != 0)
      wake(ground_.poll);
  }

  Result<void> deliver() {
    ChangeBatch batch;
    batch.revision = UINT64_MAX;
    std::vector<store::Revision> seen;
    for (const Source& source : sources_) {
      CLOUDOS_TRY(store::Changes changes, ground_.store.changes(source.prefix, source.since));
      if (changes.too_old) return rescan();
      for (const std::string& key : changes.keys)
        batch.changes.push_back({source.kind, id_in_key(key.substr(source.prefix.size()))});
      seen.push_back(changes.until);
      batch.revision = std::min<std::uint64_t>(batch.revision, changes.until);
    }
    if (!batch.changes.empty()) tell_(batch);
    // Only now: what a call of ours had no time to be told for is told again.
    for (std::size_t i = 0; i < sources_.size(); ++i) sources_[i].since = seen[i];
    return Result<void>();
  }

  Result<void> rescan() {
    ChangeBatch batch;
    batch.rescan = true;
    {
      CLOUDOS_TRY(const auto snapshot, ground_.store.snapshot());
      batch.revision = snapshot->revision();
    }
    tell_(batch);
    for (Source& source : sources_) source.since = batch.revision;
    // What came since then is not in that snapshot.
    const std::lock_guard lock(mutex_);
    again_ = true;
    return Result<void>();
  }

  const FeedGround ground_;
  const std::function<void(const ChangeBatch&)> tell_;
  std::vector<std::unique_ptr<store::Watch>> watches_;
  std::vector<Source> sources_;  // Of the closure that runs; set up before the first.

  std::mutex mutex_;
  std::condition_variable idle_;
  // Below: guarded by mutex_.
  bool ended_ = false, posted_ = false, running_ = false, again_ = false;
  std::thread::id teller_;
};

class OpenSubscription final : public Subscription {
 public:
  explicit OpenSubscription(std::shared_ptr<Feed> feed) : feed_(std::move(feed)) {}
  ~OpenSubscription() override { feed_->end(); }

 private:
  const std::shared_ptr<Feed> feed_;
};

}  // namespace

Result<std::unique_ptr<Subscription>> make_subscription(
    const FeedGround& ground, const SubscribeOptions& what,
    std::function<void(const ChangeBatch&)> tell) {
  for (const std::string& kind : what.kinds) {
    if (kind != kAuditKind &&
        std::find(std::begin(kTold), std::end(kTold), kind) == std::end(kTold)) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("kind '{}' is not one that changes are told of: {}",
                              kind.substr(0, 64), fmt::join(kTold, ", ")));
    }
  }
  auto feed = std::make_shared<Feed>(ground, std::move(tell));
  auto subscription = std::make_unique<OpenSubscription>(feed);  // Ends it on failure too.
  CLOUDOS_CHECK(feed->start(what));
  return std::unique_ptr<Subscription>(std::move(subscription));
}

}  // namespace cloudos
