#include <fmt/format.h>

#include "base/actor.hpp"
#include "base/text.hpp"
#include "identity/credential_records.hpp"
#include "identity/ec2_signature.hpp"
#include "identity/impl.hpp"
#include "identity/methods.hpp"

/// Tokens for whoever signed a request with an EC2 key.
namespace cloudos {

using identity::ComputedSignature;
using identity::CredentialRecord;
using identity::SignatureRecord;
using identity::UserRecord;

namespace {

Failure bad_signature() {
  return fail(ErrorCode::Unauthenticated,
              "the signature does not hold: wrong access key, secret or request, too old, or shown "
              "before");
}

std::size_t signed_bytes(const SignedRequest& r) {
  std::size_t bytes = r.access.size() + r.signature.size() + r.verb.size() + r.host.size() +
                      r.path.size() + r.body_hash.size() + r.string_to_sign.size();
  for (const auto* map : {&r.params, &r.headers})
    for (const auto& [name, value] : *map) bytes += name.size() + value.size();
  return bytes;
}

using Compute = std::function<Result<ComputedSignature>(std::string_view secret)>;

/// The key that made the signature. Without such a key as much is computed.
Result<CredentialRecord> signing_key(const Identity::Impl& impl, const SignedRequest& request,
                                     const std::vector<Compute>& ways, ComputedSignature& made) {
  if (signed_bytes(request) > limits::kSignedRequestBytes) {
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("the signed request is longer than {} bytes", limits::kSignedRequestBytes));
  }
  CLOUDOS_TRY(auto record, impl.by_snapshot([&](const store::Snapshot& at) {
    return identity::find_ec2(at, request.access);
  }));
  std::string secret = "no secret of anybody";
  if (record) {
    CLOUDOS_TRY(secret, impl.credential_keys.unseal(record->sealed_secret));
  }
  bool right = false;
  for (const Compute& way : ways) {
    CLOUDOS_TRY(auto computed, way(secret));
    if (!equal_secret(computed.text, request.signature)) continue;
    right = true;
    made = std::move(computed);
  }
  if (!record || !right || request.signature.empty()) return bad_signature();
  return std::move(*record);
}

/// Neither too old nor of the future.
Result<void> check_time(const Identity::Impl& impl, const ComputedSignature& made) {
  const WallTime now = impl.engine.clock.wall();
  const auto life = impl.rules.now()->rules.signature_life;
  if (made.expires_at) return now <= *made.expires_at ? Result<void>() : bad_signature();
  if (now > made.signed_at + life || made.signed_at > now + life) return bad_signature();
  return Result<void>();
}

/// Notes that it was shown. Errors: Unauthenticated (it has been).
Result<void> use_signature(const Identity::Impl& impl, const SignedRequest& request,
                           const ComputedSignature& made) {
  const std::string digest = sha256(request.access + "\n" + request.signature);
  SignatureRecord shown;
  shown.id = to_hex({reinterpret_cast<const std::uint8_t*>(digest.data()), digest.size()});
  shown.expires_at = made.signed_at + impl.rules.now()->rules.signature_life;
  auto written = impl.commit_quietly([&](store::Txn& txn) -> Result<void> {
    SignatureRecord fresh = shown;
    return records::insert(txn, fresh);
  });
  if (!written && written.error().code == ErrorCode::AlreadyExists) return bad_signature();
  return written;
}

/// What the key stands for: its user on its project, or the trust or application credential that
/// it was made with, and never more than those give now.
Result<Token> token_of_key(const Identity::Impl& impl, const CredentialRecord& key) {
  UserId who = key.user;
  Scope scope{Scope::Kind::Project, {key.project.value, {}, {}, {}}};
  CLOUDOS_TRY(
      const auto user, impl.by_snapshot([&](const store::Snapshot& at) -> Result<UserRecord> {
        if (!key.trust.empty()) {
          const auto trust = records::get<identity::TrustRecord>(at, key.trust);
          if (!trust || trust->project != key.project) return bad_signature();
          // With impersonation the key is the trustor's, and yet only the trustee may use the
          // trust.
          who = trust->trustee;
          scope = {Scope::Kind::Trust, {key.trust.value, {}, {}, {}}};
        } else if (!key.application_credential.empty()) {
          const auto credential =
              records::get<identity::ApplicationCredentialRecord>(at, key.application_credential);
          if (!credential || credential->project != key.project || credential->user != key.user)
            return bad_signature();
          if (credential->expires_at && impl.engine.clock.wall() >= *credential->expires_at)
            return bad_signature();
          scope = {};
        }
        auto found = records::get<UserRecord>(at, who);
        if (!found && found.error().code == ErrorCode::NotFound) return bad_signature();
        return found;
      }));
  CLOUDOS_TRY(const bool open, identity::settle_by_key(impl, user));
  if (!open) return bad_signature();
  const auto outcome = impl.log_in_by_key(user, scope, key.application_credential);
  if (outcome && outcome->token) return outcome->token->token;
  if (!outcome && is_retryable(outcome.error().code)) return fail(outcome.error());
  return bad_signature();
}

}  // namespace

namespace {

Result<Token> ec2_token(const Identity::Impl& impl, const SignedRequest& request) {
  std::vector<Compute> ways{[&](std::string_view secret) {
    return identity::ec2_signature(request, request.host, secret);
  }};
  // Some clients leave the port out of what they sign.
  const std::string bare = request.host.substr(0, request.host.rfind(':'));
  if (bare.size() < request.host.size())
    ways.emplace_back(
        [&](std::string_view secret) { return identity::ec2_signature(request, bare, secret); });
  ComputedSignature made;
  CLOUDOS_TRY(const auto key, signing_key(impl, request, ways, made));
  CLOUDOS_CHECK(check_time(impl, made));
  CLOUDOS_CHECK(use_signature(impl, request, made));
  return token_of_key(impl, key);
}

Result<Token> s3_token(const Identity::Impl& impl, const SignedRequest& request) {
  ComputedSignature made;
  CLOUDOS_TRY(const auto key, signing_key(impl, request, {[&](std::string_view secret) {
                                            return identity::s3_signature(request, secret);
                                          }},
                                          made));
  CLOUDOS_CHECK(check_time(impl, made));
  if (identity::s3_changes(request)) CLOUDOS_CHECK(use_signature(impl, request, made));
  return token_of_key(impl, key);
}

}  // namespace

Result<Token> Credentials::token_for_ec2(const Context& ctx, const SignedRequest& request) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(impl_.allow(ctx, "identity:ec2_authenticate"));
  const ActorScope ours(Actor::Kind::Work);  // What it writes down is nobody's change.
  return impl_.audit_key_login(ec2_token(impl_, request));
}

Result<Token> Credentials::token_for_s3(const Context& ctx, const SignedRequest& request) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(impl_.allow(ctx, "identity:s3_authenticate"));
  const ActorScope ours(Actor::Kind::Work);  // What it writes down is nobody's change.
  return impl_.audit_key_login(s3_token(impl_, request));
}

Result<bool> Identity::Impl::sweep_signatures() const {
  constexpr std::size_t kSwept = 200;
  const WallTime now = engine.clock.wall();
  CLOUDOS_TRY(const auto at, snapshot());
  store::ScanOptions options;
  options.limit = kSwept;
  options.keys_only = true;
  const std::string root = records::index_root(SignatureRecord::kKind, "expires");
  CLOUDOS_TRY(const auto entries, at->scan(root, options));
  const std::string until =
      records::key_number(static_cast<std::uint64_t>(now.time_since_epoch().count()));
  std::vector<std::string> due;
  for (const store::Entry& entry : entries) {
    const std::string_view rest = std::string_view(entry.key).substr(root.size());
    const auto slash = rest.find('/');
    if (slash == std::string_view::npos || rest.substr(0, slash) > until) break;
    due.emplace_back(rest.substr(slash + 1));
  }
  if (due.empty()) return false;
  CLOUDOS_CHECK(commit_quietly([&](store::Txn& txn) -> Result<void> {
    for (const std::string& id : due) {
      auto erased = records::erase<SignatureRecord>(txn, id);
      if (!erased && erased.error().code != ErrorCode::NotFound) return erased;
    }
    return Result<void>();
  }));
  return due.size() == kSwept;
}

}  // namespace cloudos
