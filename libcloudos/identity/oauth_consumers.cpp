#include <array>

#include "base/text.hpp"
#include "cloudos/oauth.hpp"
#include "identity/crud.hpp"
#include "identity/domain_records.hpp"

namespace cloudos {

using identity::OAuthConsumerRecord;

namespace {
constexpr std::size_t kConsumerSecretBytes = 32;
}

Result<OAuthConsumer> OAuthConsumers::create(const Context& ctx, const OAuthConsumerCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, "identity:create_consumer"));
  CLOUDOS_CHECK(identity::check_spec(spec));
  auto record = identity::record_of<OAuthConsumerRecord>(spec, of_.engine);
  std::array<std::uint8_t, kConsumerSecretBytes> drawn{};
  of_.engine.random.fill(drawn);
  const std::string secret = to_hex(drawn);
  CLOUDOS_TRY(record.sealed_secret, of_.credential_keys.seal(secret, of_.engine.random));
  CLOUDOS_CHECK(of_.commit_quietly([&](store::Txn& txn) { return records::insert(txn, record); }));
  OAuthConsumer made(record);
  made.secret = secret;
  return made;
}

Result<OAuthConsumer> OAuthConsumers::get(const Context& ctx, const OAuthConsumerId& id) const {
  CLOUDOS_CHECK(of_.allow(ctx, "identity:get_consumer"));
  CLOUDOS_TRY(auto record, of_.by_snapshot([&](const store::Snapshot& at) {
    return records::get<OAuthConsumerRecord>(at, id);
  }));
  return OAuthConsumer(std::move(record));
}

Result<std::vector<OAuthConsumer>> OAuthConsumers::list(const Context& ctx,
                                                        const IdentityFilter& filter) const {
  CLOUDOS_CHECK(of_.allow(ctx, "identity:list_consumers"));
  CLOUDOS_TRY(const auto at, of_.snapshot());
  return identity::listed<OAuthConsumer, OAuthConsumerRecord>(*at, filter);
}

Result<OAuthConsumer> OAuthConsumers::update(const Context& ctx, const OAuthConsumerId& id,
                                             const OAuthConsumerUpdate& with) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, "identity:update_consumer"));
  if (with.description) CLOUDOS_CHECK(identity::check_text("description", *with.description));
  OAuthConsumer after;
  CLOUDOS_CHECK(of_.commit_quietly([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(auto record,
                records::modify<OAuthConsumerRecord>(txn, id, [&](OAuthConsumerRecord& r) {
                  if (with.description) r.description = *with.description;
                  return identity::apply_extra(r.extra, with.extra);
                }));
    after = std::move(record);
    return Result<void>();
  }));
  return after;
}

Result<void> OAuthConsumers::remove(const Context& ctx, const OAuthConsumerId& id) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, "identity:delete_consumer"));
  return of_.commit_quietly(
      [&](store::Txn& txn) { return records::erase<OAuthConsumerRecord>(txn, id); });
}

}  // namespace cloudos
