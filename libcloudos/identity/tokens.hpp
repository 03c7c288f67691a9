#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cloudos/identity.hpp"
#include "codec/fields.hpp"

/// What is inside a token, and what is remembered about tokens seen.
namespace cloudos::identity {

/// Longer texts are no tokens of ours.
inline constexpr std::size_t kTokenBytes = 4'096;

/// The sealed content. It names records and the state they were in; what they say is read when the
/// token is used, so that a token never says more than its user may do now.
struct TokenPayload {
  enum class Method : std::uint32_t {
    Password = 1,
    Token = 2,
    Totp = 4,
    ApplicationCredential = 8,
    External = 16,
    Ec2 = 32,
  };
  enum class Target : std::uint8_t { None, Project, Domain, System };

  std::uint32_t methods = 0;
  UserId user;
  Target target = Target::None;
  std::string target_id;
  WallTime issued_at, expires_at;
  std::vector<std::string> audit_ids;  ///< 16 raw bytes each: its own, then its first ancestor's.
  std::uint64_t user_epoch = 0, user_domain_epoch = 0;
  std::uint64_t target_epoch = 0;         ///< Of the project or domain.
  std::uint64_t target_domain_epoch = 0;  ///< Of the project's domain.
  std::vector<std::uint64_t> stamps;      ///< Of the grants it rests on.
  TrustId trust;  ///< `user` is the trustee, the grants are those of the trustor it goes back to.
  /// Sums over all trustors between: they only grow, so equal sums are equal counts.
  std::uint64_t trustor_epoch = 0, trustor_domain_epoch = 0;
  ApplicationCredentialId application_credential;
  std::string unknown;
};
void fields(codec::FieldVisitor& v, TokenPayload& p);

/// The sealed content of a receipt. Its field numbers are none of a token's, so that neither can
/// be taken for the other.
struct ReceiptPayload {
  std::uint32_t methods = 0;
  UserId user;
  WallTime issued_at, expires_at;
  std::uint64_t user_epoch = 0, user_domain_epoch = 0;
  std::string unknown;
};
void fields(codec::FieldVisitor& v, ReceiptPayload& p);

/// The part of a payload's record that it shares with others: all but times and audit ids.
std::string encode_shared(const TokenPayload& payload);

constexpr std::uint32_t method_bit(TokenPayload::Method method) {
  return static_cast<std::uint32_t>(method);
}
std::vector<std::string> method_names(std::uint32_t methods);
/// Those that a login can name.
inline constexpr std::uint32_t kLoginMethodBits = 31;
/// 0 for a name of none of ours.
std::uint32_t method_of_name(std::string_view name);

/// What was true when something was concluded from the store: equal marks, equal conclusions.
struct StateMark {
  std::string state;        ///< Identity's key in the store: every commit that counts writes it.
  std::uint64_t rules = 0;  ///< Counts changes of policy and keys in this process.
  friend bool operator==(const StateMark&, const StateMark&) = default;
};

/// What a login of this user, by these methods, for this scope, means in one state of the store.
struct Conclusion {
  TokenPayload payload;  ///< Without audit ids and times, but the end of a trust or credential.
  Token token;           ///< Without text, methods, audit ids and times.
  std::string sealed;    ///< encode_shared() of the payload with its methods.
  /// Lists of methods of which one must be complete yet: then there is no scope nor role above.
  std::vector<std::vector<std::string>> missing;
};

/// What one token has beside its conclusion.
struct Issue {
  // Shared by the tokens that were made of it.
  std::shared_ptr<const Conclusion> of;
  WallTime issued_at, expires_at;
  std::array<char, 32> audit{};  ///< Its own id, and its first ancestor's, 16 raw bytes each.
  bool has_ancestor = false;

  TokenPayload payload() const;
  Token token(std::string text) const;
  /// What is sealed: encode_record() of the payload.
  std::string sealed() const;

 private:
  std::string_view audit_ids() const { return {audit.data(), has_ancestor ? 32U : 16U}; }
};

/// Tokens seen lately: what they hold and what that meant in which state of the store.
///
/// Bounded: two generations of entries; when the younger is full the older is dropped. Nothing in
/// here is believed without comparing the mark. Split by the text, so that callers seldom wait for
/// one another. Thread-safe.
class TokenCache final {
 public:
  struct Entry {
    // Shared with the callers that use an entry while it is being dropped.
    std::shared_ptr<const TokenPayload> payload;
    std::shared_ptr<const ValidToken> token;
    std::uint64_t keys = 0;  ///< KeyRing::version when the payload was opened.
    StateMark mark;          ///< When `token` was made.
    /// Of a token that was made and not used yet, in place of the first two: most of those that
    /// are made at a high rate are used little. Shared for the same reason.
    std::shared_ptr<const Issue> issue;

    /// Puts together what was left to the first use.
    void unfold(std::string_view text);
  };
  explicit TokenCache(std::size_t entries_per_generation)
      : most_(std::max<std::size_t>(1, entries_per_generation / kParts)) {}

  /// The token, if its entry is of this very mark.
  std::shared_ptr<const ValidToken> current(std::string_view text, const StateMark& mark);
  std::optional<Entry> find(std::string_view text);
  void put(std::string_view text, Entry entry);
  std::size_t size() const;

 private:
  static constexpr std::size_t kParts = 8;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  using Map = std::unordered_map<std::string, Entry, Hash, std::equal_to<>>;
  struct Part {
    mutable std::mutex mutex;
    Map young, old;  // Guarded by mutex.
  };
  Part& part_of(std::string_view text);
  static const Entry* look(const Part& part, std::string_view text);

  const std::size_t most_;
  std::array<Part, kParts> parts_;
};

/// Conclusions of one state, all dropped when another one is seen or there are too many: exchanging
/// a token again and again costs no more than sealing. Thread-safe.
class ConclusionCache final {
 public:
  static constexpr std::size_t kMost = 4'096;
  std::shared_ptr<const Conclusion> find(const StateMark& mark, const std::string& key) const;
  void put(const StateMark& mark, std::string key, std::shared_ptr<const Conclusion> conclusion);

 private:
  mutable std::mutex mutex_;
  StateMark mark_;  // These two are guarded by mutex_; the conclusions are shared with their users.
  std::unordered_map<std::string, std::shared_ptr<const Conclusion>> known_;
};

}  // namespace cloudos::identity
