#include "identity/domain_records.hpp"

namespace cloudos::identity {

namespace {

/// Visits the alternative `T` of an option; the others' fields stay absent.
template <class T>
void visit_alternative(codec::FieldVisitor& v, codec::Field field, bool is_it,
                       DomainOption& value) {
  T mine{};
  if (is_it)
    if (const T* const set = std::get_if<T>(&value)) mine = *set;
  v.field(field, mine);
  if (is_it) value = std::move(mine);
}

}  // namespace

void fields(codec::FieldVisitor& v, StoredOption& option) {
  v.field({1, "group"}, option.group);
  v.field({2, "name"}, option.name);
  // Kept as a number: the alternatives of DomainOption stay in their order.
  std::size_t kind = option.value.index();
  v.field({3, "kind"}, kind);
  visit_alternative<std::string>(v, {4, "text"}, kind == 1, option.value);
  visit_alternative<std::int64_t>(v, {5, "number"}, kind == 2, option.value);
  visit_alternative<double>(v, {6, "real"}, kind == 3, option.value);
  visit_alternative<bool>(v, {7, "flag"}, kind == 4, option.value);
  visit_alternative<std::vector<std::string>>(v, {8, "list"}, kind == 5, option.value);
  v.field({9, "sealed"}, option.sealed);
}

void fields(codec::FieldVisitor& v, DomainConfigRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "options"}, r.options);
  v.unknown(r.unknown);
}

void fields(codec::FieldVisitor& v, OAuthConsumerRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "description"}, r.description);
  v.field({4, "sealed_secret"}, r.sealed_secret);
  v.field({5, "extra"}, r.extra);
  v.field({6, "created_at"}, r.created_at);
  v.unknown(r.unknown);
}

void keys(records::Keys&, const DomainConfigRecord&) {}
void keys(records::Keys&, const OAuthConsumerRecord&) {}

}  // namespace cloudos::identity
