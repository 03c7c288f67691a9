#include <vector>

#include "cloudos/subscription.hpp"
#include "handle.hpp"

struct cloudos_subscription {
  std::shared_ptr<cloudos::c::Shared> shared;  // As a handle: the cloud goes with the last.
  std::unique_ptr<cloudos::Subscription> told;
};

namespace cloudos::c {
namespace {

Result<SubscribeOptions> subscribe_options_of(const cloudos_subscribe_options& given) {
  SubscribeOptions options;
  if (given.kind_count != 0) CLOUDOS_CHECK(need(given.kinds, "kinds"));
  for (std::size_t i = 0; i < given.kind_count; ++i) {
    CLOUDOS_CHECK(need(given.kinds[i], "a name in kinds"));
    options.kinds.emplace_back(given.kinds[i]);
  }
  if (given.has_since != 0) options.since = given.since;
  return options;
}

void tell_batch(cloudos_change_function tell, void* data, const ChangeBatch& batch) {
  std::vector<cloudos_change> changes;
  changes.reserve(batch.changes.size());
  for (const ResourceChange& change : batch.changes)
    changes.push_back({change.kind.c_str(), change.id.c_str()});
  cloudos_change_batch told{};
  told.struct_size = sizeof told;
  told.changes = changes.data();
  told.count = changes.size();
  told.rescan = batch.rescan ? 1 : 0;
  told.revision = batch.revision;
  tell(data, &told);
}

}  // namespace
}  // namespace cloudos::c

extern "C" {

cloudos_code cloudos_subscribe(cloudos_cloud* cloud, const cloudos_subscribe_options* given,
                               cloudos_change_function tell, void* data,
                               cloudos_subscription** place, cloudos_error** error) {
  using namespace cloudos::c;
  return guarded(error, [&]() -> cloudos::Result<void> {
    CLOUDOS_CHECK(need(cloud, "cloudos_subscribe: cloud"));
    CLOUDOS_CHECK(need(reinterpret_cast<const void*>(tell), "cloudos_subscribe: tell"));
    CLOUDOS_CHECK(need(place, "cloudos_subscribe: subscription"));
    CLOUDOS_TRY(const cloudos_subscribe_options known,
                read_struct(given, "cloudos_subscribe_options"));
    CLOUDOS_TRY(auto options, subscribe_options_of(known));
    // Everybody's changes are told.
    if (!cloud->caller.is_admin)
      return cloudos::fail(cloudos::ErrorCode::Forbidden,
                           "only administrators hear of every project's changes");
    auto subscription = std::make_unique<cloudos_subscription>();
    subscription->shared = cloud->shared;
    CLOUDOS_TRY(subscription->told,
                cloud->shared->cloud->subscribe(std::move(options),
                                                [tell, data](const cloudos::ChangeBatch& batch) {
                                                  tell_batch(tell, data, batch);
                                                }));
    *place = subscription.release();
    return cloudos::Result<void>();
  });
}

void cloudos_subscription_end(cloudos_subscription* subscription) {
  delete subscription;
}

}  // extern "C"
