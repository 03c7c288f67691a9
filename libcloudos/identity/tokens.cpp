#include "identity/tokens.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "codec/binary.hpp"

namespace cloudos::identity {
namespace {

/// Ids of 32 hexadecimal digits as 16 bytes, others as they are; the first byte tells.
std::string pack_id(const std::string& id) {
  if (id.size() == 32) {
    if (const auto raw = from_hex(id);
        raw && to_hex({reinterpret_cast<const std::uint8_t*>(raw->data()), raw->size()}) == id) {
      return "h" + *raw;
    }
  }
  return id.empty() ? id : "t" + id;
}

std::string unpack_id(const std::string& packed) {
  if (packed.empty()) return packed;
  if (packed[0] != 'h') return packed.substr(1);
  return to_hex({reinterpret_cast<const std::uint8_t*>(packed.data()) + 1, packed.size() - 1});
}

}  // namespace

namespace {

/// What every token of one conclusion has.
void shared_fields(codec::FieldVisitor& v, TokenPayload& p) {
  v.field({1, "methods"}, p.methods);
  std::string user = pack_id(p.user.value), target = pack_id(p.target_id);
  v.field({2, "user"}, user);
  v.field({3, "target"}, p.target);
  v.field({4, "target_id"}, target);
  p.user.value = unpack_id(user);
  p.target_id = unpack_id(target);
  v.field({8, "user_epoch"}, p.user_epoch);
  v.field({9, "user_domain_epoch"}, p.user_domain_epoch);
  v.field({10, "target_epoch"}, p.target_epoch);
  v.field({11, "target_domain_epoch"}, p.target_domain_epoch);
  v.field({12, "stamps"}, p.stamps);
  std::string trust = pack_id(p.trust.value), credential = pack_id(p.application_credential.value);
  v.field({13, "trust"}, trust);
  v.field({14, "trustor_epoch"}, p.trustor_epoch);
  v.field({15, "trustor_domain_epoch"}, p.trustor_domain_epoch);
  v.field({16, "application_credential"}, credential);
  p.trust.value = unpack_id(trust);
  p.application_credential.value = unpack_id(credential);
}

/// What it has alone; `audit`: the ids, one behind the other.
void own_fields(codec::FieldVisitor& v, WallTime& issued_at, WallTime& expires_at,
                std::string& audit) {
  v.field({5, "issued_at"}, issued_at);
  v.field({6, "expires_at"}, expires_at);
  v.field({7, "audit_ids"}, audit);
}

void own_fields(codec::FieldVisitor& v, TokenPayload& p) {
  std::string audit;
  for (const std::string& id : p.audit_ids) audit += id;
  own_fields(v, p.issued_at, p.expires_at, audit);
  p.audit_ids.clear();
  for (std::size_t at = 0; at + 16 <= audit.size(); at += 16)
    p.audit_ids.push_back(audit.substr(at, 16));
}

}  // namespace

void fields(codec::FieldVisitor& v, TokenPayload& p) {
  shared_fields(v, p);
  own_fields(v, p);
  v.unknown(p.unknown);
}

std::string encode_shared(const TokenPayload& payload) {
  TokenPayload copy = payload;
  return codec::encode(1, [&](codec::FieldVisitor& v) { shared_fields(v, copy); });
}

TokenPayload Issue::payload() const {
  TokenPayload payload = of->payload;
  payload.issued_at = issued_at;
  payload.expires_at = expires_at;
  payload.audit_ids = {std::string(audit_ids().substr(0, 16))};
  if (has_ancestor) payload.audit_ids.emplace_back(audit_ids().substr(16));
  return payload;
}

Token Issue::token(std::string text) const {
  Token token = of->token;
  token.text = std::move(text);
  token.methods = method_names(of->payload.methods);
  token.issued_at = issued_at;
  token.expires_at = expires_at;
  token.audit_ids = {to_base64(audit_ids().substr(0, 16), true)};
  if (has_ancestor) token.audit_ids.push_back(to_base64(audit_ids().substr(16), true));
  return token;
}

std::string Issue::sealed() const {
  WallTime issued = issued_at, expires = expires_at;
  std::string ids(audit_ids());
  const std::string own =
      codec::encode(1, [&](codec::FieldVisitor& v) { own_fields(v, issued, expires, ids); });
  std::string all;
  all.reserve(of->sealed.size() + own.size());
  all += of->sealed;
  all.append(own, 1);  // Without the schema, which takes one byte.
  return all;
}

void TokenCache::Entry::unfold(std::string_view text) {
  if (!issue) return;
  payload = std::make_shared<const TokenPayload>(issue->payload());
  token = std::make_shared<const ValidToken>(issue->token(std::string(text)));
  issue.reset();
}

void fields(codec::FieldVisitor& v, ReceiptPayload& p) {
  v.field({32, "methods"}, p.methods);
  v.field({33, "user"}, p.user);
  v.field({34, "issued_at"}, p.issued_at);
  v.field({35, "expires_at"}, p.expires_at);
  v.field({36, "user_epoch"}, p.user_epoch);
  v.field({37, "user_domain_epoch"}, p.user_domain_epoch);
  v.unknown(p.unknown);
}

namespace {
struct MethodName {
  TokenPayload::Method method;
  std::string_view name;
};
constexpr MethodName kMethodNames[] = {
    {TokenPayload::Method::Password, "password"},
    {TokenPayload::Method::Token, "token"},
    {TokenPayload::Method::Totp, "totp"},
    {TokenPayload::Method::ApplicationCredential, "application_credential"},
    {TokenPayload::Method::External, "external"},
    {TokenPayload::Method::Ec2, "ec2credential"},
};
}  // namespace

std::vector<std::string> method_names(std::uint32_t methods) {
  std::vector<std::string> names;
  for (const MethodName& row : kMethodNames)
    if (methods & method_bit(row.method)) names.emplace_back(row.name);
  return names;
}

std::uint32_t method_of_name(std::string_view name) {
  for (const MethodName& row : kMethodNames)
    if (row.name == name) return method_bit(row.method);
  return 0;
}

std::shared_ptr<const Conclusion> ConclusionCache::find(const StateMark& mark,
                                                        const std::string& key) const {
  const std::lock_guard lock(mutex_);
  if (!(mark_ == mark)) return nullptr;
  const auto it = known_.find(key);
  return it == known_.end() ? nullptr : it->second;
}

void ConclusionCache::put(const StateMark& mark, std::string key,
                          std::shared_ptr<const Conclusion> conclusion) {
  const std::lock_guard lock(mutex_);
  if (!(mark_ == mark) || known_.size() >= kMost) {
    known_.clear();
    mark_ = mark;
  }
  known_.insert_or_assign(std::move(key), std::move(conclusion));
}

TokenCache::Part& TokenCache::part_of(std::string_view text) {
  // A sealed text ends in a digest. Not its very last letter, which may stand for two bits.
  return parts_[text.size() < 8 ? 0 : static_cast<unsigned char>(text[text.size() - 5]) % kParts];
}

const TokenCache::Entry* TokenCache::look(const Part& part, std::string_view text) {
  if (const auto hit = part.young.find(text); hit != part.young.end()) return &hit->second;
  if (const auto hit = part.old.find(text); hit != part.old.end()) return &hit->second;
  return nullptr;
}

std::shared_ptr<const ValidToken> TokenCache::current(std::string_view text,
                                                      const StateMark& mark) {
  Part& part = part_of(text);
  const std::lock_guard lock(part.mutex);
  const Entry* entry = look(part, text);
  return entry != nullptr && entry->mark == mark ? entry->token : nullptr;
}

std::optional<TokenCache::Entry> TokenCache::find(std::string_view text) {
  Part& part = part_of(text);
  const std::lock_guard lock(part.mutex);
  const Entry* entry = look(part, text);
  return entry == nullptr ? std::nullopt : std::optional<Entry>(*entry);
}

void TokenCache::put(std::string_view text, Entry entry) {
  Part& part = part_of(text);
  const std::lock_guard lock(part.mutex);
  if (part.young.size() >= most_ && !part.young.contains(text)) {
    part.old = std::move(part.young);
    part.young.clear();
  }
  part.young.insert_or_assign(std::string(text), std::move(entry));
}

std::size_t TokenCache::size() const {
  std::size_t sum = 0;
  for (const Part& part : parts_) {
    const std::lock_guard lock(part.mutex);
    sum += part.young.size() + part.old.size();
  }
  return sum;
}

}  // namespace cloudos::identity
