#pragma once
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "network/impl.hpp"

/// Several resources at once, all of them or none.
namespace cloudos::network {

/// The call may still be made, and does not ask for too many.
/// Errors: TooLarge (more than limits::kNetworkBulk), and what check_call returns.
inline Result<void> check_bulk(const Networks::Impl& impl, const Context& ctx, std::size_t count) {
  CLOUDOS_CHECK(check_call(ctx, impl.engine.clock));
  if (count > limits::kNetworkBulk)
    return fail(ErrorCode::TooLarge, fmt::format("at most {} at once", limits::kNetworkBulk));
  return Result<void>();
}

/// A new record with what it has of every call that makes one: whose, id, texts, times.
/// Errors: InvalidArgument (texts), Forbidden (another's project).
template <class Record, class Spec>
Result<Record> draft_owned(const Networks::Impl& impl, const Context& ctx, const Spec& spec) {
  CLOUDOS_CHECK(check_texts(spec.name, spec.description));
  Record draft;
  CLOUDOS_TRY(draft.project, owner_of_new(ctx, spec.project));
  draft.id = impl.engine.ids.template make<decltype(draft.id)>();
  draft.name = spec.name;
  draft.description = spec.description;
  draft.created_at = draft.updated_at = impl.engine.clock.wall();
  return draft;
}

/// `insert(txn, draft)` makes the record of a draft, maybe more than once.
template <class Record, class Draft, class Insert>
Result<std::vector<Record>> insert_all(Networks::Impl& impl, const std::vector<Draft>& drafts,
                                       const Insert& insert) {
  std::vector<Record> made;
  CLOUDOS_CHECK(impl.transact([&](store::Txn& txn) -> Result<void> {
    made.clear();
    for (const Draft& draft : drafts) {
      CLOUDOS_TRY(Record record, insert(txn, draft));
      made.push_back(std::move(record));
    }
    return Result<void>();
  }));
  return made;
}

/// `draft(spec)` checks and draws what needs no transaction; then as insert_all().
/// Errors: those of check_bulk(), and what the two return.
template <class Record, class Spec, class Draft, class Insert>
Result<std::vector<Record>> create_all(Networks::Impl& impl, const Context& ctx,
                                       const std::vector<Spec>& specs, const Draft& draft,
                                       const Insert& insert) {
  CLOUDOS_CHECK(check_bulk(impl, ctx, specs.size()));
  std::vector<typename std::invoke_result_t<Draft, const Spec&>::value_type> drafts;
  for (const Spec& spec : specs) {
    CLOUDOS_TRY(auto one, draft(spec));
    drafts.push_back(std::move(one));
  }
  return insert_all<Record>(impl, drafts, insert);
}

/// For records that need nothing but to be written.
template <class Record>
Result<Record> insert_plain(store::Txn& txn, Record record) {
  CLOUDOS_CHECK(records::insert(txn, record));
  return record;
}

}  // namespace cloudos::network
