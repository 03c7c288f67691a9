#pragma once
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "network/impl.hpp"

namespace cloudos::network {

/// Several resources at once, all of them or none: `draft(spec)` checks and draws what needs no
/// transaction, `insert(txn, draft)` makes the record of it, maybe more than once.
/// Errors: TooLarge (more than limits::kNetworkBulk), and what the two return.
template <class Record, class Spec, class Draft, class Insert>
Result<std::vector<Record>> create_all(Networks::Impl& impl, const Context& ctx,
                                       const std::vector<Spec>& specs, const Draft& draft,
                                       const Insert& insert) {
  CLOUDOS_CHECK(check_call(ctx, impl.engine.clock));
  if (specs.size() > limits::kNetworkBulk)
    return fail(ErrorCode::TooLarge, fmt::format("at most {} at once", limits::kNetworkBulk));
  std::vector<typename std::invoke_result_t<Draft, const Spec&>::value_type> drafts;
  for (const Spec& spec : specs) {
    CLOUDOS_TRY(auto one, draft(spec));
    drafts.push_back(std::move(one));
  }
  std::vector<Record> made;
  CLOUDOS_CHECK(impl.transact([&](store::Txn& txn) -> Result<void> {
    made.clear();
    for (const auto& one : drafts) {
      CLOUDOS_TRY(Record record, insert(txn, one));
      made.push_back(std::move(record));
    }
    return Result<void>();
  }));
  return made;
}

/// For records that need nothing but to be written.
template <class Record>
Result<Record> insert_plain(store::Txn& txn, Record record) {
  CLOUDOS_CHECK(records::insert(txn, record));
  return record;
}

}  // namespace cloudos::network
