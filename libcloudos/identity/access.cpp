#include <fmt/format.h>

#include "identity/methods.hpp"
#include "identity/policy_parse.hpp"
#include "identity/private_file.hpp"

/// Policy and keys as the service uses them.
namespace cloudos {

std::shared_ptr<const Policy> Identity::Impl::policy() const {
  const std::lock_guard lock(policy_mutex);
  return policy_now;
}

Result<void> Identity::Impl::set_policy(std::string_view text) {
  CLOUDOS_TRY(auto parsed, Policy::parse(text));
  auto fresh = std::make_shared<const Policy>(std::move(parsed));
  {
    const std::lock_guard lock(policy_mutex);
    policy_now = std::move(fresh);
  }
  // Only now: what is concluded from the old rules under the new number would stay.
  policy_changes.fetch_add(1, std::memory_order_acq_rel);
  return Result<void>();
}

Result<void> Identity::Impl::load_policy() {
  if (settings.policy_file.empty()) return set_policy(settings.policy);
  const std::string name = settings.policy_file.filename().string();
  const auto text = identity::read_small_file(settings.policy_file, limits::kPolicyBytes);
  if (!text) return fail_in(fmt::format("policy file {}", name), text.error());
  if (!*text) {
    return fail(ErrorCode::NotFound, fmt::format("there is no policy file {}", name),
                settings.policy_file.string());
  }
  auto set = set_policy(**text);
  if (!set) return fail_in(name, set.error());
  return set;
}

Result<void> Identity::Impl::allow(const Context& ctx, std::string_view name,
                                   PolicyTarget target) const {
  target.complete = true;
  CLOUDOS_CHECK(identity::check_delegation(ctx, name, target));
  return policy()->enforce(ctx, name, target);
}

Result<void> Identity::Impl::may_ask(const Context& ctx, std::string_view name,
                                     const PolicyTarget& target) const {
  CLOUDOS_CHECK(identity::check_delegation(ctx, name, target));
  return policy()->enforce(ctx, name, target);
}

Result<std::optional<DomainId>> Identity::Impl::allow_list(
    const Context& ctx, std::string_view name, const std::optional<DomainId>& asked) const {
  PolicyTarget target{{}, {}};
  if (asked) target.domain = *asked;
  auto allowed = allow(ctx, name, target);
  if (allowed) return asked;
  if (asked || ctx.domain.empty()) return fail(std::move(allowed).error());
  target.domain = ctx.domain;
  CLOUDOS_CHECK(allow(ctx, name, target));
  return std::optional(ctx.domain);
}

Result<void> Identity::enforce(const Context& ctx, std::string_view policy,
                               const PolicyTarget& target) const {
  CLOUDOS_CHECK(identity::check_delegation(ctx, policy, target));
  return impl_->policy()->enforce(ctx, policy, target);
}

LimitsRegistry& Identity::limits() const {
  return impl_->limits_registry;
}

EndpointFilters& Identity::endpoint_filters() const {
  return impl_->endpoint_filters;
}

StoredPolicies& Identity::stored_policies() const {
  return impl_->stored_policies;
}

DomainConfigs& Identity::domain_configs() const {
  return impl_->domain_configs;
}

OAuthConsumers& Identity::oauth_consumers() const {
  return impl_->oauth_consumers;
}

std::size_t Identity::list_limit() const {
  return impl_->settings.list_limit;
}

Policy Identity::policy() const {
  return *impl_->policy();
}

Result<void> Identity::set_policy(std::string_view text) {
  return impl_->set_policy(text);
}

Result<void> Identity::reload_policy() {
  return impl_->load_policy();
}

Result<void> Identity::set_token_lifetime(std::chrono::seconds lifetime) {
  if (lifetime <= std::chrono::seconds::zero())
    return fail(ErrorCode::InvalidArgument, "token lifetime: must be positive");
  const Engine& engine = impl_->engine;
  if (lifetime > impl_->settings.token_lifetime) {
    if (engine.data_dir.empty())
      return fail(ErrorCode::Unsupported, "token lifetime: a cloud in memory can only shorten it");
    // Opening the ring writes down how long a retired key is kept; rotation goes by the file.
    CLOUDOS_CHECK(identity::KeyRing::open(engine.data_dir / "keys" / "tokens", engine.clock,
                                          engine.random, lifetime, !engine.guest));
  }
  impl_->token_lifetime = lifetime;
  return Result<void>();
}

Result<void> Identity::set_password_cost(unsigned cost) {
  if (cost < 4 || cost > 16)
    return fail(ErrorCode::InvalidArgument, "password cost: must be 4 to 16");
  impl_->passwords.set_cost(cost);
  return Result<void>();
}

Result<void> Identity::set_password_hashing(const PasswordHashing& hashing) {
  CLOUDOS_CHECK(check_password_hashing(hashing));
  impl_->passwords.set_hashing(hashing);
  return Result<void>();
}

Result<void> Identity::set_account_rules(const AccountRules& rules) {
  return impl_->rules.set(rules);
}

AccountRules Identity::account_rules() const { return impl_->rules.now()->rules; }

Credentials& Identity::credentials() const { return impl_->credentials; }

Result<std::vector<TokenKey>> Identity::token_keys(const Context& ctx) const {
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:list_token_keys"));
  return impl_->keys->list();
}

Result<std::vector<TokenKey>> Identity::rotate_token_keys(const Context& ctx, bool force) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:rotate_token_keys"));
  CLOUDOS_TRY(auto keys, impl_->keys->rotate(force));
  impl_->audit_key_rotation(ctx, "identity:rotate_token_keys");
  impl_->engine.log.write(LogLevel::Info,
                          fmt::format("token keys rotated: {} seals now", keys.front().id),
                          ctx.request_id);
  return keys;
}

Result<bool> Identity::Impl::age_keys() const {
  if (settings.key_rotation <= std::chrono::seconds::zero()) return false;
  if (keys->age() < settings.key_rotation) return false;
  auto rotated = keys->rotate(false);
  // Too many keys: rotated oftener than tokens expire. The next round finds room.
  if (!rotated && rotated.error().code == ErrorCode::Conflict) return false;
  if (!rotated) return fail(std::move(rotated).error());
  audit_key_rotation({}, "identity:rotate_token_keys");
  engine.log.write(LogLevel::Info,
                   fmt::format("token keys rotated by age: {} seals now", rotated->front().id));
  return false;
}

namespace identity {

Result<LoginTurns::Turn> LoginTurns::begin(const std::string& who) {
  const std::lock_guard lock(mutex_);
  unsigned& count = under_way_[who];
  if (count >= limits::kLoginsOfUser) {
    return fail(ErrorCode::Unavailable,
                fmt::format("{} logins of this user are under way: try again", count));
  }
  ++count;
  return Turn(*this, who);
}

void LoginTurns::end(const std::string& who) {
  const std::lock_guard lock(mutex_);
  const auto it = under_way_.find(who);
  if (--it->second == 0) under_way_.erase(it);
}

namespace {
constexpr std::size_t kCatalogTexts = 1'024;
constexpr std::size_t kCatalogBytes = 8 << 20;
}  // namespace

std::optional<CatalogCache::Books> CatalogCache::books(const StateMark& mark) const {
  const std::lock_guard lock(mutex_);
  return mark_ == mark ? books_ : std::nullopt;
}

std::shared_ptr<const std::string> CatalogCache::find(const StateMark& mark, const Key& key) const {
  const std::lock_guard lock(mutex_);
  if (!(mark_ == mark)) return nullptr;
  const auto it = texts_.find(key);
  return it == texts_.end() ? nullptr : it->second;
}

void CatalogCache::put(const StateMark& mark, Books books, Key key,
                       std::shared_ptr<const std::string> text) {
  const std::lock_guard lock(mutex_);
  if (!(mark_ == mark) || texts_.size() >= kCatalogTexts || bytes_ > kCatalogBytes) {
    texts_.clear();
    bytes_ = 0;
    mark_ = mark;
  }
  books_ = books;
  bytes_ += text->size();
  texts_.insert_or_assign(std::move(key), std::move(text));
}

}  // namespace identity
}  // namespace cloudos
